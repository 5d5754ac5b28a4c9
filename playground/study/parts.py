"""The tables of a study file: what people are asked, and what counts. Frozen values, checked one by one."""

from typing import Any, Literal

from pydantic import AliasChoices, Field, model_validator

from playground.errors import InvalidInput
from playground.settings import FURTHEST, Settings, SliderName

Kind = Literal["pair", "adjustment", "single", "adaptive"]

CHOICES: dict[str, tuple[str, ...]] = {
    "pair": ("left", "right", "tie", "bad"),
    "adjustment": ("liked",),
    "single": ("weak", "right", "strong", "broken"),
    "adaptive": ("weak", "right", "strong", "broken"),
}
"""What can be answered to each kind of trial."""

MOST_QUESTIONS = 1000
"""Of a study, and so of one of its pages."""


def later(default: Any, description: str = "", **bounds: Any) -> Any:
    """A field that the first studies did not have: at its default it is in no digest, so that theirs stay the same."""
    return Field(default=default, description=description, exclude_if=lambda value: value == default, **bounds)


def slider_field(default: str | None, description: str) -> Any:
    """What a study varies. The first study files call it method, and so do all digests."""
    names = AliasChoices("slider", "method")
    return Field(default=default, description=description, validation_alias=names, serialization_alias="method")


class PlanTable(Settings):
    """A table of the study file."""


class Consent(PlanTable):
    """What a person agrees to before anything is stored about them."""

    version: str = Field(min_length=1, max_length=40, description="Stored with each consent.")
    text: str = Field(min_length=1, description="Who asks, what for, what is stored, how to withdraw.")


class Prompt(PlanTable):
    """A prompt people read replies to."""

    id: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_-]+$", description="Names it in the results.")
    text: str = Field(min_length=1)
    topic: str = Field(default="", max_length=60, description="Results are told apart by topic.")
    practice: bool = Field(default=False, description="Only for practice; never counted.")


class Condition(PlanTable):
    """What is steered and how strongly, where a study compares several axes, methods or models."""

    id: str = Field(max_length=16, pattern=r"^[A-Za-z0-9_-]*$", description="Names it in the results.")
    axis: str = Field(default="", description="Name or folder of its axis; empty for the study's.")
    slider: SliderName | None = slider_field(None, "The study's unless given.")
    model: str = Field(default="", description="Its base model; empty for the one it is built with.")
    strengths: tuple[float, ...] = Field(
        default=(), max_length=40, description="In rising order; empty for the study's."
    )


class Group(PlanTable):
    """People who see some of the conditions. Everybody is in the group with the fewest."""

    id: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_-]+$", description="Names it in the results.")
    conditions: tuple[str, ...] = Field(min_length=1, description="Ids of the conditions its people see.")


class Task(PlanTable):
    """A block of trials of one kind. Blocks come in the order of the file, trials inside in random order."""

    id: str = later(
        "", "Names it, where the study has several of its kind.", max_length=16, pattern=r"^[A-Za-z0-9_-]*$"
    )
    kind: Kind
    trials: int = Field(ge=1, le=500, description="Trials per person.")
    question: str = Field(default="", max_length=300, description="What stands above the replies.")
    degree: bool = Field(default=True, description="In a pair: ask how much better, from 1 to 3.")
    tie: bool = later(True, "In a pair: whether both may be equally good.")
    bad: bool = later(True, "In a pair: whether both may be bad. Without either the choice is forced.")
    labels: dict[str, str] = later({}, "What the answers are called on the page, by answer, such as weak or strong.")

    @property
    def name(self) -> str:
        """Its id, or its kind."""
        return self.id or self.kind

    @property
    def choices(self) -> tuple[str, ...]:
        """What can be answered."""
        left_out = {name for name, offered in (("tie", self.tie), ("bad", self.bad)) if not offered}
        return tuple(choice for choice in CHOICES[self.kind] if self.kind != "pair" or choice not in left_out)

    @model_validator(mode="after")
    def _labels_are_of_answers(self) -> "Task":
        for name, label in self.labels.items():
            if name not in self.choices or not label.strip() or (self.kind == "pair" and name not in ("tie", "bad")):
                given = [one for one in self.choices if self.kind != "pair" or one in ("tie", "bad")]
                raise InvalidInput(f"labels: {name!r} is no answer with a label.", f"They are: {', '.join(given)}.")
        return self


class Checks(PlanTable):
    """Attention checks, hidden among the pairs. They flag a person, and end the visit only with `end_early`."""

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
    end_early: bool = later(False, "End the visit as soon as somebody has failed by fail_after.")


class Flags(PlanTable):
    """Above which share somebody stands out. A flag drops nobody by itself."""

    failed_check: float = Field(default=0.0, ge=0, le=1, description="Of instructed and gold pairs answered wrongly.")
    inconsistent: float = Field(default=0.5, ge=0, le=1, description="Of repeated pairs answered otherwise ...")
    least_repeats: int = Field(default=3, ge=1, le=100, description="... where at least so many were repeated.")
    too_fast: float = Field(default=0.25, ge=0, le=1, description="Of trials answered too fast.")
    one_sided: float = Field(default=0.9, ge=0.5, le=1, description="Of one side among at least eight choices.")


Rule = Literal["failed_check", "inconsistent", "too_fast", "one_sided", "unfinished"]
"""For what a person can be excluded."""


class PlannedAnalysis(PlanTable):
    """What the analysis will be, fixed with the study and told in its report."""

    exclude: tuple[Rule, ...] = Field(default=("failed_check", "too_fast"), description="Whom to leave out.")
    primary: Literal["preferred", "too_strong"] = Field(
        default="preferred", description="The one outcome that leads the report and is tested alone."
    )
    secondary: tuple[str, ...] | None = later(
        None, "The tests that are adjusted for each other, by their names in the report; all unless given."
    )
    equivalent_within: float | None = later(
        None, "Preferred strengths of topics, conditions or groups so near each other count as the same.", gt=0
    )


class Question(PlanTable):
    """A question beside the trials."""

    id: str = Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_]+$", description="Names it in the results.")
    text: str = Field(min_length=1, max_length=500)
    kind: Literal["choice", "scale", "number", "text"] = "text"
    options: tuple[str, ...] = Field(default=(), description="The choices, or the names of a scale's two ends.")
    steps: int = Field(default=7, ge=2, le=11, description="Points of a scale.")
    required: bool = False
    at: str = later("", 'Where it comes: after the trials; "start", before them; or after the task of this name.')
    accept: tuple[str, ...] = later(
        (), "With any other answer somebody is screened out: options, or points of a scale."
    )
    least: float | None = later(None, "With a lower number somebody is screened out.")
    most: float | None = later(None, "With a higher number somebody is screened out.")

    def admits(self, value: str) -> bool:
        """Whether an answer, as `forms` read it, lets somebody go on."""
        if self.accept:
            return value in self.accept
        if self.kind == "number" and value:
            return (self.least is None or float(value) >= self.least) and (
                self.most is None or float(value) <= self.most
            )
        return True

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> "Question":
        if self.kind == "choice" and len(self.options) < 2:
            raise InvalidInput(f"The question {self.id!r} offers no choice.", "Give at least two options.")
        if self.kind == "scale" and len(self.options) != 2:
            raise InvalidInput(
                f"The scale {self.id!r} has no two ends.", 'Name both, as options = ["never", "always"].'
            )
        given = {"choice": self.options, "scale": tuple(str(step) for step in range(1, self.steps + 1))}
        if not set(self.accept) <= set(given.get(self.kind, ())):
            raise InvalidInput(
                f"The question {self.id!r} accepts what is no answer to it.", "See its options or steps."
            )
        if self.kind != "number" and (self.least is not None or self.most is not None):
            raise InvalidInput(f"The question {self.id!r} asks for no number.", 'Use accept, or kind = "number".')
        if (self.accept or self.least is not None or self.most is not None) and not self.required:
            raise InvalidInput(f"The question {self.id!r} screens and need not be answered.", "Set required = true.")
        return self
