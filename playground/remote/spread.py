"""The batches of a sweep on the machines of a Ray cluster: each where there is room, again where a machine is lost."""

import json
import os
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from playground.errors import InvalidInput, ModelUnavailable, PlaygroundError
from playground.measure.plan import SweepPlan
from playground.measure.sweep import MeasuredReply, Spread, batch_line, from_line, identity, scores_of
from playground.player import Player
from playground.remote import wire
from playground.rewards import Reward

_AHEAD = 2  # batches for each place that are begun before the first of them is read
_TRIES = 20  # a batch that takes its worker with it so often takes every worker with it


class Place(NamedTuple):
    """What of a machine one batch takes."""

    cpus: float
    gpus: float
    many: int
    """How many there are in the cluster."""

    @classmethod
    def of(cls, nodes: list[dict[str, Any]], device: str) -> "Place":
        """A GPU each where there are any; else a whole machine, since rows share its processors best within a batch."""
        there: list[Mapping[str, float]] = [node["Resources"] for node in nodes if node["Alive"]]
        if device != "cpu" and (gpus := int(sum(one.get("GPU", 0) for one in there))):
            return cls(1, 1, gpus)
        processors = [one["CPU"] for one in there if one.get("CPU")]
        if not processors:
            raise ModelUnavailable("The Ray cluster has no processor to work with.", "Add a machine to it.")
        return cls(min(processors), 0, len(processors))


def spread(ray: Any, place: Place, player: Player, plan: SweepPlan, how: Mapping[str, str | None]) -> Spread:
    """A Spread for `measure.sweep` whose batches are measured by tasks of Ray.

    `how` is the model, dtype and device that the player was opened with, and the folder of the encoder if there is one;
    all these lie at the same place on every machine. Each task computes with as many threads as this process does, so
    that sums round alike.
    """
    encoder = Path(how["encoder"]) if how["encoder"] else None
    own = identity(player, player.axis(plan.axis), plan, encoder)
    job = {"how": dict(how), "plan": plan.model_dump(mode="json"), "identity": own}
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(player.model.threads))}
    task = ray.remote(
        num_cpus=place.cpus,
        num_gpus=place.gpus,
        max_retries=_TRIES,
        scheduling_strategy="SPREAD",
        runtime_env={"env_vars": threads},
    )(measured)

    def batches(numbers: range) -> Iterator[list[MeasuredReply]]:
        told = json.dumps(job)
        yield from map(_read, _in_order(ray, (task.remote(told, number) for number in numbers), _AHEAD * place.many))

    return batches


def _in_order(ray: Any, begun: Iterator[Any], ahead: int) -> Generator[str, None, None]:
    """The results of tasks in their order; so many are under way, and none once this is closed."""
    under_way = deque(islice(begun, ahead))
    try:
        while under_way:
            try:
                told = ray.get(under_way[0])
            except ray.exceptions.RayError as error:
                reason = f"The cluster lost a batch {_TRIES} times, or failed at it ({type(error).__name__})."
                raise ModelUnavailable(reason, "See Ray's logs; the same command goes on.") from None
            under_way.popleft()
            under_way.extend(islice(begun, 1))
            yield told
    finally:
        for one in under_way:
            ray.cancel(one)


def _read(line: str) -> list[MeasuredReply]:
    wire.check(line)
    return from_line(line)


def measured(job: str, number: int) -> str:
    """One batch as the store has it, or a refusal: what a worker does."""
    try:
        player, plan, scores = _opened(job)
        return batch_line(player, plan, number, scores)
    except PlaygroundError as error:
        return wire.refusal(error)


@lru_cache(maxsize=1)
def _opened(job: str) -> tuple[Player, SweepPlan, dict[str, Reward]]:
    """What a worker opens once. Raises InvalidInput where it is not what the sweep began with."""
    told = json.loads(job)
    plan, how = SweepPlan(**told["plan"]), told["how"]
    encoder = Path(how["encoder"]) if how["encoder"] else None
    player = Player.open(how["model"], how["dtype"], None, how["device"])
    axis = player.axis(plan.axis)
    if json.loads(json.dumps(identity(player, axis, plan, encoder))) != told["identity"]:
        raise InvalidInput(
            "A machine of the cluster has another model, axis or encoder than this one.", "Put the same on each."
        )
    return player, plan, scores_of(axis, encoder)
