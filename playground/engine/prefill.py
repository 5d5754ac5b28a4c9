"""Newcomers' texts on their way into a running batch: what many texts begin with is read once and kept."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import takewhile

from torch import Tensor

from playground.engine.language_model import LanguageModel
from playground.engine.methods.base import InputLayer
from playground.engine.plan import Stream
from playground.engine.reply import Reply
from playground.engine.streams import Reading, Streams

LEAST_COMMON = 8
"""Tokens that texts must begin with alike (a system prompt, a chat so far) to be read by themselves."""

Group = list[Reply]
"""Rows on one text."""

_Beginning = tuple[Stream, tuple[int, ...]]


class Beginnings:
    """Keys and values of what texts begin with, within a budget of bytes; the least recently used go first."""

    def __init__(self, budget: int = 64 * 2**20) -> None:
        self.budget, self.size = budget, 0
        self._kept: OrderedDict[_Beginning, tuple[Tensor, ...]] = OrderedDict()

    def find(self, beginning: _Beginning) -> tuple[Tensor, ...] | None:
        """What was kept of a beginning, if it was."""
        if beginning in self._kept:
            self._kept.move_to_end(beginning)
        return self._kept.get(beginning)

    def keep(self, beginning: _Beginning, taken: tuple[Tensor, ...]) -> None:
        """Keep what a stream holds of a beginning, which was not kept."""
        self._kept[beginning] = taken
        self.size += _bytes(taken)
        while self.size > self.budget:
            self.size -= _bytes(self._kept.popitem(last=False)[1])


class Prefill:
    """Rows of one request, and the streams that read their texts: first what these begin with, then the rest.

    Read `streams` until nothing is left, and call `go_on` after each pass.
    """

    def __init__(self, model: LanguageModel, rows: Sequence[Reply], beginnings: Beginnings) -> None:
        self.model, self.rows, self.beginnings = model, list(rows), beginnings
        by_text: dict[tuple[int, ...], Group] = {}
        for reply in rows:
            by_text.setdefault(reply.tokens, []).append(reply)
        self.groups: dict[object, Group] = {object(): group for group in by_text.values()}
        """Rows by the name of what they have read in the end."""
        self._taken: dict[Reading, tuple[Tensor, ...]] = {}
        self._begin: dict[Reading, _Beginning] = {}
        self._known: dict[_Beginning, tuple[Tensor, ...]] = {}
        unknown: list[object] = []
        for name, group in self.groups.items():
            if (kept := _kept(group[0], list(readers(group)))) is None:
                unknown.append(name)
            else:
                self._taken |= {(stream, name): kept[stream] for stream in readers(group)}
        alike = _alike([self.groups[name][0].tokens for name in unknown])
        for name in unknown if Streams(model, {}).resumable else ():
            for stream, reply in readers(self.groups[name]).items():
                own, opening = reply.plan.has_own(stream), reply.plan.prompts[stream].opening
                # A prompt of its own is read by the base model all the same.
                reader = reply.plan.base if own else stream
                if length := _beginning(0 if own else alike, opening):
                    self._begin[stream, name] = reader, reply.text_of(stream)[:length]
        found = {one: beginnings.find(one) for one in self._begin.values()}
        self._known = {one: kept for one, kept in found.items() if kept is not None}
        self._missing = [one for one, kept in found.items() if kept is None]
        self.streams = self._of_beginnings() if self._missing else self._of_texts()

    def waits_for(self, other: "Prefill") -> bool:
        """Whether another reads something right now with which texts of these begin: it is read once."""
        return not set(self._missing).isdisjoint(other._missing)

    def go_on(self) -> bool:
        """Whether all texts are read; the texts come after what they begin with."""
        if self.streams.left:
            return False
        if not self._missing:
            return True
        for one in self._missing:
            if (taken := self.streams.take(one)) is not None:
                self._known[one] = taken
                self.beginnings.keep(one, taken)
        self._missing = []
        self.streams = self._of_texts()
        return False

    def _of_beginnings(self) -> Streams:
        streams = Streams(self.model, self._fronts())
        streams.lay_out({one: one[1] for one in self._missing}, {})
        return streams

    def _of_texts(self) -> Streams:
        streams = Streams(self.model, self._fronts())
        texts = {(s, name): one.text_of(s) for name, group in self.groups.items() for s, one in readers(group).items()}
        streams.lay_out(texts, self._taken | {reading: self._known[one] for reading, one in self._begin.items()})
        return streams

    def _fronts(self) -> dict[Stream, InputLayer | None]:
        return {stream: front for reply in self.rows for stream, front in reply.plan.fronts.items()}


def readers(group: Group) -> dict[Stream, Reply]:
    """The streams that any of these rows needs, and a row of each."""
    return {stream: reply for reply in group for stream in reply.plan.streams}


def _kept(reply: Reply, streams: Sequence[Stream]) -> Mapping[Stream, tuple[Tensor, ...]] | None:
    """What these streams held before the newest token of a row, if the tree knows."""
    return reply.tree.caches(reply.path[-2], streams) if len(reply.path) > 1 else None


def _alike(texts: Sequence[tuple[int, ...]]) -> int:
    """How many tokens different texts begin with alike, short of the whole of any; 0 for a text alone."""
    if len(texts) < 2:
        return 0
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, zip(*(t[:-1] for t in texts), strict=False)))


def _beginning(alike: int, opening: int) -> int:
    """How much of a text is read by itself: its conversation's opening, which many have, or what it has in common with
    others where that is clearly more; 0 where it is not worth a pass of its own."""
    longest = alike if alike >= opening + LEAST_COMMON else opening
    return longest if longest >= LEAST_COMMON else 0


def _bytes(taken: tuple[Tensor, ...]) -> int:
    return sum(part.nbytes for part in taken)
