"""The requests under way and what is read of them: each step is one bounded piece of work for all.

A step is a few more tokens of a request that was read off the tree, some tokens of newcomers' texts, or the next token
of every running row.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from playground.engine.kv_memory import out_of_memory
from playground.engine.language_model import LanguageModel
from playground.engine.live_request import LiveRequest
from playground.engine.next_token import Choice, choose
from playground.engine.prefill import Beginnings, Prefill
from playground.engine.reply import Reply
from playground.engine.running_batch import RunningBatch
from playground.engine.streams import read
from playground.events import Waiting

_ROOM = 64
"""Tokens that there must be room for in every row when a newcomer is admitted, so that it is not sent back at once."""

_READ_BETWEEN = 256
"""Tokens that are read of newcomers between two steps of the running batch, and in one slice of a long request."""
_REPLAYED = 128  # tokens that may be read in the time that a piece of a replay takes


class Core:
    """Owns the running rows of all requests on one model; one thread at a time may call it.

    Families whose caches cannot join (see caches.StockCache) step request by request, one after the other.
    """

    def __init__(self, model: LanguageModel, kv_budget: int) -> None:
        self.model, self.kv_budget = model, kv_budget
        self.live: list[LiveRequest] = []
        """In the order of arrival."""
        self.batches: list[RunningBatch] = []
        """One, but where caches cannot join."""
        self._owner: dict[Reply, LiveRequest] = {}
        self._beginnings = Beginnings()
        self._read = 0  # tokens of newcomers since the last step of a batch

    def add(self, live: LiveRequest) -> None:
        """Let a request wait."""
        self.live.append(live)
        self._owner |= dict.fromkeys(live.replies, live)

    def remove(self, live: LiveRequest) -> None:
        """Let a request go; the tree keeps what is held of it."""
        for batch in self.batches:
            batch.release([reply for reply in batch.rows if self._owner[reply] is live])
        self._drop_empty()
        self.live.remove(live)
        for reply in live.replies:
            del self._owner[reply]
        live.leave()

    def running(self, without: Sequence[LiveRequest]) -> int:
        """How many rows take part in the next steps, but for those of some requests."""
        return sum(self._owner[reply] not in without for reply in self._rows())

    @property
    def kv_bytes(self) -> int:
        """Bytes of keys and values that running rows hold."""
        return self._bytes()

    def tell_places(self) -> None:
        """Tell newcomers that they begin, or how many are to be admitted before them while there is no room."""
        order = self._waiting()
        full = bool(order) and order[0].replay is None and not self._fits(order[0])
        for before, live in enumerate(order):
            live.tell(Waiting(before) if full else live.started)

    def _rows(self) -> list[Reply]:
        return [reply for batch in self.batches for reply in batch.rows]

    def _of(self, rows: Sequence[Reply]) -> list[LiveRequest]:
        """The requests of rows, in the order of arrival."""
        return sorted({self._owner[reply] for reply in rows}, key=self.live.index)

    def _drop_empty(self) -> None:
        self.batches = [batch for batch in self.batches if batch.rows]

    # -- one step ------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """One bounded piece of work."""
        newcomers = self._newcomers()
        if newcomers and (self._read < _READ_BETWEEN or not self._others_run(newcomers[0])):
            self._take_in(newcomers)
        elif self.batches:
            self._go_on(self.batches[0])

    def _newcomers(self) -> list[LiveRequest]:
        """Those with something to do before they run, who can, in the order in which they are served."""
        order = self._waiting()
        if order and order[0].replay is None and not self._fits(order[0]):
            return [live for live in order if live.replay is not None or live.prefill is not None]
        return order

    def _waiting(self) -> list[LiveRequest]:
        """The same with those for whom there is no room yet."""
        rows = Counter(self._owner[reply] for reply in self._rows())
        of_client: Counter[Hashable] = Counter()
        for live in self.live:
            of_client[live.client] += rows[live]
        newcomers = [live for live in self.live if not live.over and (live.replay is not None or live.waiting)]

        def held(live: LiveRequest) -> tuple[int, int, int]:
            # Who asks from within this process names no client: there each request counts for itself. A long text is
            # not read to its end before others are begun.
            return rows[live] if live.client is None else of_client[live.client], rows[live], live.passes

        return sorted(newcomers, key=held)

    def _fits(self, live: LiveRequest) -> bool:
        """Whether there is memory for the next slice of a request, and for some tokens more of all that runs then."""
        if live.prefill is not None:
            return True
        being_read = [reply for other in self.live if other.prefill for reply in other.prefill.rows]
        if not self.batches and not being_read:
            return True
        return self._bytes([*live.slice(_READ_BETWEEN).rows, *being_read], _ROOM) <= self.kv_budget

    def _bytes(self, newcomers: Sequence[Reply] = (), more: int = 0) -> int:
        """Of keys and values of all that runs, with some newcomers and some tokens more."""
        running = self._rows()
        readings = {(reply.held, stream) for reply in running for stream in reply.plan.streams}
        readings |= {(reply.tokens, stream) for reply in newcomers for stream in reply.plan.streams}
        longest = max((reply.longest for reply in [*running, *newcomers]), default=0)
        return len(readings) * (longest + more) * self.model.kv_bytes

    def _others_run(self, live: LiveRequest) -> bool:
        return any(self._owner[reply] is not live for reply in self._rows())

    def _take_in(self, newcomers: Sequence[LiveRequest]) -> None:
        """Read off some of what the tree knows of newcomers, and some tokens of the others' texts in one pass.

        The rows whose texts are read then run.
        """
        self._read %= _READ_BETWEEN  # more than that only where nobody runs whom it would hold up
        opened, full = list[LiveRequest](), False
        ahead = self._read
        for live in newcomers:
            if ahead >= _READ_BETWEEN:
                break
            if live.replay is not None:
                self._guarded(live, lambda live=live: self._replay(live))
                ahead = max(ahead, self._read)
            full = full or (live.replay is None and not self._fits(live))
            reads = live.prefill is not None  # what is begun is read to its end, whoever else finds no room
            if live.replay is None and (reads or not full) and not live.over and self._opened(live):
                opened.append(live)
                ahead += live.prefill.streams.left if live.prefill else 0
        if not opened:
            return
        self._read_on(opened, _READ_BETWEEN - self._read)
        for live in opened:
            live.passes += 1
            self._guarded(live, lambda live=live: self._settle(live))

    def _replay(self, live: LiveRequest) -> None:
        """Read off a piece of what the tree knows of a request."""
        if live.replayed():
            self._read += _REPLAYED

    def _opened(self, live: LiveRequest) -> bool:
        """Whether texts of a request are to be read now; what another reads as well, they wait for.

        Those that are begun never wait: two that read the same would give way to each other for ever.
        """
        begins = live.prefill is None
        self._guarded(live, lambda: self._open(live))
        if begins and (own := live.prefill):
            others = (other.prefill for other in self.live if other is not live and other.prefill)
            if any(own.waits_for(other) for other in others):
                live.prefill = None
        return live.prefill is not None

    def _open(self, live: LiveRequest) -> None:
        """Take up the next slice of a request, unless its rows can go on with others at once."""
        if live.prefill is not None:
            return
        rows = live.slice(_READ_BETWEEN).rows
        if hopped := [reply for reply in rows if any(batch.hop_on(reply) for batch in self.batches)]:
            live.waiting = [reply for reply in live.waiting if reply not in hopped]
            return
        live.prefill, live.passes = Prefill(self.model, rows, self._beginnings), 0

    def _read_on(self, opened: Sequence[LiveRequest], room: int) -> None:
        """Read in one pass; where that fails, one by one, so that it is told to whose it is."""
        parts = {live: live.prefill.streams for live in opened if live.prefill is not None}
        try:
            self._read += read(list(parts.values()), room)
        except Exception:  # whatever it is, it is one request's alone
            for live, part in parts.items():
                self._guarded(live, lambda part=part: self._count(read([part], room)))

    def _count(self, tokens: int) -> None:
        self._read += tokens

    def _settle(self, live: LiveRequest) -> None:
        """Let the rows run whose texts are read."""
        done = live.prefill
        if done is None or not done.go_on():
            return
        batch = RunningBatch(done)
        live.prefill = None
        live.waiting = [reply for reply in live.waiting if reply not in done.rows]
        self.batches.append(batch)
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
            self._recover([batch], error)
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
        self.batches = [other for other in self.batches if other is not batch]
        if not batch.rows:
            return
        if not any(live.suspect for live in self._of(batch.rows)):
            for other in self.batches:
                if other.can_join(batch) and not any(live.suspect for live in self._of(other.rows)):
                    self._join(other, batch)
                    return
        self.batches.append(batch)

    def _join(self, batch: RunningBatch, other: RunningBatch) -> None:
        """Let the rows of two batches step together."""
        try:
            batch.join(other)
        except Exception as error:  # some streams may have joined and others not
            self._recover([batch, other], error)

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

    def _recover(self, batches: Sequence[RunningBatch], error: Exception) -> None:
        """A step of a batch failed, or two that were to join, and what their caches hold is lost.

        Without memory the newest request must go. Else each takes its next step by itself, so that only the one that
        fails again ends; their texts are read anew.
        """
        requests = self._of([reply for batch in batches for reply in batch.rows])
        if out_of_memory(error) or len(requests) == 1:
            self._fail(requests[-1], error)
        for live in requests:
            live.suspect = len(requests) > 1
        self.forget(batches)

    def _preempt(self, rows: Sequence[Reply]) -> None:
        """Let rows wait again; they go on from what the tree keeps of them, or their texts are read anew."""
        for batch in self.batches:
            batch.release([reply for reply in batch.rows if reply in rows])
        self._drop_empty()
        for reply in rows:
            live = self._owner[reply]
            if live.error is None and not reply.ended and reply not in live.waiting:
                live.waiting.append(reply)

    def forget(self, batches: Sequence[RunningBatch]) -> None:
        """What the caches of batches hold is lost: let their rows wait."""
        rows = [reply for batch in batches for reply in batch.rows]
        self.batches = [batch for batch in self.batches if batch not in batches]
        self._preempt(rows)

    def _fail(self, live: LiveRequest, error: Exception) -> None:
        live.fail(error)
        for batch in self.batches:
            batch.rows = [reply for reply in batch.rows if self._owner[reply] is not live]
        self._drop_empty()
