"""Rows in, a generator of events out; closing the generator is Stop.

Rows stand on the prefixes of a tree, and each distinct prefix is read once in each stream, however many rows stand on
it. What the tree has seen before is not decoded at all: its tokens are read off the hidden states it keeps.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import chain, islice, takewhile, zip_longest

from torch import Tensor

from playground.engine.language_model import LanguageModel
from playground.engine.methods import Steering
from playground.engine.next_token import Choice, choose
from playground.engine.plan import Plan, Stream
from playground.engine.prefix_tree import Node, PrefixTree
from playground.engine.reply import Reply
from playground.engine.streams import States, Streams, Taken
from playground.errors import AxisMismatch, InvalidInput
from playground.events import Finished, Started, Token
from playground.settings import Request

Step = list[Started | Token | Finished]
"""What one step tells: a token of each row that took part, then the end (without reward) of each that ends with it."""

_FIRST_REACH = 32  # tokens of a row guessed at once; doubled as long as the guess holds
_MOST_STANDS = 128  # tokens of all rows guessed at once; bounds the memory that their logits take


def decode(
    model: LanguageModel, axes: Mapping[str, Steering], request: Request, tree: PrefixTree | None = None
) -> Generator[Started | Token | Finished, None, None]:
    """The events of `steps`, one by one."""
    for step in steps(model, axes, request, tree):
        yield from step


def steps(
    model: LanguageModel, axes: Mapping[str, Steering], request: Request, tree: PrefixTree | None = None
) -> Generator[Step, None, None]:
    """Decode all rows of a request; each item is the outcome of one bounded piece of work.

    Started comes first. Each row's tokens come in order, its Finished in the step of its last token. Rows that `tree`
    has seen go ahead of the others; without a tree nothing is remembered.
    Raises InvalidInput or AxisMismatch before the first item when the request cannot be run.
    """
    prompts = [model.prompt_ids(row.messages) for row in request.rows]
    _check(model, axes, request, prompts)
    writer = _Writer(model, axes, request, prompts, PrefixTree(0, 0) if tree is None else tree)
    yield [Started(tuple(len(prompt) for prompt in prompts))]
    try:
        yield from writer.read_off()
        yield from writer.decode()
    finally:
        writer.leave()


class _Writer:
    """The replies of one request, from the first token to the last."""

    def __init__(
        self,
        model: LanguageModel,
        axes: Mapping[str, Steering],
        request: Request,
        prompts: Sequence[list[int]],
        tree: PrefixTree,
    ) -> None:
        self.model, self.request, self.tree = model, request, tree
        self.plan = Plan(model, axes, request.rows)
        self.replies = [
            Reply(index, row, prompt, [tree.root(model, prompt)], self.plan.line(index, request.sampling) is not None)
            for index, (row, prompt) in enumerate(zip(request.rows, prompts, strict=True))
        ]

    def read_off(self) -> Generator[Step, None, None]:
        """Take each row as far as the tree knows its prefixes.

        The guess is that it goes on as a reply last did. All prefixes of a guess are decided in one call; the row takes
        the tokens up to the first that differs, and follows that one where the tree knows it as well.
        """
        reach = dict.fromkeys(range(len(self.replies)), _FIRST_REACH)
        while known := [reply for reply in self.replies if not reply.ended and self._is_known(reply)]:
            most = max(1, _MOST_STANDS // len(known))
            guesses = [self._guess(reply, min(reach[reply.index], most)) for reply in known]
            stands = [
                reply.stand(node, tuple(token for token, _ in guess[:ahead]))
                for reply, guess in zip(known, guesses, strict=True)
                for ahead, node in enumerate([reply.path[-1], *(node for _, node in guess)])
            ]
            choices = iter(choose(self.model, self.plan, stands, self.request.sampling))
            taken = [_agreed(guess, list(islice(choices, len(guess) + 1))) for guess in guesses]
            for reply, guess, ours in zip(known, guesses, taken, strict=True):
                if len(ours) > len(guess):
                    reach[reply.index] *= 2
            for together in zip_longest(*taken):
                step = [(reply, choice) for reply, choice in zip(known, together, strict=True) if choice is not None]
                yield self._written(step)
                for reply, choice in step:
                    if not reply.ended:
                        reply.path.append(self.tree.child(reply.path[-1], choice.token))

    def decode(self) -> Generator[Step, None, None]:
        """Write the rows that are not at their end, a token a step; rows on one prefix are one row of the streams."""
        groups = _by_prefix(self.replies)
        if not groups:
            return
        streams, states = self._begin(groups)
        while True:
            for place, group in enumerate(groups):
                self.tree.keep(group[0].path[-1], self._read(streams, states, place))
                for reply in group:
                    reply.path[-1] = group[0].path[-1]
            replies = sorted(chain.from_iterable(groups), key=lambda reply: reply.index)
            choices = choose(self.model, self.plan, [reply.stand() for reply in replies], self.request.sampling)
            step = self._written(list(zip(replies, choices, strict=True)))
            self._plant(streams, groups, ended=True)
            try:
                yield step
            except GeneratorExit:
                self._plant(streams, groups, ended=False)
                raise

            place_of = {id(reply): place for place, group in enumerate(groups) for reply in group}
            groups = _by_prefix(replies)
            if not groups:
                return
            for group in groups:
                node = self.tree.child(group[0].path[-1], group[0].ids[-1])
                for reply in group:
                    reply.path.append(node)
            states = streams.advance(
                [group[0].ids[-1] for group in groups], parents=[place_of[id(group[0])] for group in groups]
            )

    def _begin(self, groups: Sequence[Sequence[Reply]]) -> tuple[Streams, States]:
        """Read the groups' prefixes: their newest token alone where the tree has kept what came before it."""
        members = self.plan.members([[reply.index for reply in group] for group in groups])
        texts = [[*group[0].prompt, *group[0].ids] for group in groups]
        taken = [
            self._taken(group, [k for k, rows in enumerate(members) if at in rows]) for at, group in enumerate(groups)
        ]
        known = [caches for caches in taken if caches is not None]
        if len(known) < len(groups):
            streams = Streams(self.model, texts, self.plan.fronts, members)
            return streams, streams.prefill()
        streams = Streams(self.model, [text[:-1] for text in texts], self.plan.fronts, members)
        streams.resume(known)
        return streams, streams.advance([text[-1] for text in texts])

    def _taken(self, group: Sequence[Reply], layers: Sequence[int]) -> Taken | None:
        """What the streams of a group held before its newest token, if the tree knows."""
        if len(group[0].path) < 2:
            return None
        of_stream = {None: self.plan.base} | {k: self.plan.aligned[k] for k in layers}
        caches = self.tree.caches(group[0].path[-2], list(of_stream.values()))
        return None if caches is None else {k: caches[stream] for k, stream in of_stream.items()}

    def _plant(self, streams: Streams, groups: Sequence[Sequence[Reply]], ended: bool) -> None:
        """Let the tree keep what the streams hold of the groups that end here, or of those that would go on."""
        if not self.tree.trunk_budget:
            return
        for place, group in enumerate(groups):
            if all(reply.ended for reply in group) == ended and (taken := streams.take(place)) is not None:
                caches = {self.plan.base if k is None else self.plan.aligned[k]: parts for k, parts in taken.items()}
                self.tree.plant(group[0].path, caches)

    def leave(self) -> None:
        """Remember where the replies went."""
        for reply in self.replies:
            self.tree.visit(reply.path, reply.ids)

    def _is_known(self, reply: Reply) -> bool:
        return reply.path[-1].knows(self.plan.streams(reply.index))

    def _guess(self, reply: Reply, reach: int) -> list[tuple[int, Node]]:
        """The tokens and prefixes that probably come next: one fewer than the choices they allow, `reach` at most."""
        left = self.request.max_new_tokens - len(reply.ids)
        return self.tree.ahead(reply.path[-1], self.plan.streams(reply.index), min(reach, left) - 1)

    def _read(self, streams: Streams, states: States, place: int) -> dict[Stream, Tensor]:
        """The states of the streams that read row `place`, in the dtype they were computed in."""
        read = {self.plan.base: states.base[place]}
        for k, members in enumerate(streams.members):
            if place in members:
                read[self.plan.aligned[k]] = states.aligned[k, place]
        return {stream: state.to(self.model.dtype) for stream, state in read.items()}

    def _written(self, step: Sequence[tuple[Reply, Choice]]) -> Step:
        """Write a token of each of these replies."""
        most = self.request.max_new_tokens
        events: Step = [reply.add(self.model, choice, last=len(reply.ids) + 1 == most) for reply, choice in step]
        return events + [reply.finished(self.model) for reply, _ in step if reply.ended]


def _agreed(guess: Sequence[tuple[int, Node]], choices: Sequence[Choice]) -> list[Choice]:
    """The choices on a guessed path up to the first that leaves it."""
    agreed = takewhile(lambda pair: pair[0][0] == pair[1].token, zip(guess, choices, strict=False))
    return list(choices[: len(list(agreed)) + 1])


def _by_prefix(replies: Iterable[Reply]) -> list[list[Reply]]:
    """The replies that go on, those with the same text together."""
    groups: dict[tuple[int, ...], list[Reply]] = {}
    for reply in replies:
        if not reply.ended:
            groups.setdefault((*reply.prompt, *reply.ids), []).append(reply)
    return list(groups.values())


def _check(
    model: LanguageModel, axes: Mapping[str, Steering], request: Request, prompts: Sequence[Sequence[int]]
) -> None:
    """Refuse axes that are not there and prompts that leave no room for the reply."""
    for row in request.rows:
        for strength in row.strengths:
            if strength.axis not in axes:
                raise AxisMismatch(
                    f"There is no axis named {strength.axis!r}.", f"Choose one of: {', '.join(axes) or 'none loaded'}."
                )
    longest = max(len(prompt) for prompt in prompts)
    if longest + request.max_new_tokens > model.context_length:
        raise InvalidInput(
            f"The prompt is {longest} tokens long; with {request.max_new_tokens} new tokens it does not fit "
            f"{model.name}'s context of {model.context_length}.",
            "Shorten the prompt or start a new conversation.",
        )
