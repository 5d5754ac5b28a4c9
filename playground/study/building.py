"""Makes the replies of a study, or takes them from a table, and freezes them into a folder; see `stimuli`."""

import json
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from playground import __version__, cards, descriptions, files
from playground.cards import FILE_NAME as CARD_FILE
from playground.errors import InvalidInput
from playground.events import Finished, Progress, finished, from_json, to_json
from playground.locks import held
from playground.serving.handle import EngineHandle
from playground.settings import UNSTEERED, Request, Row, Strength, conversation
from playground.study import own_replies
from playground.study import plan as plans
from playground.study.parts import Condition, Prompt
from playground.study.plan import StudyPlan
from playground.study.stimuli import (
    MANIFEST,
    TABLE,
    Manifest,
    Stimulus,
    Study,
    digest,
    digest_of,
    load,
    name_of,
    sha256,
)

_REPLIES = "replies"


PlayerOf = Callable[[Condition], EngineHandle]
"""Gives the player of a condition."""

Answers = Callable[[Condition, Iterable[Request]], Generator[list[Finished], None, None]]
"""Answers a condition's requests elsewhere, and gives the replies of each, in the order of the requests."""


def check_axis(plan: StudyPlan) -> None:
    """Complain about an axis that cannot be had before a model is loaded."""
    known = [card.name for card in cards.shipped().values()]
    for axis in {one.axis for one in plan.compared}:
        in_files = (Path(axis) / CARD_FILE).is_file() or (axis.endswith(".toml") and Path(axis).is_file())
        if axis not in known and descriptions.named(axis) is None and not in_files:
            raise InvalidInput(
                f"There is no axis {axis!r}.",
                f"Set axis to one of {', '.join(known)}, to two descriptions with a | between them, or to the folder "
                "of an axis.",
            )


def build(
    plan: StudyPlan, source: str, player: PlayerOf, folder: Path, answers: Answers | None = None
) -> Generator[Progress, None, Study]:
    """Make all replies of a plan into a folder; returns the study. `source` is the plan's text, kept beside them.

    The strengths of one condition, prompt and seed are one batch with one noise. What is done is kept, so the same call
    goes on after a stop, and a change of wording makes no reply anew. Without `answers` the players answer.
    """
    with held(folder):
        stimuli: list[Stimulus] = []
        made: dict[str, dict[str, Any]] = {}
        for condition in plan.compared:
            plays = player(condition)
            stimuli += yield from _replies(plan, condition, plays, folder, answers)
            card, base = plays.axis(condition.axis).card, plays.base
            made[condition.id] = {
                "model": base.model_dump(mode="json"),
                "axis": card.name,
                "axis_files": dict(card.parts),
                "generated": made_from(plan, condition, plays),
            }
        first, *others = made.values()
        manifest = Manifest(
            stimuli=len(stimuli),
            sha256=digest_of(stimuli),
            decoding={**plan.sampling.model_dump(), "max_new_tokens": plan.max_new_tokens, "system": plan.system},
            version=__version__,
            conditions=made if others else {},
            **first,
        )
        return _freeze(folder, source, stimuli, manifest)


def take(plan: StudyPlan, source: str, table: Path, folder: Path) -> Study:
    """The same with the replies of a CSV file; raises InvalidInput if one is missing or belongs to nothing."""
    stimuli = _owned(plan, table)
    whole = digest_of(stimuli)
    manifest = Manifest(len(stimuli), whole, whole, {"name": table.name}, plan.axis, {}, {}, __version__)
    with held(folder):
        return _freeze(folder, source, stimuli, manifest)


def _owned(plan: StudyPlan, table: Path) -> list[Stimulus]:
    """The replies of a CSV file, just those that the plan asks for."""
    given = own_replies.read(table)
    wanted = {
        (condition.id, prompt.id, seed, strength): (condition, prompt)
        for condition in plan.compared
        for prompt in plan.prompts
        for seed in plan.seeds
        for strength in plan.made(condition)
    }
    for places, what in ((set(wanted) - set(given), "lacks"), (set(given) - set(wanted), "has")):
        if places:
            condition, prompt, seed, strength = min(places)
            where = f"prompt {prompt!r}, strength {strength:g}, seed {seed}{condition and f', condition {condition!r}'}"
            asked = "no" if what == "has" else "a"
            raise InvalidInput(f"{table.name} {what} the reply of {where}.", f"The study asks for {asked} such reply.")
    return [_own(place, *at, given[place]) for place, at in wanted.items()]


def taken(plan: StudyPlan, table: Path) -> str:
    """sha256 of the replies of a CSV file, as the manifest of a study that took them has it."""
    return digest_of(_owned(plan, table))


def is_made_so(study: Study, plan: StudyPlan, player: PlayerOf) -> bool:
    """Whether a study's replies are those that a plan would be given by these players."""
    known = study.manifest.conditions
    made = {one.id: known[one.id]["generated"] if known else study.manifest.generated for one in study.plan.compared}
    return made == {one.id: made_from(plan, one, player(one)) for one in plan.compared}


def _freeze(folder: Path, source: str, stimuli: list[Stimulus], manifest: Manifest) -> Study:
    """Write a finished folder, and read it back."""
    with files.in_one_piece(folder / TABLE) as table:
        pd.DataFrame([one.as_row() for one in stimuli]).to_parquet(table, index=False)
    files.write_text(folder / plans.FILE_NAME, source)
    files.write_json(folder / MANIFEST, asdict(manifest))
    return load(folder)


def _replies(
    plan: StudyPlan, condition: Condition, player: EngineHandle, folder: Path, answers: Answers | None
) -> Generator[Progress, None, list[Stimulus]]:
    done = folder / _REPLIES / made_from(plan, condition, player)[:16]
    done.mkdir(parents=True, exist_ok=True)
    batches = {
        (prompt, seed): done / f"{sha256(prompt.text)[:16]}-{seed}.jsonl"
        for prompt in plan.prompts
        for seed in plan.seeds
    }
    missing = {path: _request(plan, condition, *batch) for batch, path in batches.items() if not path.exists()}
    asked = missing.values()
    with closing(answers(condition, asked) if answers else (finished(player.run(one)) for one in asked)) as made:
        for number, path in enumerate(missing, start=len(batches) - len(missing)):
            yield Progress("replies", number, len(batches), "prompts")
            files.write_json_lines(path, map(to_json, next(made)))
    yield Progress("replies", len(batches), len(batches), "prompts")
    return [
        _stimulus(condition, prompt, seed, strength, end)
        for (prompt, seed), path in batches.items()
        for strength, end in zip(plan.made(condition), _ends(path), strict=True)
    ]


def made_from(plan: StudyPlan, condition: Condition, player: EngineHandle) -> str:
    """sha256 of all that a condition's replies depend on: the plan's settings, the base model, the axis."""
    card, base = player.axis(condition.axis).card, player.base
    return digest([plan.replies_digest(condition), base.model_dump_json(), json.dumps(card.parts)])


def _request(plan: StudyPlan, condition: Condition, prompt: Prompt, seed: int) -> Request:
    """All strengths of one prompt under one seed."""
    messages = conversation(prompt.text, plan.system or None)
    steps = [UNSTEERED.to(str(condition.slider), strength) for strength in plan.made(condition)]
    strengths = [Strength(axis=condition.axis, **at.amounts) for at in steps]
    rows = tuple(Row(messages=messages, strengths=(strength,), seed=seed) for strength in strengths)
    return Request(rows=rows, sampling=plan.sampling, max_new_tokens=plan.max_new_tokens)


def _ends(path: Path) -> list[Finished]:
    return [event for event in files.read_json_lines(path, from_json) if isinstance(event, Finished)]


def _stimulus(condition: Condition, prompt: Prompt, seed: int, strength: float, end: Finished) -> Stimulus:
    reply = end.text.replace("\x00", "")
    return Stimulus(
        id=name_of(condition.id, prompt.id, seed, strength),
        condition=condition.id,
        prompt=prompt.id,
        topic=prompt.topic,
        practice=prompt.practice,
        prompt_text=prompt.text,
        axis=condition.axis,
        slider=str(condition.slider),
        strength=strength,
        seed=seed,
        reply=reply,
        tokens=len(end.token_ids),
        finish_reason=end.finish_reason,
        reward=end.reward,
        kl=end.kl,
        perplexity=end.perplexity,
        sha256=sha256(reply),
    )


def _own(place: own_replies.Place, condition: Condition, prompt: Prompt, own: own_replies.OwnReply) -> Stimulus:
    """A reply that somebody brought."""
    _, _, seed, strength = place
    return Stimulus(
        id=name_of(condition.id, prompt.id, seed, strength), prompt=prompt.id, topic=prompt.topic,
        practice=prompt.practice, prompt_text=prompt.text, axis=condition.axis, slider=str(condition.slider),
        strength=strength, seed=seed, reply=own.text, tokens=own.tokens, finish_reason="stop",
        reward=own.reward, kl=own.kl, perplexity=own.perplexity, sha256=sha256(own.text), condition=condition.id,
    )  # fmt: skip
