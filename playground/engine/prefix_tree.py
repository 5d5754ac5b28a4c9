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

_NODE_BYTES, _STATE_BYTES = 600, 500  # what Python and torch need besides the numbers


class Node:
    """A prefix: the final hidden state [D] of each stream that has read it, and the prefixes one token longer."""

    __slots__ = ("children", "latest", "states")

    def __init__(self) -> None:
        self.states: dict[Hashable, Tensor] = {}
        self.children: dict[int, Node] = {}
        self.latest: int | None = None
        """The token that was last written here."""

    def knows(self, streams: Sequence[Hashable]) -> bool:
        """Whether all these streams have read this prefix."""
        return all(stream in self.states for stream in streams)


class _Place(NamedTuple):
    """Where a node hangs, so that it can be taken off, and how many bytes that frees."""

    siblings: dict[Any, Node]
    key: Hashable
    size: int


class PrefixTree:
    """Prefixes by model, prompt and tokens, within a budget of bytes; the least recently used go first.

    Threads may share it. A node that had to go stays good for whoever stands on it.
    """

    def __init__(self, budget: int = 256 * 2**20) -> None:
        self.budget = budget
        self.size = 0
        """Bytes held, at most `budget` after each call."""
        self._lock = Lock()
        self._roots: dict[Any, Node] = {}
        self._places: OrderedDict[Node, _Place] = OrderedDict()  # the least recently used first

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

    def _at(self, siblings: dict[Any, Node], key: Hashable) -> Node:
        node = siblings.get(key)
        if node is None:
            node = siblings[key] = Node()
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
