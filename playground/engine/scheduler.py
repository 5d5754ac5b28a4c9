"""One running batch for everyone: requests wait, are admitted, and take each step together.

No thread of its own is needed: of those who wait for their next events one takes the step for all.
"""

import math
from collections import deque
from collections.abc import Callable, Generator, Hashable, Mapping
from contextlib import contextmanager
from threading import Condition

import torch

from playground.engine.core import Core
from playground.engine.language_model import LanguageModel
from playground.engine.live_request import LiveRequest, Step
from playground.engine.methods import Steering
from playground.engine.prefix_tree import PrefixTree
from playground.settings import Request

KV_BUDGET = 4 * 2**30
"""Bytes of keys and values that running rows may hold together on a processor, whose memory other programs use as well;
one request may hold more where it is alone."""
KV_SHARE = 0.5
"""Of what is free beside the weights: while memory grows the old and the new are held, and logits need room as well."""


def kv_budget(free: float, device: torch.device) -> int:
    """Bytes of keys and values that running rows may hold together where so many are free beside the weights."""
    shared = device.type == "cpu" or math.isinf(free)
    return int(min(KV_SHARE * free, KV_BUDGET if shared else math.inf))


class Scheduler:
    """Lets threads take turns at the steps of one model."""

    def __init__(self, model: LanguageModel, kv_budget: int = KV_BUDGET) -> None:
        self.model, self.kv_budget, self.core = model, kv_budget, Core(model, kv_budget)
        self._changed = Condition()
        self._line: deque[object] = deque()  # who wants the model next, in the order of asking
        self._busy = False
        self._left: list[LiveRequest] = []

    @property
    def under_way(self) -> int:
        """How many requests wait or run; one that was left does neither, though a step may still be under way."""
        return len(self.core.live) - len(self._left)

    @property
    def running(self) -> int:
        """How many rows take part in the next steps."""
        with self._changed:
            return self.core.running(self._left)

    @property
    def kv_bytes(self) -> int:
        """Bytes of keys and values that running rows hold."""
        with self._changed:
            return self.core.kv_bytes

    def run(
        self,
        axes: Mapping[str, Steering],
        request: Request,
        tree: PrefixTree | None = None,
        client: Hashable = None,
    ) -> Generator[Step, None, None]:
        """Decode all rows of a request among those of others; each item is what one step told of it.

        Started comes first, or Waiting while others are to be admitted before it. Each row's tokens come in order, its
        Finished in the step of its last token. Rows that `tree` has seen go ahead of the others; without a tree
        nothing is remembered. Of several clients' newcomers those of the client with the fewest running rows are
        admitted first. Close the generator to leave at once. Steps are taken for everyone who is under way, so that
        one who asks seldom may find several waiting.
        Raises InvalidInput or AxisMismatch before the first item when the request cannot be run, Busy when there is no
        memory for it.
        """
        with self.alone():
            live = LiveRequest(self.model, axes, request, tree, client)
            self.core.add(live)
        try:
            while (step := self._next(live)) is not None:
                yield step
        finally:
            with self._changed:
                self._left.append(live)
                self._end(self._busy)

    @contextmanager
    def alone(self) -> Generator[None, None, None]:
        """Have the model to oneself between two steps, in the order of asking."""
        self._enter(lambda: False)
        try:
            yield
        finally:
            with self._changed:
                self._end(busy=False)

    def _next(self, live: LiveRequest) -> Step | None:
        """The next step of a request, taken for all if nobody else has; None after the last."""
        while not live.steps and not live.over:
            if self._enter(lambda: bool(live.steps) or live.over):
                try:
                    self.core.step()
                except BaseException:  # whoever is interrupted leaves the others as they were
                    self.core.forget(self.core.batches)
                    raise
                finally:
                    with self._changed:
                        self._end(busy=False)
        if live.steps:
            return live.steps.popleft()
        if live.error is not None:
            raise live.error
        return None

    def _enter(self, served: Callable[[], bool]) -> bool:
        """Wait for the model; False if there is no more need for it, else it must be given back by `_end`."""
        mine = object()
        with self._changed:
            self._line.append(mine)
            try:
                self._changed.wait_for(lambda: served() or (self._line[0] is mine and not self._busy))
                mine_now = not served()
                self._busy |= mine_now
            finally:  # also when the wait is interrupted: nobody behind may wait for one who left
                self._line.remove(mine)
                self._changed.notify_all()
        return mine_now

    def _end(self, busy: bool) -> None:
        """Let those go who left, unless a step is under way, and wake the others; call it with the lock held."""
        self._busy = busy
        if not busy:
            for live in self._left:
                self.core.remove(live)
            self._left.clear()
            self.core.tell_places()
        self._changed.notify_all()
