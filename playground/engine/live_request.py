"""A request under way: what the tree knows of its replies is read off, the others wait to join a running batch."""

from collections import deque
from collections.abc import Generator, Hashable, Mapping, Sequence
from itertools import islice, takewhile, zip_longest
from typing import NamedTuple

from playground.engine.kv_memory import out_of_memory
from playground.engine.language_model import LanguageModel
from playground.engine.methods import Steering
from playground.engine.next_token import Choice, choose
from playground.engine.plan import RowPlan, plan_rows
from playground.engine.prefill import Prefill, readers
from playground.engine.prefix_tree import Node, PrefixTree
from playground.engine.reply import Reply
from playground.errors import AxisMismatch, Busy, InvalidInput
from playground.events import Finished, Started, Token, Waiting
from playground.settings import Request

Step = list[Waiting | Started | Token | Finished]
"""What one step tells: a token of each row that took part, then the end (without reward) of each that ends with it."""

_FIRST_REACH = 32  # tokens of a row guessed at once; doubled as long as the guess holds
_MOST_STANDS = 128  # tokens of all rows guessed at once; bounds the memory that their logits take
_OVER = object()


class Slice(NamedTuple):
    """Rows that are read in one pass, and how many tokens that are: what texts begin with alike is read once."""

    rows: list[Reply]
    cost: int


class LiveRequest:
    """The replies of one request from the first token to the last, and the steps that it is still to be told."""

    def __init__(
        self,
        model: LanguageModel,
        axes: Mapping[str, Steering],
        request: Request,
        tree: PrefixTree | None = None,
        client: Hashable = None,
    ) -> None:
        """Raises InvalidInput or AxisMismatch when the request cannot be run. Without a tree nothing is remembered."""
        _check_axes(axes, request)
        plans = plan_rows(model, axes, request.rows)
        _check_fits(model, request, plans)
        self.model, self.client, self.tree = model, client, PrefixTree(0, 0, 0) if tree is None else tree
        self.replies = [
            Reply(
                index, row, plan, request.sampling, request.max_new_tokens, request.stop,
                self.tree, [self.tree.root(model, plan.prompt)],
            )
            for index, (row, plan) in enumerate(zip(request.rows, plans, strict=True))
        ]  # fmt: skip
        self.started = Started(tuple(len(plan.prompt) for plan in plans))
        self._told: Waiting | Started | None = None
        self.steps: deque[Step] = deque()
        """What happened and was not yet told."""
        self.error: Exception | None = None
        self.suspect = False
        """Whether it was in a batch whose step failed, and has taken none since."""
        self.replay: Generator[None, None, None] | None = self._read_off()
        self.waiting: list[Reply] = []
        """Rows that are to join a running batch."""
        self.prefill: Prefill | None = None
        """Those of them whose texts are being read."""
        self.passes = 0
        """How many passes that took so far."""

    def tell(self, event: Waiting | Started) -> None:
        """Tell where it stands before it is started, unless that is known."""
        if not isinstance(self._told, Started) and event != self._told:
            self._told = event
            self.steps.append([event])

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.error is not None or all(reply.ended for reply in self.replies)

    def write(self, step: Sequence[tuple[Reply, Choice]]) -> None:
        """Write a token of each of these replies."""
        events: Step = [reply.add(self.model, choice) for reply, choice in step]
        self.steps.append(events + [reply.finished(self.model) for reply, _ in step if reply.ended])

    def replayed(self) -> bool:
        """Take one more piece of the replay, if there is one; after the last the rows that go on wait."""
        if self.replay is None or next(self.replay, _OVER) is not _OVER:
            return self.replay is not None
        self.replay = None
        self.waiting = [reply for reply in self.replies if not reply.ended]
        return False

    def slice(self, most: int) -> "Slice":
        """The first of the rows that wait, with all that stand on the same texts, until `most` tokens are to be read.

        What they are depends on this request alone, so that they are read as if nobody else were there.
        """
        found: dict[tuple[int, ...], list[Reply]] = {}
        for reply in self.waiting:
            found.setdefault(reply.tokens, []).append(reply)
        rows: list[Reply] = []
        cost, first = 0, ()
        for text, replies in found.items():
            if cost >= most:
                break
            rows += replies
            alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, text, strict=False)))
            for stream, reply in readers(replies).items():
                known = reply.plan.prompts[stream].opening if reply.plan.has_own(stream) and first else alike
                cost += len(reply.text_of(stream)) - known
            first = first or text
        return Slice(rows, cost)

    def fail(self, error: Exception) -> None:
        """End here, and tell why."""
        self.prefill = None
        self.error = error
        if out_of_memory(error):
            self.error = Busy(
                "There is no memory left for this request beside the others.",
                "Ask for fewer or shorter replies, or try again in a moment.",
            )

    def leave(self) -> None:
        """Remember where the replies went."""
        for reply in self.replies:
            self.tree.visit(reply.path, reply.ids)

    def _read_off(self) -> Generator[None, None, None]:
        """Take each row as far as the tree knows its prefixes, piece by piece.

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
            choices = iter(choose(self.model, stands))
            taken = [_agreed(guess, list(islice(choices, len(guess) + 1))) for guess in guesses]
            for reply, guess, ours in zip(known, guesses, taken, strict=True):
                if len(ours) > len(guess):
                    reach[reply.index] *= 2
            for together in zip_longest(*taken):  # a stop string may end a row where others went on
                choices = zip(known, together, strict=True)
                self.write([(r, choice) for r, choice in choices if choice is not None and not r.ended])
            yield

    def _is_known(self, reply: Reply) -> bool:
        return reply.path[-1].knows(reply.plan.streams)

    def _guess(self, reply: Reply, reach: int) -> list[tuple[int, Node]]:
        """The tokens and prefixes that probably come next: one fewer than the choices they allow, `reach` at most."""
        left = reply.most - len(reply.ids)
        return self.tree.ahead(reply.path[-1], reply.plan.streams, min(reach, left) - 1)


def _agreed(guess: Sequence[tuple[int, Node]], choices: Sequence[Choice]) -> list[Choice]:
    """The choices on a guessed path up to the first that leaves it."""
    agreed = takewhile(lambda pair: pair[0][0] == pair[1].token, zip(guess, choices, strict=False))
    return list(choices[: len(list(agreed)) + 1])


def _check_axes(axes: Mapping[str, Steering], request: Request) -> None:
    """Refuse axes that are not there."""
    for row in request.rows:
        for strength in row.strengths:
            if strength.axis not in axes:
                raise AxisMismatch(
                    f"There is no axis named {strength.axis!r}.", f"Choose one of: {', '.join(axes) or 'none loaded'}."
                )


def _check_fits(model: LanguageModel, request: Request, plans: Sequence[RowPlan]) -> None:
    """Refuse prompts that leave no room for the reply."""
    longest = max(plan.longest for plan in plans)
    if longest + request.max_new_tokens > model.context_length:
        raise InvalidInput(
            f"The prompt is {longest} tokens long; with {request.max_new_tokens} new tokens it does not fit "
            f"{model.name}'s context of {model.context_length}.",
            "Shorten the prompt or start a new conversation.",
        )
