"""One running batch for everyone: requests wait, are admitted, and take each step together.

A step is one bounded piece of work: a few more tokens of a request that was read off the tree, the texts of a slice of
newcomers, or the next token of every running row. No thread of its own is needed: of those who wait for their next
events one takes the step for all.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from contextlib import contextmanager
from threading import Condition

import torch

from playground.engine.language_model import LanguageModel
from playground.engine.live_request import LiveRequest, Step
from playground.engine.methods import Steering
from playground.engine.next_token import Choice, choose
from playground.engine.prefix_tree import PrefixTree
from playground.engine.reply import Reply
from playground.engine.running_batch import RunningBatch
from playground.errors import Busy
from playground.events import Waiting
from playground.settings import Request

KV_BUDGET = 4 * 2**30
"""Bytes of keys and values that running rows may hold together; one request may hold more where it is alone."""
_ROOM = 64
"""Tokens that there must be room for in every row when a newcomer is admitted, so that it is not sent back at once."""

_READ_BETWEEN = 256
"""Tokens that are read of newcomers between two steps of the running batch, and in one slice of a long request."""
_REPLAYED = 128  # tokens that may be read in the time that a piece of a replay takes


class Scheduler:
    """Owns the running rows of all requests on one model.

    Families whose caches cannot join (see caches.StockCache) step request by request, one after the other.
    """

    def __init__(self, model: LanguageModel, kv_budget: int = KV_BUDGET) -> None:
        self.model, self.kv_budget = model, kv_budget
        self._changed = Condition()
        self._line: deque[object] = deque()  # who wants the model next, in the order of asking
        self._busy = False
        self._live: list[LiveRequest] = []  # in the order of arrival
        self._owner: dict[Reply, LiveRequest] = {}
        self._left: list[LiveRequest] = []
        self._batches: list[RunningBatch] = []  # one, but where caches cannot join
        self._read = 0  # tokens of newcomers since the last step of a batch

    @property
    def under_way(self) -> int:
        """How many requests wait or run; one that was left does neither, though a step may still be under way."""
        return len(self._live) - len(self._left)

    @property
    def running(self) -> int:
        """How many rows take part in the next steps."""
        with self._changed:
            return sum(self._owner[reply] not in self._left for reply in self._rows())

    @property
    def kv_bytes(self) -> int:
        """Bytes of keys and values that running rows hold."""
        with self._changed:
            return self._bytes()

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
            self._live.append(live)
            self._owner |= dict.fromkeys(live.replies, live)
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
                    self._step()
                except BaseException:  # whoever is interrupted leaves the others as they were
                    self._forget(self._batches)
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
                for batch in self._batches:
                    batch.release([reply for reply in batch.rows if self._owner[reply] is live])
                self._batches = [batch for batch in self._batches if batch.rows]
                self._live.remove(live)
                for reply in live.replies:
                    del self._owner[reply]
                live.leave()
            self._left.clear()
            self._tell_places()
        self._changed.notify_all()

    def _rows(self) -> list[Reply]:
        return [reply for batch in self._batches for reply in batch.rows]

    # -- one step ------------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        """One bounded piece of work."""
        newcomer = next(iter(self._newcomers()), None)
        if newcomer is not None and (self._read < _READ_BETWEEN or not self._others_run(newcomer)):
            self._take_in(newcomer)
        elif self._batches:
            self._go_on(self._batches[0])

    def _newcomers(self) -> list[LiveRequest]:
        """Those with something to do before they run, who can, in the order in which they are served."""
        order = self._waiting()
        if order and order[0].replay is None and not self._fits(order[0]):
            return [live for live in order if live.replay is not None]
        return order

    def _waiting(self) -> list[LiveRequest]:
        """The same with those for whom there is no room yet."""
        rows = Counter(self._owner[reply] for reply in self._rows())
        of_client: Counter[Hashable] = Counter()
        for live in self._live:
            of_client[live.client] += rows[live]
        newcomers = [live for live in self._live if not live.over and (live.replay is not None or live.waiting)]

        def held(live: LiveRequest) -> tuple[int, int]:
            # Who asks from within this process names no client: there each request counts for itself.
            return rows[live] if live.client is None else of_client[live.client], rows[live]

        return sorted(newcomers, key=held)

    def _fits(self, live: LiveRequest) -> bool:
        """Whether there is memory for the next slice of a request, and for some tokens more of all that runs then."""
        return not self._batches or self._bytes(live.slice(_READ_BETWEEN).rows, _ROOM) <= self.kv_budget

    def _bytes(self, newcomers: Sequence[Reply] = (), more: int = 0) -> int:
        """Of keys and values of all that runs, with some newcomers and some tokens more."""
        running = self._rows()
        readings = {(reply.held, stream) for reply in running for stream in reply.plan.streams}
        readings |= {(reply.tokens, stream) for reply in newcomers for stream in reply.plan.streams}
        longest = max((len(reply.prompt) + len(reply.ids) for reply in [*running, *newcomers]), default=0)
        return len(readings) * (longest + more) * self.model.kv_bytes

    def _others_run(self, live: LiveRequest) -> bool:
        return any(self._owner[reply] is not live for reply in self._rows())

    def _take_in(self, live: LiveRequest) -> None:
        """Read off a piece of a request, or read a slice of it, whose rows then run."""
        try:
            if live.replayed():
                self._read += _REPLAYED
                return
            if live.over or not self._fits(live):
                return
            rows, cost = live.slice(_READ_BETWEEN)
            self._read += cost
            if hopped := [reply for reply in rows if any(batch.hop_on(reply) for batch in self._batches)]:
                live.waiting = [reply for reply in live.waiting if reply not in hopped]
                return
            batch = RunningBatch(self.model, rows)
        except Exception as error:  # whatever it is, it is this request's alone
            self._fail(live, error)
            return
        live.waiting = [reply for reply in live.waiting if reply not in rows]
        self._batches.append(batch)
        self._choose(batch)

    def _go_on(self, batch: RunningBatch) -> None:
        """The next token of all rows of a batch."""
        self._read = 0
        while self._bytes() > self.kv_budget and len(running := self._of(self._rows())) > 1:
            self._preempt([reply for reply in self._rows() if self._owner[reply] is running[-1]])
            if not batch.rows:
                return
        try:
            batch.advance()
        except Exception as error:  # whose it is will be seen
            self._recover(batch, error)
            return
        for live in self._of(batch.rows):
            live.suspect = False
        self._choose(batch)

    def _choose(self, batch: RunningBatch) -> None:
        """Choose the next token of each row, whose text was read, and let the batch join the others."""
        rows = sorted(batch.rows, key=lambda reply: reply.index)
        choices = self._choices(rows)
        for live in self._of(rows):
            own = [(reply, choices[reply]) for reply in rows if self._owner[reply] is live and reply in choices]
            self._guarded(live, lambda live=live, own=own: live.write(own) if own else None)
        batch.release([reply for reply in batch.rows if reply.ended])
        self._batches = [other for other in self._batches if other is not batch]
        if not batch.rows:
            return
        if not any(live.suspect for live in self._of(batch.rows)):
            for other in self._batches:
                if other.can_join(batch) and not any(live.suspect for live in self._of(other.rows)):
                    other.join(batch)
                    return
        self._batches.append(batch)

    def _choices(self, rows: Sequence[Reply]) -> dict[Reply, Choice]:
        """The choices of all rows; where one request's cannot be made, those of the others."""
        try:
            return dict(zip(rows, choose(self.model, [reply.stand() for reply in rows]), strict=True))
        except Exception:  # told to whose it is, below
            found: dict[Reply, Choice] = {}
            for live in self._of(rows):
                own = [reply for reply in rows if self._owner[reply] is live]
                stands = [reply.stand() for reply in own]
                self._guarded(
                    live,
                    lambda own=own, stands=stands: found.update(zip(own, choose(self.model, stands), strict=True)),
                )
            return found

    # -- faults --------------------------------------------------------------------------------------------------------

    def _guarded(self, live: LiveRequest, work: Callable[[], None]) -> None:
        """Do one request's work; what it raises is told to that request alone."""
        try:
            work()
        except Exception as error:
            self._fail(live, error)

    def _recover(self, batch: RunningBatch, error: Exception) -> None:
        """A step of a batch failed, and what its caches hold is lost.

        Without memory the newest request must go. Else each takes its next step by itself, so that only the one that
        fails again ends; their texts are read anew.
        """
        requests = self._of(batch.rows)
        if _out_of_memory(error) or len(requests) == 1:
            self._fail(requests[-1], error)
        for live in requests:
            live.suspect = len(requests) > 1
        self._forget([batch])

    def _preempt(self, rows: Sequence[Reply]) -> None:
        """Let rows wait again; they go on from what the tree keeps of them, or their texts are read anew."""
        for batch in self._batches:
            batch.release([reply for reply in batch.rows if reply in rows])
        self._batches = [batch for batch in self._batches if batch.rows]
        for reply in rows:
            live = self._owner[reply]
            if live.error is None and not reply.ended and reply not in live.waiting:
                live.waiting.append(reply)

    def _forget(self, batches: Sequence[RunningBatch]) -> None:
        """What the caches of batches hold is lost: let their rows wait."""
        rows = [reply for batch in batches for reply in batch.rows]
        self._batches = [batch for batch in self._batches if batch not in batches]
        self._preempt(rows)

    def _fail(self, live: LiveRequest, error: Exception) -> None:
        if _out_of_memory(error):
            error = Busy(
                "There is no memory left for this request beside the others.",
                "Ask for fewer or shorter replies, or try again in a moment.",
            )
        live.error = error
        for batch in self._batches:
            batch.rows = [reply for reply in batch.rows if self._owner[reply] is not live]
        self._batches = [batch for batch in self._batches if batch.rows]

    def _of(self, rows: Sequence[Reply]) -> list[LiveRequest]:
        """The requests of rows, in the order of arrival."""
        return sorted({self._owner[reply] for reply in rows}, key=self._live.index)

    def _tell_places(self) -> None:
        """Tell newcomers that they begin, or how many are to be admitted before them while there is no room."""
        order = self._waiting()
        full = bool(order) and order[0].replay is None and not self._fits(order[0])
        for before, live in enumerate(order):
            live.tell(Waiting(before) if full else live.started)


def _out_of_memory(error: Exception) -> bool:
    """Whether a device or this machine has no memory left."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
