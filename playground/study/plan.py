"""A study as a TOML file: what people are asked, about which strengths, in which order, and what they are paid with.

Frozen values, checked as a whole. Reads files; knows nothing of models, databases or pages.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from playground import files
from playground.errors import InvalidInput, PlaygroundError
from playground.settings import MAIN, Sampling, Settings, SliderName
from playground.study import coherence, words
from playground.study.coherence import rising
from playground.study.parts import (
    MOST_QUESTIONS,
    Checks,
    Condition,
    Consent,
    Flags,
    Group,
    Kind,
    PlannedAnalysis,
    Prompt,
    Question,
    Task,
    later,
    slider_field,
)
from playground.study.recruiting import Codes, Recruiting
from playground.study.words import Words, in_language

Phase = Literal["consent", "instructions", "practice", "trials", "questions", "thanks"]

PHASES: tuple[Phase, ...] = get_args(Phase)
FILE_NAME = "study.toml"

_THANKS = "Thank you. Your answers are saved."
_EXAMPLE = Path(__file__).with_name("example.toml")


class StudyPlan(Settings):
    """A whole study. Lists of tables are checked against each other, so that a plan that loads can be run."""

    format: Literal[1] = Field(description="The version of this file's layout.")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$", description="Short, for files and the database.")
    title: str = Field(min_length=1, max_length=120, description="What people see at the top.")
    seed: int = Field(default=0, ge=0, lt=2**63, description="Goes into each schedule, beside a person's own draw.")
    phases: tuple[Phase, ...] = PHASES
    consent: Consent
    instructions: str = ""
    thanks: str = _THANKS
    debriefing: str = later("", "What people read at the end, before their code: what it was about.")
    language: str = later("en", "Of the pages' own words.", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$")
    words: dict[str, str] = later({}, "Sentences of the pages in place of their own.")
    contact: str = Field(default="", max_length=200, description="Shown on every page; whom to ask.")

    axis: str = Field(min_length=1, description="Name or folder of the axis.")
    slider: SliderName = slider_field(MAIN, "What is varied.")
    strengths: tuple[float, ...] = Field(min_length=2, max_length=40, description="In rising order.")
    system: str = Field(default="", description="System text of every prompt; empty for none.")
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1, description="One reply per seed, prompt and strength.")
    max_new_tokens: int = Field(default=80, ge=1, le=4000, description="Longest reply, in tokens.")
    sampling: Sampling = Sampling()
    prompts: tuple[Prompt, ...] = Field(min_length=1)

    replies: str = later("", "A CSV file of replies of one's own, instead of a model's; see own_replies.")
    conditions: tuple[Condition, ...] = later((), "Axes, methods or models to compare, in place of one.")
    groups: tuple[Group, ...] = later((), "People who see some of the conditions; without groups everybody sees all.")
    blocks: Literal["fixed", "balanced"] = later("fixed", "The order of tasks: the file's, or balanced over people.")

    practice: int = Field(default=0, ge=0, le=10, description="Practice trials before each task.")
    tasks: tuple[Task, ...] = Field(min_length=1)
    checks: Checks = Checks()
    flags: Flags = later(Flags())
    analysis: PlannedAnalysis | None = later(None, "What the analysis will be; without it nothing is told as planned.")
    questions: tuple[Question, ...] = Field(default=(), max_length=MOST_QUESTIONS)
    recruiting: Recruiting = Recruiting()
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
    def _go_up(cls, strengths: tuple[float, ...]) -> tuple[float, ...]:
        return rising(strengths)

    @field_validator("seeds", "prompts", "tasks", "questions", "conditions", "groups")
    @classmethod
    def _are_told_apart(cls, parts: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        names = [getattr(part, "name", getattr(part, "id", part)) for part in parts]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InvalidInput(f"{info.field_name}: {twice[0]!r} is there twice.", "Give each once.")
        return parts

    @model_validator(mode="after")
    def _fits_together(self) -> "StudyPlan":
        words.check(self.language, self.words)
        coherence.check_conditions(self.conditions, self.groups, self.prompts, self.seeds, self.tasks)
        coherence.check_questions(self.questions, self.tasks)
        coherence.check_checks(self.checks, self.tasks)
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
        return self.made(self.compared[0])

    @property
    def compared(self) -> tuple[Condition, ...]:
        """Its conditions with all they take from the study; one without a name where it has none."""
        return tuple(
            one.model_copy(
                update={
                    "axis": one.axis or self.axis,
                    "slider": one.slider or self.slider,
                    "strengths": one.strengths or self.strengths,
                }
            )
            for one in self.conditions or (Condition(id=""),)
        )

    @property
    def compared_parts(self) -> tuple[str, ...]:
        """What of it has several whose preferred strengths are compared: topics, conditions, groups."""
        several = {
            "topics": len({prompt.topic for prompt in self.scored_prompts}) > 1,
            "conditions": any(count > 1 for count in Counter(one.slider for one in self.compared).values()),
            "groups": len(self.groups) > 1,
        }
        return tuple(what for what, there in several.items() if there)

    def made(self, condition: Condition) -> tuple[float, ...]:
        """The strengths replies of a condition are made at, in rising order: its own, and those of the gold pairs."""
        gold = (self.checks.fluent, self.checks.broken) if self.checks.gold and self.checks.broken is not None else ()
        return tuple(sorted({*condition.strengths, *gold}))

    def seen_by(self, group: str) -> tuple[Condition, ...]:
        """The conditions that people of a group see."""
        own = next((one.conditions for one in self.groups if one.id == group), None)
        return self.compared if own is None else tuple(one for one in self.compared if one.id in own)

    @property
    def spoken(self) -> Words:
        """Everything the pages say by themselves."""
        return in_language(self.language, self.words)

    @property
    def thanked(self) -> str:
        """The thanks, in the study's language where it says nothing of its own."""
        return self.spoken["thanks"] if self.thanks == _THANKS else self.thanks

    @property
    def pages(self) -> tuple[str, ...]:
        """Where questions come, in order: at the start, after tasks, and at the end."""
        places = ("start", *(task.name for task in self.tasks), "")
        return tuple(place for place in places if self.asked_at(place))

    def asked_at(self, place: str) -> tuple[Question, ...]:
        """The questions that come there."""
        asked = tuple(question for question in self.questions if question.at == place)
        return asked if place or "questions" in self.phases else ()

    def task(self, name: str) -> Task | None:
        """The task of this name, if the study has one."""
        return next((task for task in self.tasks if task.name == name), None)

    def of_kind(self, kind: Kind) -> tuple[Task, ...]:
        """Its tasks of this kind."""
        return tuple(task for task in self.tasks if task.kind == kind)

    def digest(self) -> str:
        """sha256 of everything but how people come and are paid: what a person's schedule and answers depend on."""
        return hashlib.sha256(self.model_dump_json(exclude={"recruiting", "codes"}, by_alias=True).encode()).hexdigest()

    def replies_digest(self, condition: Condition) -> str:
        """sha256 of what a condition's reply to a prompt depends on, but for the prompt itself and the seed."""
        fields = {"axis", "slider", "system", "max_new_tokens", "sampling"}
        told = self.model_copy(update={"axis": condition.axis, "slider": condition.slider})
        text = told.model_dump_json(include=fields, by_alias=True) + repr(self.made(condition))
        return hashlib.sha256(text.encode()).hexdigest()


_TABLES: dict[str, type[Settings]] = {
    "consent": Consent, "sampling": Sampling, "checks": Checks, "flags": Flags, "recruiting": Recruiting,
    "codes": Codes, "analysis": PlannedAnalysis,
}  # fmt: skip
_LISTS: dict[str, type[Settings]] = {
    "prompts": Prompt, "tasks": Task, "questions": Question, "conditions": Condition, "groups": Group,
}  # fmt: skip


def load(path: Path) -> StudyPlan:
    """The plan a TOML file holds. Raises InvalidInput that names the file and says what is wrong in it."""
    return _read(path, parse)


def load_built(path: Path) -> StudyPlan:
    """The plan of a study that was built; its options and analysis as they are, since people may have answered it."""
    return _read(path, _parse)


def parse(text: str) -> StudyPlan:
    """The plan a TOML text holds. Raises InvalidInput."""
    plan = _parse(text)
    for question in plan.questions:
        coherence.check_options(question)
    if plan.analysis is not None:
        coherence.check_analysis(plan.analysis, plan.questions, plan.tasks, plan.compared_parts)
    return plan


def _read(path: Path, parse: Callable[[str], StudyPlan]) -> StudyPlan:
    if not path.exists():
        raise InvalidInput(f"There is no study file {path}.", f"Make one with: playground study new {path.name}")
    text = files.read_text(path)
    try:
        return parse(text)
    except PlaygroundError as error:
        raise InvalidInput(f"In {path.name}: {error.message}", error.hint) from None


def _parse(text: str) -> StudyPlan:
    values = files.parse_toml(text)
    if "\\u0000" in json.dumps(values, default=str):
        raise InvalidInput("A text holds a zero byte, which no database keeps.", "Take it out.")
    return StudyPlan(**{name: _checked(name, value) for name, value in values.items()})


def rehearsed() -> tuple[str, str]:
    """The same with replies that were made before, and the table of these as CSV."""
    told = 'replies = "replies.csv"          # made before, by the embedded model'
    source = example().replace("\nseeds = [0]", f"\n{told}\nseeds = [0]")
    return source, _EXAMPLE.with_suffix(".csv").read_text(encoding="utf-8")


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
