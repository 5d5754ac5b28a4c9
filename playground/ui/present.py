"""What the page shows, as a value: a wish and the event stream are folded into a view, and nothing else changes it.

Pure: knows neither gradio nor torch. `markup` turns a view into HTML, `play` moves it over the wire.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from playground.errors import InvalidInput, PlaygroundError
from playground.events import Event, Finished, Started, Token
from playground.settings import Message, Request, Row, Sampling, Strength, conversation

STRIP = (-0.5, 0.0, 0.5, 1.0, 1.5)
"""The strengths at which the strip shows the same prompt."""

BASE, STEERED = "base", "steered"

_REMEMBERED = 64  # replies kept in a session, so that going back to a strength costs nothing

Phase = Literal["empty", "reading", "writing", "stopped", "done", "failed"]


@dataclass(frozen=True)
class Wish:
    """Everything on the page that decides what is answered, as it stood when the person asked."""

    prompt: str = ""
    system: str = ""
    axis: str = ""
    alpha: float = 0.0
    control: float = 0.0
    temperature: float = 0.0
    seed: int = 0
    max_new_tokens: int = 64
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    updates: int | None = None
    step_size: float | None = None
    follow_up: str | None = None
    """A next turn to send; None answers the present one."""
    turn: int = 0
    """How many turns lay behind when it was asked: the same words sent twice are two wishes."""


@dataclass(frozen=True)
class Reply:
    """One row's reply as far as it is written."""

    row: Row
    text: str = ""
    tokens: int = 0
    kl: float = 0.0
    surprise: float = 0.0
    """Sum of the tokens' negative log-probabilities under the base model."""
    finished: Finished | None = None

    @property
    def kl_per_token(self) -> float:
        """Mean KL to the base model, in nats per token."""
        return self.finished.kl if self.finished else self.kl / max(self.tokens, 1)

    @property
    def perplexity(self) -> float:
        """Perplexity under the base model."""
        return self.finished.perplexity if self.finished else math.exp(min(self.surprise / max(self.tokens, 1), 50.0))


@dataclass(frozen=True)
class Turn:
    """A user turn behind us, with what each pane replied to it."""

    user: str
    base: str
    steered: str


@dataclass(frozen=True)
class View:
    """The whole page: past turns, the rows of the present one, their replies, and how far things are."""

    wish: Wish | None = None
    turns: tuple[Turn, ...] = ()
    prompt: str = ""
    slots: Mapping[str, Row] = field(default_factory=dict)
    replies: Mapping[str, Reply] = field(default_factory=dict)
    """What is written, finished or not, by the key of its row."""
    ghosts: Mapping[str, Reply] = field(default_factory=dict)
    """What a slot showed before; it stays, faded, until its new reply has a first token."""
    asked: tuple[Row, ...] = ()
    """The rows of the running request, in the order of the events' row numbers."""
    sampling: Sampling = Sampling()
    max_new_tokens: int = 64
    phase: Phase = "empty"
    error: PlaygroundError | None = None

    def reply(self, slot: str) -> Reply | None:
        """What has been written in a slot, None before its first token."""
        row = self.slots.get(slot)
        return None if row is None else self.replies.get(_key(row))

    @property
    def writing(self) -> bool:
        """Whether a run is under way."""
        return self.phase in ("reading", "writing")

    @property
    def tokens(self) -> int:
        """Tokens of the steered reply, or of the base reply where nothing steers."""
        reply = self.reply(STEERED) or self.reply(BASE)
        return reply.tokens if reply else 0


def strip_slot(alpha: float) -> str:
    """The name of the strip's slot at a strength."""
    return f"strip {alpha:g}"


def begin(view: View, wish: Wish) -> View:
    """The view in which `wish` is being answered; replies it already has are kept. Raises InvalidInput."""
    turns, prompt = _conversation(view, wish)
    sampling = Sampling(
        temperature=wish.temperature, top_k=wish.top_k, top_p=wish.top_p, repetition_penalty=wish.repetition_penalty
    )
    slots = _slots(wish, turns, prompt)
    asked = Request(rows=tuple(slots.values()), sampling=sampling, max_new_tokens=wish.max_new_tokens)
    same_rules = (sampling, asked.max_new_tokens) == (view.sampling, view.max_new_tokens)
    whole = [(key, reply) for key, reply in view.replies.items() if reply.finished and same_rules]
    kept = dict(whole[-_REMEMBERED:])
    missing = tuple({key: row for row in slots.values() if (key := _key(row)) not in kept}.values())
    same_turn = turns == view.turns and prompt == view.prompt
    return View(
        wish=wish,
        turns=turns,
        prompt=prompt,
        slots=slots,
        replies=kept,
        asked=missing,
        sampling=sampling,
        ghosts=_ghosts(view, slots) if same_turn else {},
        max_new_tokens=asked.max_new_tokens,
        phase="reading" if missing else "done",
    )


def request(view: View) -> Request | None:
    """The one batch that answers what is missing, None when nothing is."""
    if not view.asked or not view.writing:
        return None
    return Request(rows=view.asked, sampling=view.sampling, max_new_tokens=view.max_new_tokens)


def fold(view: View, event: Event) -> View:
    """The view after one more event. Any prefix of a stream folds; events of unknown rows change nothing."""
    if isinstance(event, Started):
        return replace(view, phase="writing" if view.asked else view.phase)
    if not isinstance(event, Token | Finished) or not 0 <= event.row < len(view.asked):
        return view
    row = view.asked[event.row]
    replies = {**view.replies, _key(row): _grown(view.replies.get(_key(row), Reply(row)), event)}
    over = all((reply := replies.get(_key(asked))) is not None and reply.finished for asked in view.asked)
    return replace(view, replies=replies, phase="done" if over else "writing")


def stop(view: View) -> View:
    """The view after the person stopped the run; what is written stays."""
    return replace(view, phase="stopped") if view.writing else view


def fail(view: View, error: PlaygroundError) -> View:
    """The view after an error; what was written stays beside the message."""
    return replace(view, phase="failed", error=error)


def steps(view: View) -> tuple[float | None, float | None]:
    """The alphas just beyond the steered reply's interval: (previous change, next change), None where there is none."""
    interval = holds(view)
    if interval is None:
        return None, None
    low, high = interval
    return (
        None if low is None else (math.ceil(low * 1000 - 1e-6) - 1) / 1000,
        None if high is None else (math.floor(high * 1000 + 1e-6) + 1) / 1000,
    )


def holds(view: View) -> tuple[float | None, float | None] | None:
    """The range of alpha in which the steered reply stays as it is, None where it is not known."""
    reply = view.reply(STEERED)
    return reply.finished.alpha_interval if reply and reply.finished else None


def rewards(view: View) -> list[tuple[float, float, bool]]:
    """(alpha, reward, is it the steered pane's) of each finished reply of this turn at the present control."""
    steered = view.slots.get(STEERED)
    if steered is None:
        return []
    found: dict[float, tuple[float, float, bool]] = {}
    for reply in view.replies.values():
        done = reply.finished
        if done is None or done.reward is None or not math.isfinite(done.reward) or not _comparable(reply.row, steered):
            continue
        if reply.row == steered or done.alpha not in found:
            found[done.alpha] = (done.alpha, done.reward, reply.row == steered)
    return [found[alpha] for alpha in sorted(found)]


def _key(row: Row) -> str:
    """Equal rows have equal keys."""
    return row.model_dump_json()


def _conversation(view: View, wish: Wish) -> tuple[tuple[Turn, ...], str]:
    """Which turns lie behind and what is asked now: a follow-up continues, a changed prompt starts anew."""
    if wish.follow_up is not None:
        base, steered = view.reply(BASE), view.reply(STEERED) or view.reply(BASE)
        if base is None or steered is None:
            raise InvalidInput("There is no reply to follow up on.", "Run the prompt first.")
        if not wish.follow_up.strip():
            raise InvalidInput("The follow-up is empty.", "Type what the model should reply to next.")
        return (*view.turns, Turn(view.prompt, base.text, steered.text)), wish.follow_up
    opening = view.turns[0].user if view.turns else view.prompt
    if view.wish is not None and (wish.prompt, wish.system) == (opening, view.wish.system):
        return view.turns, view.prompt
    return (), wish.prompt


def _slots(wish: Wish, turns: tuple[Turn, ...], prompt: str) -> dict[str, Row]:
    """Which row each place on the page shows. Equal rows are one row: the strip's 0 is the base pane's."""
    system = wish.system if wish.system.strip() else None

    def row(alpha: float, control: float, own_history: bool = True) -> Row:
        messages = conversation(prompt, system, _history(turns, own_history))
        return Row(messages=messages, strengths=_strengths(wish, alpha, control), seed=wish.seed)

    if not wish.axis:
        return {BASE: row(0, 0, own_history=False)}
    strip = {strip_slot(alpha): row(alpha, wish.control) for alpha in STRIP}
    return {STEERED: row(wish.alpha, wish.control), BASE: row(0, 0, own_history=False), **strip}


def _strengths(wish: Wish, alpha: float, control: float) -> tuple[Strength, ...]:
    if not wish.axis:
        return ()
    # Without control its settings change nothing; leaving them out lets equal rows be one row.
    updates, step_size = (wish.updates, wish.step_size) if control else (None, None)
    return (Strength(axis=wish.axis, alpha=alpha, control=control, updates=updates, step_size=step_size),)


def _history(turns: tuple[Turn, ...], steered: bool) -> tuple[Message, ...]:
    return tuple(
        message
        for turn in turns
        for message in (
            Message(role="user", content=turn.user),
            Message(role="assistant", content=turn.steered if steered else turn.base),
        )
    )


def _ghosts(view: View, slots: Mapping[str, Row]) -> dict[str, Reply]:
    """What each slot showed until now; a ghost that never was replaced stays one."""
    shown = {slot: view.reply(slot) or view.ghosts.get(slot) for slot in slots}
    return {slot: reply for slot, reply in shown.items() if reply is not None}


def _grown(reply: Reply, event: Token | Finished) -> Reply:
    if isinstance(event, Finished):
        return replace(reply, text=event.text, tokens=len(event.token_ids), finished=event)
    return replace(
        reply,
        text=reply.text + event.text,
        tokens=reply.tokens + 1,
        kl=reply.kl + event.kl,
        surprise=reply.surprise - event.base_logprob,
    )


def _comparable(row: Row, steered: Row) -> bool:
    """Whether two rows differ in alpha alone, so that their rewards belong on one curve (or `row` is the base)."""
    if not row.strengths or not steered.strengths or row.messages != steered.messages or row.seed != steered.seed:
        return False
    ours, theirs = row.strengths[0], steered.strengths[0]
    return ours.model_copy(update={"alpha": theirs.alpha}) == theirs
