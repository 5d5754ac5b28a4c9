"""A row's reply while it is being written: choices in, events out."""

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from playground.engine.language_model import LanguageModel
from playground.engine.next_token import Choice, Position
from playground.engine.plan import RowPlan, Stream
from playground.engine.prefix_tree import Node, PrefixTree
from playground.engine.stop_strings import held_back, stop_at
from playground.events import Candidate, Change, Finished, Token
from playground.settings import UNSTEERED, Row, Sampling


@dataclass
class _End:
    """An end of the alpha interval as far as it is known: where it is, and what happens there."""

    at: float
    position: int = 0
    token: int = 0


@dataclass(eq=False)
class Reply:
    """A row's reply so far; `path` holds the prefixes it came along, the one it stands on last.

    While it goes on it stands on all of its text, from which its next token is chosen once that was read.
    """

    index: int
    row: Row
    plan: RowPlan
    how: Sampling
    most: int
    """Longest reply, in tokens."""
    stops: tuple[str, ...]
    """Texts that end it."""
    tree: PrefixTree
    path: list[Node]
    ids: list[int] = field(default_factory=list)
    ended: bool = False
    stopped: bool = False
    """Whether it ended by a text that ends it."""
    held: Hashable = None
    """The name of what the streams of a running batch hold of it: its text without the newest token."""
    text: str = ""
    low: _End = field(default_factory=lambda: _End(-math.inf))
    high: _End = field(default_factory=lambda: _End(math.inf))
    kl: float = 0.0
    surprise: float = 0.0

    @property
    def tokens(self) -> tuple[int, ...]:
        """Its prompt as the base model reads it, and what is written so far."""
        return self.text_of(self.plan.base)

    def text_of(self, stream: Stream) -> tuple[int, ...]:
        """The same as one of its streams reads it."""
        return (*self.plan.prompts[stream].ids, *self.ids)

    @property
    def longest(self) -> int:
        """How many tokens the stream has read that has read the most."""
        return self.plan.longest + len(self.ids)

    @property
    def newest(self) -> int:
        """The last of them."""
        return self.ids[-1] if self.ids else self.plan.prompt[-1]

    def stand(self, node: Node | None = None, ahead: tuple[int, ...] = ()) -> Position:
        """Where its next token is chosen; or the one after some more tokens, at the prefix to which they lead."""
        written = [*self.ids, *ahead]
        return Position(
            self.plan, self.how, node or self.path[-1], self.plan.prompt, written, self.row.seed, self.row.alternatives
        )

    def add(self, model: LanguageModel, choice: Choice) -> Token:
        """Write the chosen token, and stand on the prefix that ends with it; nothing comes after the last or a stop."""
        position = len(self.ids)
        self.ids.append(choice.token)
        self.ended = len(self.ids) == self.most or choice.token in model.stop_ids
        grown = self._grow(model.text(self.ids))
        if not self.ended:
            self.path.append(self.tree.child(self.path[-1], choice.token))
        if choice.low > self.low.at:
            self.low = _End(choice.low, position, choice.low_token)
        if choice.high < self.high.at:
            self.high = _End(choice.high, position, choice.high_token)
        self.kl += choice.kl
        self.surprise -= choice.base_logprob
        return Token(
            row=self.index,
            position=position,
            id=choice.token,
            text=grown,
            logprob=choice.logprob,
            base_logprob=choice.base_logprob,
            kl=choice.kl,
            value_before=_known(choice.before),
            value_after=_known(choice.after),
            likely=_candidates(model, choice.likely),
            base_likely=_candidates(model, choice.base_likely),
        )

    def _grow(self, text: str) -> str:
        """What its text grows by where all tokens so far come to `text`; it ends where that holds a stop string."""
        # A character may span tokens, and so may a stop string: hold back what is incomplete while more may come.
        complete = text if self.ended else text.rstrip("\ufffd")
        end = stop_at(complete, self.stops, len(self.text))
        if end is not None:
            self.ended = self.stopped = True
        elif self.ended:
            end = len(text)
        elif complete == text:
            end = len(text) - held_back(text, self.stops)
        else:
            end = len(self.text)
        grown = text[len(self.text) : end]
        self.text += grown
        return grown

    def finished(self, model: LanguageModel) -> Finished:
        """The event that ends the row."""
        has_interval = bool(self.plan.line(self.how))
        first = self.row.strengths[0] if self.row.strengths else None
        reason: Literal["stop", "length"] = "stop" if self.stopped or self.ids[-1] in model.stop_ids else "length"
        return Finished(
            row=self.index,
            at=first.at if first else UNSTEERED,
            text=self.text,
            token_ids=tuple(self.ids),
            alpha_interval=(_bounded(self.low.at), _bounded(self.high.at)) if has_interval else None,
            reward=None,
            kl=self.kl / len(self.ids),
            perplexity=math.exp(min(self.surprise / len(self.ids), 700.0)),
            finish_reason=reason,
            seed=self.row.seed,
            strengths=self.row.strengths,
            changes=(self._change(model, self.low), self._change(model, self.high)) if has_interval else None,
        )

    def _change(self, model: LanguageModel, end: _End) -> Change | None:
        """What happens at an end of the interval."""
        if not math.isfinite(end.at):
            return None
        before = self.ids[: end.position]
        old = self.ids[end.position]
        start = len(model.text(before).rstrip("\ufffd"))
        return Change(
            position=end.position,
            old_id=old,
            old=model.text([*before, old])[start:],
            new_id=end.token,
            new=model.text([*before, end.token])[start:],
        )


def _candidates(model: LanguageModel, likely: Iterable[tuple[int, float]]) -> tuple[Candidate, ...]:
    return tuple(Candidate(token, str(model.tokenizer.decode([token])), logprob) for token, logprob in likely)


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


def _bounded(number: float) -> float | None:
    return number if math.isfinite(number) else None
