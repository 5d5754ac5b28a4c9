"""Measured grids: alphas x controls x prompts x seeds, batch by batch into a folder, with points that grow meanwhile.

All strengths of a prompt and seed are decoded with the same noise, and as many as fit in one request, where they share
what their texts share.
"""

import json
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from playground import metrics
from playground.axes import Axis, digest
from playground.cards import Point
from playground.errors import InvalidInput
from playground.events import Finished, Progress, from_json, to_json
from playground.files import add_json_lines, mend, read_json_lines, read_record, write_json
from playground.locks import LOCK, held
from playground.measure.gather import ProgressMeter
from playground.measure.plan import GRID, SweepPlan
from playground.metrics import ReplyMetrics
from playground.player import Player
from playground.rewards import Reward
from playground.rewards.coherence import Coherence
from playground.settings import SLIDERS, Request, Row, Sampling, Sliders, conversation

PLAN, STORE = "sweep.json", "replies.jsonl"

_ALWAYS_TOLD = 2  # of the sliders; others came later

_readings: TypeAdapter[ReplyMetrics] = TypeAdapter(ReplyMetrics)


@dataclass(frozen=True)
class PointMeasured:
    """A point as it stands after `prompts` of all prompts; it comes again with each batch, better known."""

    point: Point
    prompts: int


@dataclass(frozen=True)
class MeasuredReply:
    """One reply and its numbers; `reading.prompt` counts the plan's prompts from 0."""

    reply: Finished
    reading: ReplyMetrics


@dataclass(frozen=True)
class Sweep:
    """What was measured: the points in their order, and every reply behind them."""

    plan: SweepPlan
    points: tuple[Point, ...]
    replies: tuple[MeasuredReply, ...]


Spread = Callable[[range], Iterator[list[MeasuredReply]]]
"""Measures a plan's batches of these numbers elsewhere, and gives them in their order."""


def _never() -> bool:
    return False


def sweep(
    player: Player,
    plan: SweepPlan,
    out: Path | None = None,
    encoder: Path | None = None,
    stops: Callable[[], bool] = _never,
    client: Hashable = None,
    spread: Spread | None = None,
) -> Generator[Progress | PointMeasured, None, Sweep]:
    """Measure a plan. In a folder `out` every batch is kept before the next begins; the same call again goes on there.

    `encoder` is the folder of a sentence encoder, for coherence. Closing the generator is Stop. `stops` is asked after
    each token as well: once it says so the batch in work is dropped and the sweep ends with what it has. Rows
    run among those of others, as the `client`'s. With `spread` batches are measured elsewhere, and it stops between
    two. Raises InvalidInput or AxisMismatch before any work where the plan cannot be run or `out` holds something else.
    """
    axis = player.axis(plan.axis)
    _check_prompts(player, plan)
    with _claim(out, identity(player, axis, plan, encoder)) as store:
        done = _kept(store) if store else []
        found = [measured for batch in done for measured in batch]
        pace = ProgressMeter("sweep", plan.replies(), "replies")
        yield pace(len(found))
        yield from _points_so_far(found)
        if spread:
            batches: Iterator[list[MeasuredReply] | None] = spread(plan.batch_numbers(len(done)))
        else:
            scores = scores_of(axis, encoder)
            batches = (_measure(player, plan, rows, scores, stops, client) for rows in plan.batches(len(done)))
        for fresh in batches:
            if fresh is None or (spread and stops()):
                break
            if store:
                add_json_lines(store, [to_line(fresh)])  # before anything is told, so it is on disk then
            found += fresh
            yield pace(len(found))
            yield from _points_so_far(found)
    return Sweep(plan, _points(found), tuple(found))


def scores_of(axis: Axis, encoder: Path | None) -> dict[str, Reward]:
    """What replies along an axis are read by, by name; `encoder` is the folder of a sentence encoder."""
    scores: dict[str, Reward] = {"reward": axis.reward}
    if axis.judge is not None:
        scores["judge"] = axis.judge
    if encoder is not None:
        scores["coherence"] = Coherence.load(encoder)
    return scores


def batch_line(player: Player, plan: SweepPlan, number: int, scores: Mapping[str, Reward]) -> str:
    """One batch of a plan as the store has it, measured by a player that nobody else asks."""
    found = _measure(player, plan, next(plan.batches(number)), scores, _never, None)
    assert found is not None  # nothing stops it
    return to_line(found)


def _check_prompts(player: Player, plan: SweepPlan) -> None:
    for number, prompt in enumerate(plan.prompts, start=1):
        try:
            length = len(player.model.prompt_ids(conversation(prompt))) + plan.max_new_tokens
        except InvalidInput as error:
            raise InvalidInput(f"Prompt {number} is refused: {error.message}", error.hint) from None
        if length > player.context_length:
            raise InvalidInput(
                f"Prompt {number} is {length} tokens long with its reply, beyond {player.name}'s context of "
                f"{player.context_length}.",
                "Shorten it, leave it out, or take fewer new tokens.",
            )


def _measure(
    player: Player,
    plan: SweepPlan,
    rows: Sequence[Row],
    scores: Mapping[str, Reward],
    stops: Callable[[], bool],
    client: Hashable,
) -> list[MeasuredReply] | None:
    """Answer the rows of a batch and read their numbers; the base's replies among them are what the others beat.

    None once it `stops`.
    """
    ends: list[Finished] = []
    for start in range(0, len(rows), plan.batch):
        ends += (
            replace(end, row=start + end.row)
            for end in _answered(player, plan, rows[start:][: plan.batch], stops, client)
        )
        if stops():
            return None
    place = {prompt: number for number, prompt in enumerate(plan.prompts)}
    numbers = [place[row.messages[-1].content] for row in rows]
    with player.scheduler.alone():
        readings = metrics.read([row.messages for row in rows], numbers, ends, scores)
    base = [reading for reading, end in zip(readings, ends, strict=True) if not end.at.steers]
    return [
        MeasuredReply(replace(end, reward=reading.numbers["reward"]), reading)
        for end, reading in zip(ends, metrics.against(readings, base), strict=True)
    ]


def _answered(
    player: Player, plan: SweepPlan, rows: Sequence[Row], stops: Callable[[], bool], client: Hashable
) -> list[Finished]:
    """The replies to rows that are decoded together, in their order; those there are once it `stops`."""
    request = Request(
        rows=tuple(rows), sampling=Sampling(temperature=plan.temperature), max_new_tokens=plan.max_new_tokens
    )
    # Without the player's memory of earlier requests: what is measured depends on the plan alone.
    steering = {plan.axis: player.axis(plan.axis).steering}
    ends: list[Finished] = []
    with closing(player.scheduler.run(steering, request, client=client)) as steps:
        for step in steps:
            ends += (end for end in step if isinstance(end, Finished))
            if stops():
                break
    return sorted(ends, key=lambda end: end.row)


def _points(found: Sequence[MeasuredReply]) -> tuple[Point, ...]:
    """A point for each strength that has replies."""
    by_strength: dict[Sliders, list[ReplyMetrics]] = {}
    for one in found:
        by_strength.setdefault(one.reply.at, []).append(one.reading)
    return tuple(metrics.point(at, by_strength[at]) for at in sorted(by_strength, key=lambda at: at.order))


def _points_so_far(found: Sequence[MeasuredReply]) -> Generator[PointMeasured, None, None]:
    prompts = len({one.reading.prompt for one in found})
    for point in _points(found):
        yield PointMeasured(point, prompts)


def replies_in(out: Path) -> tuple[MeasuredReply, ...]:
    """Every reply that a sweep's folder holds so far."""
    return tuple(measured for batch in read_json_lines(out / STORE, from_line) for measured in batch)


def _kept(store: Path) -> list[list[MeasuredReply]]:
    """The batches of a sweep that is gone on with."""
    mend(store)
    return read_json_lines(store, from_line)


# --- the folder -----------------------------------------------------------------------------------------------------


def identity(player: Player, axis: Axis, plan: SweepPlan, encoder: Path | None) -> dict[str, Any]:
    """All that the numbers depend on; what was added to plans since is told where it changes them."""
    further = {"further": axis.card.further} if plan.method is not None else {}
    added = {"method"} if plan.method is None else set[str]()
    added |= {GRID.format(name) for name in SLIDERS[_ALWAYS_TOLD:] if plan.grids[name] == (0.0,)}
    return {
        **further,
        "plan": plan.model_dump(mode="json", exclude=added),
        "base": player.model.identity().weights,
        "dtype": str(player.model.dtype),
        "axis": axis.card.parts,
        "calibration": axis.card.calibration.model_dump(mode="json"),
        "encoder": [digest(file) for file in sorted(encoder.glob("*.safetensors"))] if encoder else None,
    }


@contextmanager
def _claim(out: Path | None, identity: dict[str, Any]) -> Generator[Path | None]:
    """The file where a folder keeps its replies; it must be new or of this very sweep, and nobody else may be at it."""
    if out is None:
        yield None
        return
    _check_is_ours(out, identity)  # before anything is made there
    with held(out):
        _check_is_ours(out, identity)  # nobody was faster
        try:
            write_json(out / PLAN, identity)
        except OSError as error:
            raise InvalidInput(f"{out} cannot be used: {error.strerror}.", "Choose another folder.") from None
        yield out / STORE


def _check_is_ours(out: Path, identity: dict[str, Any]) -> None:
    """Raise InvalidInput unless a folder is new, empty or of this very sweep."""
    record = out / PLAN
    try:
        if record.exists():
            if read_record(record, dict) != json.loads(json.dumps(identity)):
                raise InvalidInput(f"{out} holds another sweep.", "Choose another folder, or delete that one.")
        elif out.exists() and any(path.name != LOCK for path in out.iterdir()):
            raise InvalidInput(f"{out} is not empty.", "Choose a new folder for the sweep.")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{out} cannot be used: {error}.", "Choose another folder.") from None


def to_line(batch: Sequence[MeasuredReply]) -> str:
    """A batch as the store has it."""
    return json.dumps([{"reply": json.loads(to_json(one.reply)), **asdict(one.reading)} for one in batch])


def from_line(line: str) -> list[MeasuredReply]:
    """The batch in a line of the store. Raises InvalidInput for anything else."""
    found: list[MeasuredReply] = []
    for record in json.loads(line):
        reply = from_json(json.dumps(record.pop("reply")))
        if not isinstance(reply, Finished):
            raise InvalidInput("it holds what is no reply.")
        found.append(MeasuredReply(reply, _readings.validate_python(record)))
    return found
