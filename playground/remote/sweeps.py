"""The batches of a sweep on the machines of a Ray cluster."""

import json
from collections.abc import Generator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from playground.errors import InvalidInput, PlaygroundError
from playground.events import Progress, exhaust
from playground.measure.local import LocalMeasurer
from playground.measure.plan import SweepPlan
from playground.measure.sweep import Batch, Measurer, Stops, from_line, never, to_line
from playground.player import Player
from playground.remote import wire
from playground.remote.machines import Machines


class ClusterMeasurer(Measurer):
    """Measures by tasks of Ray."""

    def __init__(self, machines: Machines, here: LocalMeasurer, how: Mapping[str, str | None]) -> None:
        """`how` is the model, dtype and device that the player was opened with, and the folder of its encoder or None.

        All these lie at the same place on every machine.
        """
        self.machines, self.here, self.how = machines, here, dict(how)

    def identity(self, plan: SweepPlan) -> Generator[Progress, None, dict[str, Any]]:
        """What the numbers depend on here; a machine where it is another refuses."""
        return self.here.identity(plan)

    def batches(self, plan: SweepPlan, numbers: range, stops: Stops = never) -> Generator[Batch, None, None]:
        """The plan's batches of these numbers; it stops between two."""
        job = {"how": self.how, "plan": plan.model_dump(mode="json"), "identity": exhaust(self.identity(plan))}
        for line in self.machines.each(measured, json.dumps(job), numbers):
            if stops():
                return
            yield from_line(line)


def measured(job: str, number: int) -> str:
    """One batch as the store has it, or a refusal: what a worker does."""
    try:
        here, plan = _opened(job)
        return to_line(next(here.batches(plan, range(number, number + 1))))
    except PlaygroundError as error:
        return wire.refusal(error)


@lru_cache(maxsize=1)
def _opened(job: str) -> tuple[LocalMeasurer, SweepPlan]:
    """What a worker opens once. Raises InvalidInput where it is not what the sweep began with."""
    told = json.loads(job)
    plan, how = SweepPlan(**told["plan"]), told["how"]
    player = Player.open(how["model"], how["dtype"], None, how["device"])
    here = LocalMeasurer(player, Path(how["encoder"]) if how["encoder"] else None)
    if json.loads(json.dumps(exhaust(here.identity(plan)))) != told["identity"]:
        raise InvalidInput(
            "A machine of the cluster has another model, axis or encoder than this one.", "Put the same on each."
        )
    return here, plan
