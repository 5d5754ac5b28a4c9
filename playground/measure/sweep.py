"""Measured grids: alphas x controls x prompts x seeds, batch by batch into a folder, with points that grow meanwhile.

All strengths of a prompt and seed are decoded with the same noise, and as many as fit in one request, where they share
what their texts share.
"""

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pydantic import TypeAdapter

from playground import metrics
from playground.cards import Point
from playground.errors import InvalidInput
from playground.events import Finished, Progress, Waiting, from_json, to_json
from playground.files import add_json_lines, mend, read_json_lines, read_record, write_json
from playground.locks import LOCK, held
from playground.measure.plan import SweepPlan
from playground.measure.progress import ProgressMeter
from playground.metrics import ReplyMetrics
from playground.settings import Sliders

PLAN, STORE = "sweep.json", "replies.jsonl"

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


Batch = list[MeasuredReply]
Stops = Callable[[], bool]
"""Asked often whether somebody wants to stop."""


def never() -> bool:
    """Nobody wants to stop."""
    return False


class Identity(NamedTuple):
    """All that the numbers of a plan depend on, which is told before any of them."""

    told: dict[str, Any]


class BatchRequest(NamedTuple):
    """Some batches of a plan, in `coherence` too where the encoder for that is there."""

    plan: SweepPlan
    numbers: range
    coherence: bool


class Measurer(Protocol):
    """Whatever measures the batches of plans: an engine in this process, machines of a cluster, an engine elsewhere."""

    def identity(self, plan: SweepPlan) -> Generator[Waiting | Progress, None, dict[str, Any]]:
        """All that the numbers depend on; meanwhile how far the axis is, if it must be calibrated first.

        Raises InvalidInput or AxisMismatch where the plan cannot be run.
        """
        ...

    def batches(
        self, plan: SweepPlan, numbers: range, stops: Stops
    ) -> Generator[Waiting | Progress | Batch, None, None]:
        """The plan's batches of these numbers, in their order; it ends without the one in work once it `stops`."""
        ...


def sweep(
    measurer: Measurer, plan: SweepPlan, out: Path | None = None, stops: Stops = never
) -> Generator[Waiting | Progress | PointMeasured, None, Sweep]:
    """Measure a plan. In a folder `out` every batch is kept before the next begins; the same call again goes on there.

    Closing the generator is Stop. Once it `stops` the batch in work is dropped and the sweep ends with what it has.
    Raises InvalidInput or AxisMismatch before any work where the plan cannot be run or `out` holds something else.
    """
    identity = yield from measurer.identity(plan)
    with _claim(out, identity) as store:
        done = _kept(store) if store else []
        found = [measured for batch in done for measured in batch]
        pace = ProgressMeter("sweep", plan.replies(), "replies")
        yield pace(len(found))
        yield from _points_so_far(found)
        with closing(measurer.batches(plan, plan.batch_numbers(len(done)), stops)) as batches:
            for fresh in batches:
                if isinstance(fresh, Waiting | Progress):
                    yield fresh
                    continue
                if store:
                    add_json_lines(store, [to_line(fresh)])  # before anything is told, so it is on disk then
                found += fresh
                yield pace(len(found))
                yield from _points_so_far(found)
    return Sweep(plan, _points(found), tuple(found))


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


def _kept(store: Path) -> list[Batch]:
    """The batches of a sweep that is gone on with."""
    mend(store)
    return read_json_lines(store, from_line)


# --- the folder -----------------------------------------------------------------------------------------------------


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


def from_line(line: str) -> Batch:
    """The batch in a line of the store. Raises InvalidInput for anything else."""
    found: list[MeasuredReply] = []
    for record in json.loads(line):
        reply = from_json(json.dumps(record.pop("reply")))
        if not isinstance(reply, Finished):
            raise InvalidInput("it holds what is no reply.")
        found.append(MeasuredReply(reply, _readings.validate_python(record)))
    return found
