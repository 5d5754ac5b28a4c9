"""The batches of a sweep on the machines of a Ray cluster."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from playground.errors import InvalidInput, PlaygroundError
from playground.measure.plan import SweepPlan
from playground.measure.sweep import MeasuredReply, Spread, batch_line, from_line, identity, scores_of
from playground.player import Player
from playground.remote import wire
from playground.remote.machines import Machines
from playground.rewards import Reward


def spread(machines: Machines, player: Player, plan: SweepPlan, how: Mapping[str, str | None]) -> Spread:
    """A Spread for `measure.sweep` whose batches are measured by tasks of Ray.

    `how` is the model, dtype and device that the player was opened with, and the folder of the encoder if there is one;
    all these lie at the same place on every machine.
    """
    encoder = Path(how["encoder"]) if how["encoder"] else None
    own = identity(player, player.axis(plan.axis), plan, encoder)
    job = {"how": dict(how), "plan": plan.model_dump(mode="json"), "identity": own}

    def batches(numbers: range) -> Iterator[list[MeasuredReply]]:
        yield from map(from_line, machines.each(measured, json.dumps(job), numbers))

    return batches


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
