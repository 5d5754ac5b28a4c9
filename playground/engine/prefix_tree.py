"""The tree of visited prefixes: what each stream made of a text is kept, so that nothing is read twice.

A hidden state depends on the stream and on the tokens before it and on nothing else: strengths, seeds and temperatures
act after it. So the rows of a request share their prefixes, and so do requests.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple
from weakref import ref

from torch import Tensor

from playground.engine.language_model import LanguageModel

_NODE_BYTES, _STATE_BYTES = 1700, 500  # what Python and torch need besides the numbers
_INTERVALS = 4
"""How many ranges of a slider a prefix remembers, with the token that each is for."""


class ReplyCache:
    """Keys and values of the streams that read a whole reply: any prefix on its way can be gone on from."""

    __slots__ = ("caches",)

    def __init__(self, caches: Mapping[Hashable, tuple[Tensor, ...]]) -> None:
        self.caches = dict(caches)


class TokenRange(NamedTuple):
    """Where along a slider a token is chosen, and which take over at the ends (see next_token.Choice)."""

    line: Hashable
    """All else that the choice depends on."""
    token: int
    low_token: int
    high_token: int
    low: float
    high: float


class KeptLogits:
    """The logits [V] of streams at prefixes, within a budget of bytes; the least recently used go first.

    A redraw at another strength asks for the same ones again, and on a CPU would spend most of its time on them. Nodes
    own them, and nothing here keeps a node alive. Threads may share it.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.size = 0
        """Bytes held, at most `budget` after each call."""
        self._lock = Lock()
        self._sizes: OrderedDict[tuple[ref[Node], Hashable], int] = OrderedDict()  # the least recently used first

    def get(self, node: "Node", stream: Hashable) -> Tensor | None:
        """What a stream's logits are at a prefix, if they are kept."""
        with self._lock:
            if (line := node.lines.get(stream)) is not None:
                self._sizes.move_to_end((ref(node), stream))
            return line

    def keep(self, node: "Node", stream: Hashable, line: Tensor) -> None:
        """Keep a copy of a stream's logits at a prefix: they are a row of all that a step has computed."""
        with self._lock:
            if line.nbytes > self.budget or stream in node.lines:
                return
            node.lines[stream] = line.clone()
            self._sizes[ref(node), stream] = line.nbytes
            self.size += line.nbytes
            while self.size > self.budget:
                (oldest, stream), size = self._sizes.popitem(last=False)
                self.size -= size
                if (holder := oldest()) is not None:
                    del holder.lines[stream]


class Node:
    """A prefix: the final hidden state [D] of each stream that has read it, and the prefixes one token longer."""

    __slots__ = ("__weakref__", "children", "latest", "lines", "log_total", "logits", "ranges", "states", "trunk")

    def __init__(self, logits: KeptLogits) -> None:
        self.logits = logits
        """Decides how long `lines` are kept."""
        self.lines: dict[Hashable, Tensor] = {}
        """The logits [V] of each stream that somebody has needed of late."""
        self.states: dict[Hashable, Tensor] = {}
        self.children: dict[int, Node] = {}
        self.latest: int | None = None
        """The token that was last written here."""
        self.log_total: Tensor | None = None
        """log sum exp of the base's logits here, once somebody has needed it."""
        self.ranges: tuple[TokenRange, ...] = ()
        """What was last found of the tokens that are chosen here, the newest first."""
        self.trunk: ReplyCache | None = None
        """The trunk that last came along here."""

    def remember(self, found: TokenRange) -> None:
        """Keep a range for whoever stands here at another strength."""
        self.ranges = (found, *self.ranges[: _INTERVALS - 1])

    def knows(self, streams: Sequence[Hashable]) -> bool:
        """Whether all these streams have read this prefix."""
        return all(stream in self.states for stream in streams)


class _Place(NamedTuple):
    """Where a node hangs, so that it can be taken off, and how many bytes that frees."""

    siblings: dict[Any, Node]
    key: Hashable
    size: int


class PrefixTree:
    """Prefixes by model, prompt and tokens, within budgets of bytes; the least recently used go first.

    Hidden states are small (2 KB a token), keys and values large (50 KB a token for a small model), and logits larger
    (200 KB), so that each have a budget of their own. Threads may share a tree. A node that had to go stays good for
    whoever stands on it.
    """

    def __init__(
        self, budget: int = 256 * 2**20, trunk_budget: int = 512 * 2**20, logits_budget: int = 256 * 2**20
    ) -> None:
        self.budget, self.trunk_budget = budget, trunk_budget
        self.logits = KeptLogits(logits_budget)
        self.size = self.trunk_size = 0
        """Bytes held, at most `budget` and `trunk_budget` after each call."""
        self._lock = Lock()
        self._roots: dict[Any, Node] = {}
        self._places: OrderedDict[Node, _Place] = OrderedDict()  # the least recently used first
        self._trunks: OrderedDict[ReplyCache, int] = OrderedDict()

    def root(self, model: LanguageModel, prompt: Sequence[int]) -> Node:
        """A prompt with nothing written yet."""
        with self._lock:
            return self._at(self._roots, (ref(model), tuple(prompt)))

    def child(self, node: Node, token: int) -> Node:
        """The prefix one token longer."""
        with self._lock:
            return self._at(node.children, token)

    def keep(self, node: Node, states: Mapping[Hashable, Tensor]) -> None:
        """Keep the states [D] of streams that have read a prefix, as copies of their own."""
        with self._lock:
            new = {stream: state.clone() for stream, state in states.items() if stream not in node.states}
            node.states.update(new)
            if (place := self._places.get(node)) is not None:
                grown = sum(state.nbytes + _STATE_BYTES for state in new.values())
                self._places[node] = place._replace(size=place.size + grown)
                self._grow(grown)

    def ahead(self, node: Node, streams: Sequence[Hashable], most: int) -> list[tuple[int, Node]]:
        """How a reply went on when it was last here, as far as these streams have read: tokens and prefixes."""
        found: list[tuple[int, Node]] = []
        with self._lock:
            while len(found) < most and (token := node.latest) is not None:
                child = node.children.get(token)
                if child is None or not child.knows(streams):
                    break
                node = child
                found.append((token, node))
        return found

    def visit(self, path: Sequence[Node], tokens: Sequence[int]) -> None:
        """A reply of these tokens was written along these nodes, which counts as their use."""
        with self._lock:
            for node, token in zip(path, tokens, strict=False):
                node.latest = token
            for node in reversed(path):  # a prefix is never older than what hangs on it, and goes after it
                if node in self._places:
                    self._places.move_to_end(node)

    def plant(self, path: Sequence[Node], caches: Mapping[Hashable, tuple[Tensor, ...]]) -> None:
        """Keep what the streams of a reply hold, for whoever goes on from any node on its path."""
        trunk, size = ReplyCache(caches), sum(part.nbytes for parts in caches.values() for part in parts)
        with self._lock:
            self._trunks[trunk] = size
            self.trunk_size += size
            for node in path:
                if node.trunk is None or not node.trunk.caches.keys() > trunk.caches.keys():
                    node.trunk = trunk
            while self.trunk_size > self.trunk_budget:
                oldest, size = self._trunks.popitem(last=False)
                oldest.caches.clear()
                self.trunk_size -= size

    def caches(self, node: Node, streams: Sequence[Hashable]) -> Mapping[Hashable, tuple[Tensor, ...]] | None:
        """Keys and values by which these streams can go on from a prefix: they hold its tokens, and maybe more."""
        with self._lock:
            trunk = node.trunk
            if trunk is None or any(stream not in trunk.caches for stream in streams):
                return None
            self._trunks.move_to_end(trunk)
            return dict(trunk.caches)

    def _at(self, siblings: dict[Any, Node], key: Hashable) -> Node:
        node = siblings.get(key)
        if node is None:
            node = siblings[key] = Node(self.logits)
            self._places[node] = _Place(siblings, key, _NODE_BYTES)
            self._grow(_NODE_BYTES)
        return node

    def _grow(self, size: int) -> None:
        self.size += size
        while self.size > self.budget:
            node, place = self._places.popitem(last=False)
            self.size -= place.size
            if place.siblings.get(place.key) is node:
                del place.siblings[place.key]
