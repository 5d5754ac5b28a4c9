"""Measuring at an engine elsewhere: what it is asked, and what it tells line by line."""

import json
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

from playground.errors import InvalidInput, ModelUnavailable
from playground.events import Progress, Waiting, from_json, to_json
from playground.measure.plan import SweepPlan
from playground.measure.sweep import Batch, BatchRequest, Identity, Measurer, Stops, from_line, never, to_line
from playground.remote import wire
from playground.remote.resumed import ATTEMPTS
from playground.remote.wire import EngineLost

BEAT_S = 1.0
"""After so long a silence an empty line comes, at which whoever asked may leave."""

_IDENTITY = '{"identity":'


def body(asked: BatchRequest) -> str:
    """What `request` reads."""
    numbers = [asked.numbers.start, asked.numbers.stop]
    return json.dumps({**asked._asdict(), "plan": asked.plan.model_dump(mode="json"), "numbers": numbers})


def request(body: str | bytes) -> BatchRequest:
    """What `body` wrote. Raises InvalidInput for anything else."""
    try:
        told = json.loads(body)
        first, last = told["numbers"]
        plan, coherence, numbers = dict(told["plan"]), bool(told["coherence"]), range(first, last)
    except (ValueError, TypeError, LookupError, RecursionError):
        raise InvalidInput("The body asks for no sweep.", "Ask by playground app --engine URL.") from None
    found = BatchRequest(SweepPlan(**plan), numbers, coherence)
    if not 0 <= numbers.start <= numbers.stop <= found.plan.batch_numbers().stop:
        raise InvalidInput("The plan has no such batches.", "Ask by playground app --engine URL.")
    return found


def line(one: Identity | Waiting | Progress | Batch) -> str:
    """What is told, as a line."""
    if isinstance(one, Identity):
        return _IDENTITY + json.dumps(one.told) + "}"
    return to_json(one) if isinstance(one, Waiting | Progress) else to_line(one)


def _read(text: str) -> Identity | Waiting | Progress | Batch:
    if text.startswith("["):
        return from_line(text)
    if text.startswith(_IDENTITY):
        return Identity(json.loads(text)["identity"])
    event = from_json(text)
    if not isinstance(event, Waiting | Progress):
        raise InvalidInput(f"The engine tells what belongs to no sweep: {text[:80]!r}.")
    return event


def _ended_early() -> EngineLost:
    return EngineLost("The engine ended the sweep before it was whole.", "Measure again.")


class RemoteMeasurer(Measurer):
    """Measures at an engine elsewhere; where that is lost, what it told is kept, and it is asked for the rest."""

    def __init__(self, ask: Callable[[str], Generator[str | bytes, None, None]], coherence: bool) -> None:
        """`ask` gives the lines that answer a body."""
        self.ask, self.coherence = ask, coherence

    def identity(self, plan: SweepPlan) -> Generator[Waiting | Progress, None, dict[str, Any]]:
        """All that the numbers depend on there; meanwhile how far the axis is calibrated.

        Raises as the engine does, and EngineLost.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return (yield from self._identity(plan))
            except EngineLost:
                pass
        return (yield from self._identity(plan))

    def _identity(self, plan: SweepPlan) -> Generator[Waiting | Progress, None, dict[str, Any]]:
        with closing(self._told(plan, range(0), never)) as told:
            for one in told:
                if isinstance(one, Identity):
                    return one.told
                if isinstance(one, Waiting | Progress):
                    yield one
        raise _ended_early()

    def batches(
        self, plan: SweepPlan, numbers: range, stops: Stops = never
    ) -> Generator[Waiting | Progress | Batch, None, None]:
        """The plan's batches of these numbers. Raises as the engine does, and ModelUnavailable where that changed."""
        known, lost, left = None, 0, numbers
        while left and not stops():
            try:
                with closing(self._told(plan, left, stops)) as told:
                    for one in told:
                        if isinstance(one, Identity):
                            known = known or one
                            if known != one:
                                raise ModelUnavailable("The engine became another amid the sweep.", "Measure again.")
                        else:
                            yield one
                            if not isinstance(one, Waiting | Progress):
                                lost, left = 0, left[1:]
                if left and not stops():
                    raise _ended_early()
            except EngineLost:
                lost += 1
                if lost == ATTEMPTS:
                    raise

    def _told(
        self, plan: SweepPlan, numbers: range, stops: Stops
    ) -> Generator[Identity | Waiting | Progress | Batch, None, None]:
        with closing(self.ask(body(BatchRequest(plan, numbers, self.coherence)))) as lines:
            yield from map(_read, wire.whole(lines, stops))
