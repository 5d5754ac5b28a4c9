"""What people read, made once and then frozen: every prompt at every strength, with the digests that prove it.

A finished folder holds the plan, `stimuli.parquet` and `manifest.json`. Serving reads it and generates nothing.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from playground.errors import InvalidInput
from playground.settings import UNSTEERED
from playground.study import plan as plans
from playground.study.plan import StudyPlan

TABLE = "stimuli.parquet"
MANIFEST = "manifest.json"
_NUMBERS = ("reward", "kl", "perplexity")


@dataclass(frozen=True)
class Stimulus:
    """One frozen reply. `strength` is how far along the slider that the study varies; all others are at 0."""

    id: str
    prompt: str
    topic: str
    practice: bool
    prompt_text: str
    axis: str
    slider: str
    strength: float
    seed: int
    reply: str
    tokens: int
    finish_reason: str
    reward: float | None
    kl: float | None
    perplexity: float | None
    sha256: str
    condition: str = ""

    def as_row(self) -> dict[str, Any]:
        """Its columns in a table, in which the slider is called method and each slider has a column."""
        row: dict[str, Any] = {}
        for name, value in asdict(self).items():
            row["method" if name == "slider" else name] = value
            row |= UNSTEERED.to(self.slider, self.strength).amounts if name == "strength" else {}
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Stimulus":
        """The reply that a row of a table tells of. Raises KeyError where a column is missing."""
        known = {one.name for one in fields(cls)}
        return cls(slider=row["method"], **{name: value for name, value in row.items() if name in known})

    @property
    def shown(self) -> str:
        """The reply as people read it: one that was cut ends in an ellipsis."""
        return f"{self.reply} …" if self.finish_reason == "length" else self.reply


@dataclass(frozen=True)
class Manifest:
    """How the replies came about: enough to make them again, and to prove that they are the same."""

    stimuli: int
    sha256: str
    generated: str
    model: dict[str, Any]
    axis: str
    axis_files: dict[str, str]
    decoding: dict[str, Any]
    version: str
    conditions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The model, the axis and its files of each condition, where the study has several."""


@dataclass(frozen=True)
class Study:
    """A study ready to be served: its plan and its frozen replies by id."""

    plan: StudyPlan
    stimuli: Mapping[str, Stimulus]
    manifest: Manifest

    @property
    def digest(self) -> str:
        """sha256 over plan and replies: what people's answers are answers to."""
        return hashlib.sha256(f"{self.plan.digest()} {self.manifest.sha256}".encode()).hexdigest()

    def made_of(self, condition: str) -> tuple[str, str]:
        """The names of a condition's axis, as its card says, and of its model."""
        made = self.manifest.conditions.get(condition, {"axis": self.manifest.axis, "model": self.manifest.model})
        return made["axis"], str(made["model"].get("name", ""))

    def at(self, prompt: str, seed: int, strength: float, condition: str = "") -> Stimulus:
        """The reply to a prompt under a seed at a strength."""
        return self.stimuli[name_of(condition, prompt, seed, strength)]


def load(folder: Path) -> Study:
    """The study in a folder, every reply checked against its digest. Raises InvalidInput."""
    plan = plans.load_built(folder / plans.FILE_NAME)
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        rows: list[dict[str, Any]] = [
            {str(name): value for name, value in row.items()}
            for row in pd.read_parquet(folder / TABLE).to_dict("records")
        ]
        rows = [{**row, **{name: _known(row[name]) for name in _NUMBERS}} for row in rows]
        stimuli = {row["id"]: Stimulus.from_row(row) for row in rows}
    except FileNotFoundError as error:
        raise InvalidInput(
            f"{folder} holds no {Path(str(error.filename)).name}.", "Make the folder with: playground study build"
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InvalidInput(f"The replies in {folder} cannot be read: {error}.", "Build the study again.") from None
    if (
        any(one.sha256 != sha256(one.reply) for one in stimuli.values())
        or digest_of(stimuli.values()) != manifest.sha256
    ):
        raise InvalidInput(f"The replies in {folder} are not those that were made.", "Build the study again.")
    wanted = {
        name_of(condition.id, prompt.id, seed, strength)
        for condition in plan.compared
        for prompt in plan.prompts
        for seed in plan.seeds
        for strength in plan.made(condition)
    }
    if wanted != set(stimuli):
        raise InvalidInput(f"The replies in {folder} are not those its plan asks for.", "Build the study again.")
    return Study(plan, stimuli, manifest)


def unmade(plan: StudyPlan) -> Study:
    """A study whose replies are still to be made: each stands for itself."""
    found = [
        (name_of(condition.id, prompt.id, seed, strength), condition, prompt, seed, strength)
        for condition in plan.compared
        for prompt in plan.prompts
        for seed in plan.seeds
        for strength in plan.made(condition)
    ]
    stimuli = {
        name: Stimulus(
            id=name, prompt=prompt.id, topic=prompt.topic, practice=prompt.practice, prompt_text=prompt.text,
            axis=condition.axis, slider=str(condition.slider), strength=strength, seed=seed,
            reply=name, tokens=1, finish_reason="stop", reward=None, kl=0.0, perplexity=1.0, sha256="",
            condition=condition.id,
        )
        for name, condition, prompt, seed, strength in found
    }  # fmt: skip
    return Study(plan, stimuli, Manifest(len(stimuli), "", "", {}, plan.axis, {}, {}, ""))


def identical_pairs(study: Study) -> int:
    """How many pairs of neighbouring strengths read the same; such pairs are never shown beside each other."""
    plan = study.plan
    rows = [
        [study.at(prompt.id, seed, strength, condition.id).reply for strength in condition.strengths]
        for condition in plan.compared
        for prompt in plan.scored_prompts
        for seed in plan.seeds
    ]
    return sum(one == two for row in rows for one, two in pairwise(row))


def sha256(text: str) -> str:
    """sha256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def name_of(condition: str, prompt: str, seed: int, strength: float) -> str:
    """The id of a reply; a study without conditions names none."""
    return f"{condition and f'{condition}/'}{prompt}/{seed}/{strength!r}"


def _known(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) else value


def digest_of(stimuli: Iterable[Stimulus]) -> str:
    """sha256 over the ids and digests of all replies, whatever their order."""
    return digest(sorted(f"{one.id} {one.sha256}" for one in stimuli))


def digest(lines: Sequence[str]) -> str:
    """sha256 of some lines."""
    return sha256("\n".join(lines))
