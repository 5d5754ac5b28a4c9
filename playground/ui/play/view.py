"""What the Play page shows, as values: what is asked, what is written, and the whole page of one moment.

`present` makes views, `derived` reads them, `captions`, `panes` and `tokens` draw them. Knows neither gradio nor torch.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from playground.errors import InvalidInput, PlaygroundError, shown
from playground.events import Finished, Token
from playground.settings import LENGTH, MAIN, UNSTEERED, Row, Sampling, Sliders, Strength

STRIP = "-0.5, 0, 0.5, 1, 1.5"
"""The strengths at which the strip shows the same prompt, unless the person says others."""

FEWEST, MOST = 3, 7
"""How many strengths the strip takes."""

_LONGEST_STRIP = 500  # letters

BASE, STEERED = "base", "steered"

Phase = Literal["empty", "reading", "writing", "stopped", "done", "failed"]


@dataclass(frozen=True)
class Inputs:
    """Everything on the page that decides what is answered, as it stood when the person asked."""

    prompt: str = ""
    system: str = ""
    axis: str = ""
    at: Sliders = UNSTEERED
    temperature: float = 0.0
    seed: int = 0
    max_new_tokens: int = LENGTH
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    updates: int | None = None
    step_size: float | None = None
    target: float | None = None
    method: str | None = None
    side_by_side: str = STRIP
    """The strengths of the strip, as typed."""
    more: tuple[Strength, ...] = ()
    """Further axes mixed into everything but the base pane."""
    detail: bool = False
    """Whether the person looks at tokens, so that the likeliest others are told as well."""
    follow_up: str | None = None
    """A next turn to send; None answers the present one."""
    edits: bool = False
    """The follow-up takes the place of the present turn instead of coming after it."""
    turn: int = 0
    """How many turns lay behind when it was asked: the same words sent twice are two inputs."""

    @property
    def beside(self) -> tuple[Strength, ...]:
        """What is mixed in beside the page's own axis, which may be among those that somebody mixed in before."""
        return tuple(strength for strength in self.more if strength.axis != self.axis)


@dataclass(frozen=True)
class ReplyView:
    """One row's reply as far as it is written."""

    row: Row
    text: str = ""
    pieces: tuple[Token, ...] = ()
    finished: Finished | None = None

    @property
    def tokens(self) -> int:
        """Its length in tokens."""
        return len(self.finished.token_ids) if self.finished else len(self.pieces)

    @property
    def kl_per_token(self) -> float:
        """Mean KL to the base model, in nats per token."""
        return self.finished.kl if self.finished else sum(t.kl for t in self.pieces) / max(self.tokens, 1)

    @property
    def perplexity(self) -> float:
        """Perplexity under the base model."""
        surprise = -sum(token.base_logprob for token in self.pieces) / max(self.tokens, 1)
        return self.finished.perplexity if self.finished else math.exp(min(surprise, 50.0))

    def holds_at(self, amount: float) -> bool:
        """Whether exactly this reply is given elsewhere along the first slider, all else equal."""
        interval = self.finished.alpha_interval if self.finished else None
        if interval is None:
            return False
        low, high = interval
        return (low is None or low < amount) and (high is None or amount < high)


@dataclass(frozen=True)
class Turn:
    """A user turn behind us, with what each pane replied to it."""

    user: str
    base: str
    steered: str
    strengths: tuple[Strength, ...] = ()
    """How the steered reply was steered; the dials may have moved since."""


@dataclass(frozen=True)
class View:
    """The whole page: past turns, the rows of the present one, their replies, and how far things are."""

    inputs: Inputs | None = None
    turns: tuple[Turn, ...] = ()
    prompt: str = ""
    slots: Mapping[str, Row] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    """The key of each slot's row, made once and not for each token: a row holds the whole conversation."""
    replies: Mapping[str, ReplyView] = field(default_factory=dict)
    """What is written, finished or not, by the key of its row."""
    ghosts: Mapping[str, ReplyView] = field(default_factory=dict)
    """What a slot showed before; it stays, faded, until it is written over."""
    promised: Mapping[str, ReplyView] = field(default_factory=dict)
    """The reply that a slot is known to get, from another strength's interval; only its numbers are still out."""
    asked_slots: tuple[str, ...] = ()
    """One slot for each row of the running request, in the order of the events' row numbers."""
    later_slots: tuple[str, ...] = ()
    """What is asked after those: the strip gives way to the pane that a hand on the dial waits for."""
    sampling: Sampling = Sampling()
    max_new_tokens: int = LENGTH
    phase: Phase = "empty"
    before: int | None = None
    """How many requests are let in before this one; None for one that is under way."""
    calibrated: int | None = None
    """How far an axis of two sentences is calibrated, in percent; None when none is."""
    error: PlaygroundError | None = None
    recorded: str = ""
    """What made these replies before the page was opened; empty for replies of now."""

    def reply(self, slot: str) -> ReplyView | None:
        """What has been written in a slot, None before its first token."""
        key = self.keys.get(slot)
        return None if key is None else self.replies.get(key)

    def sure(self, slot: str) -> ReplyView | None:
        """A slot's whole reply: finished, or known from elsewhere in its interval (whose KL differs)."""
        reply = self.reply(slot)
        return reply if reply is not None and reply.finished else self.promised.get(slot)

    @property
    def asked(self) -> tuple[Row, ...]:
        """The rows of the running request."""
        return tuple(self.slots[slot] for slot in self.asked_slots)

    @property
    def later(self) -> tuple[Row, ...]:
        """The rows to be asked after those."""
        return tuple(self.slots[slot] for slot in self.later_slots)

    @property
    def strip(self) -> tuple[float, ...]:
        """The strengths of the strip."""
        return strengths_of(self.inputs.side_by_side if self.inputs else STRIP)

    @property
    def writing(self) -> bool:
        """Whether a run is under way."""
        return self.phase in ("reading", "writing")

    @property
    def tokens(self) -> int:
        """Tokens of the steered reply, or of the base reply where nothing steers."""
        reply = self.reply(STEERED) or self.reply(BASE)
        return reply.tokens if reply else 0


def strip_slot(amount: float) -> str:
    """The name of the strip's slot at a strength."""
    return f"strip {amount:g}"


def strengths_of(text: str) -> tuple[float, ...]:
    """The strip's strengths as typed, in rising order. Raises InvalidInput.

    Between semicolons a comma is a decimal sign; where it may be either, it is refused.
    """
    if len(text) > _LONGEST_STRIP:
        raise InvalidInput(f"The strip shows {FEWEST} to {MOST} strengths.", f"Type such as {STRIP}.")
    told = ";" in text
    if not told and re.search(r",\S", text) and re.search(r",\s+\S", text):
        raise InvalidInput(
            f"In {shown(text)} a comma may part numbers or be a decimal sign.", "Put semicolons between the strengths."
        )
    parts = re.split(r";|,\s", text) if told else text.split(",")
    try:
        amounts = {float(part.replace("−", "-").replace(",", ".")) for part in parts if part.strip()}
    except ValueError:
        raise InvalidInput(
            f"The strip's strengths are not all numbers: {shown(text)}.", f"Type such as {STRIP}."
        ) from None
    if not FEWEST <= len(amounts) <= MOST or not all(map(math.isfinite, amounts)):
        raise InvalidInput(
            f"The strip shows {FEWEST} to {MOST} strengths (got {len(amounts)}).", f"Type such as {STRIP}."
        )
    return tuple(sorted(amounts))


def comparable(row: Row, other: Row) -> bool:
    """Whether two rows differ in their first axis's first slider alone, so that their rewards belong on one curve."""
    if not row.strengths or not other.strengths:
        return False
    ours, theirs = row.strengths[0], other.strengths[0]
    return (row.messages, row.seed, row.strengths[1:]) == (other.messages, other.seed, other.strengths[1:]) and (
        ours.model_copy(update={MAIN: theirs.amounts[MAIN]}) == theirs
    )


def key_of(row: Row) -> str:
    """Equal rows have equal keys."""
    return row.model_dump_json()
