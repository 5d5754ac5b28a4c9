"""What people read, made once and then frozen: every prompt at every strength, with the digests that prove it.

A finished folder holds the plan, `stimuli.parquet` and `manifest.json`. Serving reads it and generates nothing.
"""

import hashlib
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from playground import __version__, cards, files
from playground.cards import FILE_NAME as CARD_FILE
from playground.cards import Base, Card
from playground.errors import InvalidInput
from playground.events import Event, Finished, Progress, from_json, to_json
from playground.locks import held
from playground.settings import Request, Row, Strength, conversation
from playground.study import plan as plans
from playground.study.parts import Prompt
from playground.study.plan import Plan

TABLE = "stimuli.parquet"
MANIFEST = "manifest.json"
_REPLIES = "replies"


@dataclass(frozen=True)
class Stimulus:
    """One frozen reply. `strength` is its alpha or its control, whichever the study varies; the other is 0."""

    id: str
    prompt: str
    topic: str
    practice: bool
    prompt_text: str
    axis: str
    method: str
    strength: float
    alpha: float
    control: float
    seed: int
    reply: str
    tokens: int
    finish_reason: str
    reward: float | None
    kl: float
    perplexity: float
    sha256: str

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


@dataclass(frozen=True)
class Study:
    """A study ready to be served: its plan and its frozen replies by id."""

    plan: Plan
    stimuli: Mapping[str, Stimulus]
    manifest: Manifest

    @property
    def digest(self) -> str:
        """sha256 over plan and replies: what people's answers are answers to."""
        return hashlib.sha256(f"{self.plan.digest()} {self.manifest.sha256}".encode()).hexdigest()

    def at(self, prompt: str, seed: int, strength: float) -> Stimulus:
        """The reply to a prompt under a seed at a strength."""
        return self.stimuli[_id(prompt, seed, strength)]


class _Model(Protocol):
    @property
    def name(self) -> str: ...
    def identity(self) -> Base: ...


class _Axis(Protocol):
    @property
    def card(self) -> Card: ...


class Plays(Protocol):
    """What building asks of a player; `playground.player.Player` is one."""

    @property
    def model(self) -> _Model:
        """The base model."""
        ...

    def axis(self, name_or_folder: str) -> _Axis:
        """The axis of this name."""
        ...

    def run(self, request: Request) -> Generator[Event, None, None]:
        """Answer a request as a stream of events."""
        ...


def check_axis(plan: Plan) -> None:
    """Complain about an axis that cannot be had before a model is loaded."""
    known = [card.name for card in cards.shipped().values()]
    if plan.axis not in known and not (Path(plan.axis) / CARD_FILE).is_file():
        raise InvalidInput(
            f"There is no axis {plan.axis!r}.", f"Set axis to one of {', '.join(known)}, or to the folder of an axis."
        )


def build(plan: Plan, source: str, player: Plays, folder: Path) -> Generator[Progress, None, Study]:
    """Make all replies of a plan into a folder; returns the study. `source` is the plan's text, kept beside them.

    The strengths of one prompt and seed are one batch with one noise. What is done is kept, so the same call goes
    on after a stop, and a change of wording makes no reply anew.
    """
    with held(folder):
        return (yield from _build(plan, source, player, folder))


def _build(plan: Plan, source: str, player: Plays, folder: Path) -> Generator[Progress, None, Study]:
    player_axis, base = player.axis(plan.axis), player.model.identity()
    generated = made_from(plan, player)
    done = folder / _REPLIES / generated[:16]
    done.mkdir(parents=True, exist_ok=True)
    batches = [(prompt, seed) for prompt in plan.prompts for seed in plan.seeds]
    stimuli: list[Stimulus] = []
    for number, (prompt, seed) in enumerate(batches):
        path = done / f"{sha256(prompt.text)[:16]}-{seed}.jsonl"
        if not path.exists():
            yield Progress("replies", number, len(batches), "prompts")
            files.write_json_lines(path, map(to_json, _batch(plan, player, prompt, seed)))
        stimuli += [
            _stimulus(plan, prompt, seed, strength, end)
            for strength, end in zip(plan.generated, _ends(path), strict=True)
        ]
    manifest = Manifest(
        stimuli=len(stimuli),
        sha256=_whole(stimuli),
        generated=generated,
        model=base.model_dump(mode="json"),
        axis=player_axis.card.name,
        axis_files=dict(player_axis.card.files),
        decoding={**plan.sampling.model_dump(), "max_new_tokens": plan.max_new_tokens, "system": plan.system},
        version=__version__,
    )
    with files.in_one_piece(folder / TABLE) as table:
        pd.DataFrame([asdict(one) for one in stimuli]).to_parquet(table, index=False)
    files.write_text(folder / plans.FILE_NAME, source)
    files.write_json(folder / MANIFEST, asdict(manifest))
    yield Progress("replies", len(batches), len(batches), "prompts")
    return load(folder)


def made_from(plan: Plan, player: Plays) -> str:
    """sha256 of all that replies to any prompt depend on: the plan's settings, the base model, the axis."""
    card, base = player.axis(plan.axis).card, player.model.identity()
    return _digest([plan.replies_digest(), base.model_dump_json(), json.dumps(card.files)])


def load(folder: Path) -> Study:
    """The study in a folder, every reply checked against its digest. Raises InvalidInput."""
    plan = plans.load_built(folder / plans.FILE_NAME)
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        rows: list[dict[str, Any]] = [
            {str(name): value for name, value in row.items()}
            for row in pd.read_parquet(folder / TABLE).to_dict("records")
        ]
        stimuli = {row["id"]: Stimulus(**{**row, "reward": _reward(row["reward"])}) for row in rows}
    except FileNotFoundError as error:
        raise InvalidInput(
            f"{folder} holds no {Path(str(error.filename)).name}.", "Make the folder with: playground study build"
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InvalidInput(f"The replies in {folder} cannot be read: {error}.", "Build the study again.") from None
    if any(one.sha256 != sha256(one.reply) for one in stimuli.values()) or _whole(stimuli.values()) != manifest.sha256:
        raise InvalidInput(f"The replies in {folder} are not those that were made.", "Build the study again.")
    wanted = {
        _id(prompt.id, seed, strength) for prompt in plan.prompts for seed in plan.seeds for strength in plan.generated
    }
    if wanted != set(stimuli):
        raise InvalidInput(f"The replies in {folder} are not those its plan asks for.", "Build the study again.")
    return Study(plan, stimuli, manifest)


def unmade(plan: Plan) -> Study:
    """A study whose replies are still to be made: each stands for itself."""
    found = [
        (_id(prompt.id, seed, strength), prompt, seed, strength)
        for prompt in plan.prompts
        for seed in plan.seeds
        for strength in plan.generated
    ]
    stimuli = {
        name: Stimulus(
            id=name, prompt=prompt.id, topic=prompt.topic, practice=prompt.practice, prompt_text=prompt.text,
            axis=plan.axis, method=plan.method, strength=strength, alpha=0.0, control=0.0, seed=seed, reply=name,
            tokens=1, finish_reason="stop", reward=None, kl=0.0, perplexity=1.0, sha256="",
        )
        for name, prompt, seed, strength in found
    }  # fmt: skip
    return Study(plan, stimuli, Manifest(len(stimuli), "", "", {}, plan.axis, {}, {}, ""))


def identical_pairs(study: Study) -> int:
    """How many pairs of neighbouring strengths read the same; such pairs are never shown beside each other."""
    plan = study.plan
    rows = [
        [study.at(prompt.id, seed, strength).reply for strength in plan.strengths]
        for prompt in plan.scored_prompts
        for seed in plan.seeds
    ]
    return sum(one == two for row in rows for one, two in pairwise(row))


def sha256(text: str) -> str:
    """sha256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def _batch(plan: Plan, player: Plays, prompt: Prompt, seed: int) -> list[Finished]:
    """All strengths of one prompt under one seed, in one request."""
    messages = conversation(prompt.text, plan.system or None)
    strengths = [
        Strength(axis=plan.axis, alpha=strength)
        if plan.method == "alpha"
        else Strength(axis=plan.axis, control=strength)
        for strength in plan.generated
    ]
    rows = tuple(Row(messages=messages, strengths=(strength,), seed=seed) for strength in strengths)
    request = Request(rows=rows, sampling=plan.sampling, max_new_tokens=plan.max_new_tokens)
    return sorted((event for event in player.run(request) if isinstance(event, Finished)), key=lambda end: end.row)


def _ends(path: Path) -> list[Finished]:
    return [event for event in files.read_json_lines(path, from_json) if isinstance(event, Finished)]


def _stimulus(plan: Plan, prompt: Prompt, seed: int, strength: float, end: Finished) -> Stimulus:
    reply = end.text.replace("\x00", "")
    return Stimulus(
        id=_id(prompt.id, seed, strength),
        prompt=prompt.id,
        topic=prompt.topic,
        practice=prompt.practice,
        prompt_text=prompt.text,
        axis=plan.axis,
        method=plan.method,
        strength=strength,
        alpha=end.alpha,
        control=end.control,
        seed=seed,
        reply=reply,
        tokens=len(end.token_ids),
        finish_reason=end.finish_reason,
        reward=end.reward,
        kl=end.kl,
        perplexity=end.perplexity,
        sha256=sha256(reply),
    )


def _id(prompt: str, seed: int, strength: float) -> str:
    return f"{prompt}/{seed}/{strength!r}"


def _reward(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) else value


def _whole(stimuli: Iterable[Stimulus]) -> str:
    """sha256 over the ids and digests of all replies, whatever their order."""
    return _digest(sorted(f"{one.id} {one.sha256}" for one in stimuli))


def _digest(lines: Sequence[str]) -> str:
    return sha256("\n".join(lines))
