"""Rows of any requests that are read together: each distinct text once in each stream, a token a step."""

from collections.abc import Sequence

from playground.engine.language_model import LanguageModel
from playground.engine.methods.base import InputLayer
from playground.engine.plan import Stream
from playground.engine.prefix_tree import Node, PrefixTree
from playground.engine.reply import Reply
from playground.engine.streams import Reading, States, Streams

_Group = list[Reply]
"""Rows on one text."""


class RunningBatch:
    """The rows and what is held of them: all of each text but the newest token, which the next step reads."""

    def __init__(self, model: LanguageModel, rows: Sequence[Reply]) -> None:
        """Read the texts of rows; their newest token alone where the tree has kept what came before it."""
        self.model, self.rows = model, list(rows)
        fronts: dict[Stream, InputLayer | None] = {}
        for reply in rows:
            fronts |= reply.plan.fronts
        by_text: dict[tuple[int, ...], _Group] = {}
        for reply in rows:
            by_text.setdefault(reply.tokens, []).append(reply)
        resumed: dict[Reading, tuple] = {}
        texts: dict[Reading, Sequence[int]] = {}
        following: dict[Reading, tuple[object, int]] = {}
        unknown: dict[Reading, Sequence[int]] = {}
        groups: dict[object, _Group] = {}
        for text, group in by_text.items():
            name, before = object(), object()
            groups[name] = group
            streams = _streams(group)
            if (kept := _kept(group[0], streams)) is None:
                unknown |= {(stream, name): text for stream in streams}
                continue
            for stream in streams:
                texts[stream, before], resumed[stream, before] = text[:-1], kept[stream]
                following[stream, name] = before, text[-1]
        parts: list[Streams] = []
        states: States = {}
        if unknown:
            parts.append(Streams(model, fronts))
            states |= parts[-1].prefill(unknown)
        if texts:
            parts.append(Streams(model, fronts))
            parts[-1].resume(texts, resumed)
            states |= parts[-1].advance(following)
        self.streams, *others = parts
        for other in others:
            self.streams.join(other)
        self._keep(groups, states)

    def can_join(self, other: "RunningBatch") -> bool:
        """Whether the rows of another can step together with these."""
        return self.streams.can_join(other.streams)

    def join(self, other: "RunningBatch") -> None:
        """Take in another's rows."""
        self.streams.join(other.streams)
        self.rows += other.rows

    def hop_on(self, reply: Reply) -> bool:
        """Let a row go on with one that stands on the same text and is read by its streams, if there is one."""
        text = reply.tokens
        for other in self.rows:
            held = other.tree is reply.tree and len(other.prompt) + len(other.ids) == len(text)
            if held and other.tokens == text and set(reply.plan.streams) <= set(other.plan.streams):
                reply.held, reply.path[-1] = other.held, other.path[-1]
                self.rows.append(reply)
                return True
        return False

    def advance(self) -> None:
        """Read the newest token of each row."""
        by_step: dict[tuple[object, int], _Group] = {}
        for reply in self.rows:
            by_step.setdefault((reply.held, reply.newest), []).append(reply)
        groups = {object(): group for group in by_step.values()}
        following = {
            (stream, name): step
            for step, (name, group) in zip(by_step, groups.items(), strict=True)
            for stream in _streams(group)
        }
        self._keep(groups, self.streams.advance(following))

    def release(self, gone: Sequence[Reply]) -> None:
        """Let rows go; the tree keeps what the streams hold of those whose text nobody goes on with."""
        leaving = {id(reply) for reply in gone}
        self.rows = [reply for reply in self.rows if id(reply) not in leaving]
        still_held = {reply.held for reply in self.rows}
        planted: set[tuple[int, object]] = set()
        for reply in gone:
            key = id(reply.tree), reply.held
            if reply.held not in still_held and key not in planted and reply.tree.trunk_budget:
                planted.add(key)
                self._plant(reply)

    def _plant(self, reply: Reply) -> None:
        of_name = [reading for reading in self.streams.readings if reading[1] == reply.held]
        taken = {stream: self.streams.take((stream, name)) for stream, name in of_name}
        caches = {stream: parts for stream, parts in taken.items() if parts is not None}
        if caches:
            reply.tree.plant(reply.path if reply.ended else reply.path[:-1], caches)

    def _keep(self, groups: dict[object, _Group], states: States) -> None:
        """Let the prefixes know the states of the streams that have read them."""
        for name, group in groups.items():
            nodes: dict[PrefixTree, Node] = {}
            for reply in group:
                reply.held = name
                reply.path[-1] = nodes.setdefault(reply.tree, reply.path[-1])
            read = {stream: states[stream, name].to(self.model.dtype) for stream in _streams(group)}
            for tree, node in nodes.items():
                tree.keep(node, read)


def _streams(group: _Group) -> list[Stream]:
    """The streams that any of these rows needs."""
    return list(dict.fromkeys(stream for reply in group for stream in reply.plan.streams))


def _kept(reply: Reply, streams: Sequence[Stream]) -> dict | None:
    """What these streams held before the newest token of a row, if the tree knows."""
    if len(reply.path) < 2:
        return None
    found = reply.tree.caches(reply.path[-2], streams)
    return None if found is None else dict(found)
