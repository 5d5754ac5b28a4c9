"""A study as a TOML file: what people are asked, about which strengths, in which order, and what they are paid with.

Frozen values, checked as a whole. Reads files; knows nothing of models, databases or pages.
"""

import hashlib
import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from playground import files
from playground.errors import InvalidInput, PlaygroundError
from playground.settings import FURTHEST, Sampling, Settings
from playground.study.typed import clean
from playground.texts import is_blank

Method = Literal["alpha", "control"]
Kind = Literal["pair", "adjustment", "single", "adaptive"]
Phase = Literal["consent", "instructions", "practice", "trials", "questions", "thanks"]
Outcome = Literal["completed", "failed", "declined", "withdrawn"]

PHASES: tuple[Phase, ...] = get_args(Phase)
FILE_NAME = "study.toml"

_EXAMPLE = Path(__file__).with_name("example.toml")
_QUESTIONS: dict[str, str] = {
    "pair": "Which reply do you like better?",
    "adjustment": "Drag until you like the reply best.",
    "single": "How is this reply?",
    "adaptive": "How is this reply?",
}


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

    kind: Kind
    trials: int = Field(ge=1, le=500, description="Trials per person.")
    question: str = Field(default="", max_length=300, description="What stands above the replies.")
    degree: bool = Field(default=True, description="In a pair: ask how much better, from 1 to 3.")

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


class Codes(Part):
    """Completion codes by outcome. A value such as $STUDY_COMPLETED is read from that environment variable."""

    completed: str = ""
    failed: str = Field(default="", description="Too many checks were failed; empty gives the code of completed.")
    declined: str = ""
    withdrawn: str = ""
    url: str = Field(default="", description="Where the button leads; {code} becomes the code.")

    def of(self, outcome: Outcome) -> str:
        """The code of an outcome, empty if none is set."""
        if outcome == "failed" and not self.failed:
            outcome = "completed"
        return _from_environment(getattr(self, outcome))

    def link(self, code: str) -> str:
        """Where the button of a code leads, empty if nowhere."""
        return self.url.replace("{code}", code) if code else ""

    def missing(self) -> list[str]:
        """Environment variables that are named and not set."""
        given = [self.completed, self.failed, self.declined, self.withdrawn]
        return [code[1:] for code in given if code.startswith("$") and code[1:] not in os.environ]

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if url and not url.startswith(("https://", "http://")):
            raise InvalidInput(f"codes.url is no web address: {url!r}.", "Begin it with https://.")
        return url


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


class Plan(Settings):
    """A whole study. Lists of tables are checked against each other, so that a plan that loads can be run."""

    format: Literal[1] = Field(description="The version of this file's layout.")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$", description="Short, for files and the database.")
    title: str = Field(min_length=1, max_length=120, description="What people see at the top.")
    seed: int = Field(default=0, ge=0, lt=2**63, description="Goes into each schedule, beside a person's own draw.")
    phases: tuple[Phase, ...] = PHASES
    consent: Consent
    instructions: str = ""
    thanks: str = "Thank you. Your answers are saved."
    contact: str = Field(default="", max_length=200, description="Shown on every page; whom to ask.")

    axis: str = Field(min_length=1, description="Name or folder of the axis.")
    method: Method = "alpha"
    strengths: tuple[float, ...] = Field(min_length=2, max_length=40, description="In rising order.")
    system: str = Field(default="", description="System text of every prompt; empty for none.")
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1, description="One reply per seed, prompt and strength.")
    max_new_tokens: int = Field(default=80, ge=1, le=4000, description="Longest reply, in tokens.")
    sampling: Sampling = Sampling()
    prompts: tuple[Prompt, ...] = Field(min_length=1)

    practice: int = Field(default=0, ge=0, le=10, description="Practice trials of each task.")
    tasks: tuple[Task, ...] = Field(min_length=1)
    checks: Checks = Checks()
    questions: tuple[Question, ...] = ()
    codes: Codes = Codes()

    @field_validator("phases")
    @classmethod
    def _come_in_their_order(cls, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
        if phases != tuple(phase for phase in PHASES if phase in phases):
            raise InvalidInput("The phases are out of order.", f"Their order is: {', '.join(PHASES)}.")
        missing = {"consent", "trials", "thanks"} - set(phases)
        if missing:
            raise InvalidInput(
                f"The phase {min(missing)} is missing.", "Consent, trials and thanks cannot be left out."
            )
        return phases

    @field_validator("strengths")
    @classmethod
    def _rise(cls, strengths: tuple[float, ...]) -> tuple[float, ...]:
        if list(strengths) != sorted(set(strengths)):
            raise InvalidInput("The strengths do not rise.", "List each once, the lowest first.")
        if max(abs(strength) for strength in strengths) > FURTHEST:
            raise InvalidInput("A strength is out of range.", f"Stay between -{FURTHEST:g} and {FURTHEST:g}.")
        return strengths

    @field_validator("seeds", "prompts", "tasks", "questions")
    @classmethod
    def _are_told_apart(cls, parts: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        names = [getattr(part, "id", getattr(part, "kind", part)) for part in parts]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InvalidInput(f"{info.field_name}: {twice[0]!r} is there twice.", "Give each once.")
        return parts

    @model_validator(mode="after")
    def _fits_together(self) -> "Plan":
        checks = self.checks
        if (checks.instructed or checks.gold or checks.repeated) and self.task("pair") is None:
            raise InvalidInput(
                "Checks hide among pairs, and there is no pair task.", "Add one, or set the checks to 0."
            )
        if checks.gold and checks.broken is None:
            raise InvalidInput("A gold pair needs a broken reply.", "Set checks.broken to a strength far too strong.")
        if checks.repeated > sum(task.trials for task in self.tasks if task.kind == "pair") // 2:
            raise InvalidInput("More pairs repeat than half of them.", "Lower checks.repeated or ask more pairs.")
        if not self.scored_prompts:
            raise InvalidInput("All prompts are for practice.", "Give at least one without practice = true.")
        if self.practises and not self.practice_prompts:
            raise InvalidInput("No prompt is for practice.", "Mark one with practice = true, or set practice to 0.")
        return self

    @property
    def scored_prompts(self) -> tuple[Prompt, ...]:
        """The prompts whose answers count."""
        return tuple(prompt for prompt in self.prompts if not prompt.practice)

    @property
    def practice_prompts(self) -> tuple[Prompt, ...]:
        """The prompts for practice."""
        return tuple(prompt for prompt in self.prompts if prompt.practice)

    @property
    def practises(self) -> bool:
        """Whether people practise first."""
        return bool(self.practice) and "practice" in self.phases

    @property
    def generated(self) -> tuple[float, ...]:
        """The strengths replies are made at, in rising order: the study's, and those of its gold pairs."""
        gold = (self.checks.fluent, self.checks.broken) if self.checks.gold and self.checks.broken is not None else ()
        return tuple(sorted({*self.strengths, *gold}))

    def task(self, kind: Kind) -> Task | None:
        """The task of this kind, if the study has one."""
        return next((task for task in self.tasks if task.kind == kind), None)

    def digest(self) -> str:
        """sha256 of everything but the completion codes: what a person's schedule and answers depend on."""
        return hashlib.sha256(self.model_dump_json(exclude={"codes"}).encode()).hexdigest()

    def replies_digest(self) -> str:
        """sha256 of what the reply to a prompt depends on, but for the prompt itself and the seed."""
        fields = {"axis", "method", "system", "max_new_tokens", "sampling"}
        text = self.model_dump_json(include=fields) + repr(self.generated)
        return hashlib.sha256(text.encode()).hexdigest()


_TABLES: dict[str, type[Settings]] = {"consent": Consent, "sampling": Sampling, "checks": Checks, "codes": Codes}
_LISTS: dict[str, type[Settings]] = {"prompts": Prompt, "tasks": Task, "questions": Question}


def load(path: Path) -> Plan:
    """The plan a TOML file holds. Raises InvalidInput that names the file and says what is wrong in it."""
    return _read(path, parse)


def load_built(path: Path) -> Plan:
    """The plan of a study that was built. Its options are taken as they are, since people may have answered it."""
    return _read(path, _parse)


def parse(text: str) -> Plan:
    """The plan a TOML text holds. Raises InvalidInput."""
    plan = _parse(text)
    for question in plan.questions:
        _check_options(question)
    return plan


def _read(path: Path, parse: Callable[[str], Plan]) -> Plan:
    if not path.exists():
        raise InvalidInput(f"There is no study file {path}.", f"Make one with: playground study new {path.name}")
    text = files.read_text(path)
    try:
        return parse(text)
    except PlaygroundError as error:
        raise InvalidInput(f"In {path.name}: {error.message}", error.hint) from None


def _check_options(question: Question) -> None:
    """Refuse options that nobody can choose, since what a browser sends is cleaned, or that look alike."""
    where = f"The question {question.id!r}"
    seen: set[str] = set()
    for option in question.options:
        if is_blank(option):
            raise InvalidInput(f"{where} has an empty option.", "Give each option a text.")
        if option != clean(option):
            raise InvalidInput(
                f"{where} has an option that begins or ends with a blank, or holds what is no text: {option!r}.",
                f"Write {clean(option)!r}.",
            )
        looks = " ".join(unicodedata.normalize("NFKC", option).split())
        if looks in seen:
            raise InvalidInput(f"{where} has the option {option!r} twice.", "Give each once.")
        seen.add(looks)


def _parse(text: str) -> Plan:
    values = files.parse_toml(text)
    if "\\u0000" in json.dumps(values, default=str):
        raise InvalidInput("A text holds a zero byte, which no database keeps.", "Take it out.")
    return Plan(**{name: _checked(name, value) for name, value in values.items()})


def example() -> str:
    """A commented study file that loads as it is."""
    return _EXAMPLE.read_text(encoding="utf-8")


def _checked(name: str, value: Any) -> Any:
    """A table or list of tables as its parts, so that a complaint says which one it is about."""
    part = _TABLES.get(name) or _LISTS.get(name)
    if part is None:
        return value
    tables = value if name in _LISTS else [value]
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        brackets = f"[[{name}]]" if name in _LISTS else f"[{name}]"
        raise InvalidInput(f"{name} is no table.", f"Write it below a line {brackets}.")
    parts: list[Settings] = []
    for number, table in enumerate(tables, start=1):
        try:
            parts.append(part(**table))
        except PlaygroundError as error:
            where = f"{name} {table.get('id', table.get('kind', number))}" if name in _LISTS else name
            raise InvalidInput(f"{where}: {error.message}", error.hint) from None
    return parts if name in _LISTS else parts[0]


def _from_environment(code: str) -> str:
    return os.environ.get(code[1:], "") if code.startswith("$") else code
