"""Rows of any requests that are read together: each distinct text once in each stream, a token a step."""

from collections.abc import Mapping, Sequence

from playground.engine.kv_memory import out_of_memory
from playground.engine.prefill import Group, Prefill, readers
from playground.engine.prefix_tree import Node, PrefixTree
from playground.engine.reply import Reply
from playground.engine.streams import States


class RunningBatch:
    """The rows and what is held of them: all of each text but the newest token, which the next step reads."""

    def __init__(self, read: Prefill) -> None:
        """Go on from texts that were read."""
        self.model, self.rows, self.streams = read.model, list(read.rows), read.streams
        self._keep(read.groups, read.streams.states)

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
            held = other.tree is reply.tree and len(other.plan.prompt) + len(other.ids) == len(text)
            if held and other.tokens == text and set(reply.plan.streams) <= set(other.plan.streams):
                reply.held, reply.path[-1] = other.held, other.path[-1]
                self.rows.append(reply)
                return True
        return False

    def advance(self) -> None:
        """Read the newest token of each row."""
        by_step: dict[tuple[object, int], Group] = {}
        for reply in self.rows:
            by_step.setdefault((reply.held, reply.newest), []).append(reply)
        groups = {object(): group for group in by_step.values()}
        following = {
            (stream, name): step
            for step, (name, group) in zip(by_step, groups.items(), strict=True)
            for stream in readers(group)
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
        try:
            taken = {stream: self.streams.take((stream, name)) for stream, name in of_name}
        except Exception as error:
            if out_of_memory(error):  # it is kept for who may come later: nobody needs it
                return
            raise
        caches = {stream: parts for stream, parts in taken.items() if parts is not None}
        if caches:
            reply.tree.plant(reply.path if reply.ended else reply.path[:-1], caches)

    def _keep(self, groups: Mapping[object, Group], states: States) -> None:
        """Let the prefixes know the states of the streams that have read them."""
        for name, group in groups.items():
            nodes: dict[PrefixTree, Node] = {}
            for reply in group:
                reply.held = name
                reply.path[-1] = nodes.setdefault(reply.tree, reply.path[-1])
            read = {stream: states[stream, name].to(self.model.dtype) for stream in readers(group)}
            for tree, node in nodes.items():
                tree.keep(node, read)
