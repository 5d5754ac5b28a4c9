"""The tables of a study file: what people are asked, and what counts. Frozen values, checked one by one."""

from typing import Any, Literal

from pydantic import Field, model_validator

from playground.errors import InvalidInput
from playground.settings import FURTHEST, Settings

Method = Literal["alpha", "control"]
Kind = Literal["pair", "adjustment", "single", "adaptive"]

_QUESTIONS: dict[str, str] = {
    "pair": "Which reply do you like better?",
    "adjustment": "Drag until you like the reply best.",
    "single": "How is this reply?",
    "adaptive": "How is this reply?",
}


def later(default: Any, description: str = "", **bounds: Any) -> Any:
    """A field that the first studies did not have: at its default it is in no digest, so that theirs stay the same."""
    return Field(default=default, description=description, exclude_if=lambda value: value == default, **bounds)


class Part(Settings):
    """A table of the study file."""


class Consent(Part):
    """What a person agrees to before anything is stored about them."""

    version: str = Field(min_length=1, max_length=40, description="Stored with each consent.")
    text: str = Field(min_length=1, description="Who asks, what for, what is stored, how to withdraw.")


class Prompt(Part):
    """A prompt people read replies to."""

    id: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_-]+$", description="Names it in the results.")
    text: str = Field(min_length=1)
    topic: str = Field(default="", max_length=60, description="Results are told apart by topic.")
    practice: bool = Field(default=False, description="Only for practice; never counted.")


class Task(Part):
    """A block of trials of one kind. Blocks come in the order of the file, trials inside in random order."""

    id: str = later(
        "", "Names it, where the study has several of its kind.", max_length=16, pattern=r"^[A-Za-z0-9_-]*$"
    )
    kind: Kind
    trials: int = Field(ge=1, le=500, description="Trials per person.")
    question: str = Field(default="", max_length=300, description="What stands above the replies.")
    degree: bool = Field(default=True, description="In a pair: ask how much better, from 1 to 3.")

    @property
    def name(self) -> str:
        """Its id, or its kind."""
        return self.id or self.kind

    @property
    def wording(self) -> str:
        """The question as people read it."""
        return self.question or _QUESTIONS[self.kind]


class Checks(Part):
    """Attention checks, hidden among the pairs. They flag a person; nobody is dropped by them."""

    instructed: int = Field(default=0, ge=0, le=10, description="Pairs whose replies say which side to choose.")
    gold: int = Field(default=0, ge=0, le=10, description="Pairs of a fluent and a broken reply.")
    fluent: float = Field(default=0.0, ge=-FURTHEST, le=FURTHEST, description="Strength of a gold pair's good reply.")
    broken: float | None = Field(
        default=None, ge=-FURTHEST, le=FURTHEST, description="Strength of a gold pair's broken reply, far too strong."
    )
    repeated: int = Field(default=0, ge=0, le=10, description="Pairs shown once more with the sides swapped.")
    seconds_per_word: float = Field(
        default=0.08, ge=0, le=5, description="Answers given faster than this are flagged as too fast."
    )
    fail_after: int = Field(
        default=0, ge=0, le=20, description="Wrong instructed and gold answers for the outcome failed; 0 is never."
    )


class Question(Part):
    """A question after the trials."""

    id: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_]+$", description="Names it in the results.")
    text: str = Field(min_length=1, max_length=500)
    kind: Literal["choice", "scale", "number", "text"] = "text"
    options: tuple[str, ...] = Field(default=(), description="The choices, or the names of a scale's two ends.")
    steps: int = Field(default=7, ge=2, le=11, description="Points of a scale.")
    required: bool = False

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> "Question":
        if self.kind == "choice" and len(self.options) < 2:
            raise InvalidInput(f"The question {self.id!r} offers no choice.", "Give at least two options.")
        if self.kind == "scale" and len(self.options) != 2:
            raise InvalidInput(
                f"The scale {self.id!r} has no two ends.", 'Name both, as options = ["never", "always"].'
            )
        return self
