"""What a browser sends, checked before anything believes it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from playground.settings import Settings
from playground.study.parts import CHOICES, MOST_QUESTIONS, Question
from playground.study.typed import clean, number
from playground.study.words import RefusedForm

TOO_STRONG = ("strong", "broken")
"""The answers that mean that a reply goes too far."""

_NAME = r"^[A-Za-z0-9_-]*$"

LONGEST_PATH = 500

Action = Literal["consent", "decline", "begin", "answer", "questions", "read", "undo", "withdraw", "return"]


class Incomplete(RefusedForm):
    """A question is unanswered, or not in a way that can be used."""


class Answer(Settings):
    """One answer. `degree` is -3..3 with the sign of the side; `option` a slider's place; `path` its (ms, place)s."""

    choice: str = Field(max_length=20)
    degree: int | None = Field(default=None, ge=-3, le=3)
    option: int | None = Field(default=None, ge=0, le=1000)
    path: tuple[tuple[float, int], ...] = Field(default=(), max_length=LONGEST_PATH)
    changes: int = Field(default=0, ge=0, le=100_000, description="How often the choice changed before it was sent.")
    client_ms: float = Field(default=0, ge=0, le=1e10, description="From shown to answered, by the browser's clock.")
    hidden: int = Field(default=0, ge=0, le=100_000, description="How often the page lost the focus.")
    hidden_ms: float = Field(default=0, ge=0, le=1e10, description="For how long in all.")

    def check(self, kind: str, options: int, choices: Collection[str] | None = None) -> None:
        """Raise Refused unless this answers a trial of this kind with so many options; `choices` if not all it has."""
        if self.choice not in (CHOICES[kind] if choices is None else choices):
            raise RefusedForm("no_such_answer")
        sides = {"left": (-3, -2, -1), "right": (1, 2, 3), "tie": (0,)}.get(self.choice, ()) if kind == "pair" else ()
        if self.degree is not None and self.degree not in sides:
            raise RefusedForm("no_such_answer")
        places = [self.option, *(place for _, place in self.path)] if kind == "adjustment" else []
        if any(place is None or not 0 <= place < options for place in places):
            raise RefusedForm("no_such_answer")
        if kind != "adjustment" and (self.option is not None or self.path):
            raise RefusedForm("no_such_answer")


class Form(Settings):
    """What one press of a button sends. `key` is the page's own, so that a page sent twice counts once."""

    action: Action
    code: str = Field(default="", max_length=64, pattern=_NAME)
    key: str = Field(min_length=8, max_length=40, pattern=_NAME)
    token: str = Field(default="", max_length=64, pattern=_NAME)
    answer: Answer | None = None
    values: dict[str, str] = Field(default={}, max_length=MOST_QUESTIONS)


def read(data: Any) -> Form:
    """The form a browser sent. Raises Refused for anything else."""
    if not isinstance(data, Mapping):
        raise RefusedForm("no_form")
    values = data.get("values")
    if isinstance(
        values, Mapping
    ):  # half of a character, as a box that is full may leave it, is no reason to lose the rest
        data = {
            **data,
            "values": {name: clean(value) if isinstance(value, str) else value for name, value in values.items()},
        }
    try:
        return Form(**dict[str, Any]((str(name), value) for name, value in data.items()))
    except (TypeError, ValueError, RecursionError):
        raise RefusedForm("no_form") from None


def responses(questions: Sequence[Question], values: Mapping[str, str]) -> dict[str, str]:
    """The answers to these questions, cleaned; empty ones left out. Raises Incomplete naming the question."""
    found = {question.id: _response(question, clean(values.get(question.id, ""))) for question in questions}
    return {name: value for name, value in found.items() if value}


def _response(question: Question, value: str) -> str:
    if not value:
        if question.required:
            raise Incomplete("please_answer", question=question.text)
        return ""
    known = {"choice": question.options, "scale": tuple(str(step) for step in range(1, question.steps + 1))}
    if question.kind in known and value not in known[question.kind]:
        raise Incomplete("please_choose", question=question.text)
    if question.kind != "number":
        return value
    read = number(value)
    if read is None:
        raise Incomplete("please_number", question=question.text)
    return read
