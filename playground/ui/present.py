"""What the page shows, as a value: a wish and the event stream are folded into a view, and nothing else changes it.

Pure: knows neither gradio nor torch. `markup` turns a view into HTML, `play` moves it over the wire.
"""

import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from playground.errors import InvalidInput, PlaygroundError
from playground.events import Change, Event, Finished, Started, Token
from playground.presets import Preset
from playground.settings import SLIDER_RANGE, Message, Request, Row, Sampling, Strength, conversation
from playground.ui.recipes import Compared

STRIP = "-0.5, 0, 0.5, 1, 1.5"
"""The strengths at which the strip shows the same prompt, unless the person says others."""

FEWEST, MOST = 3, 7
"""How many strengths the strip takes."""

BASE, STEERED = "base", "steered"

_REMEMBERED = 64  # replies kept in a session, so that going back to a strength costs nothing
_LIKELIEST = 5  # tokens told under both distributions, where the person looks at tokens
_TITLE = 40  # letters of a prompt that become a preset's title

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
    alphas: str = STRIP
    more: tuple[Strength, ...] = ()
    """Further axes mixed into everything but the base pane."""
    detail: bool = False
    """Whether the person looks at tokens, so that the likeliest others are told as well."""
    follow_up: str | None = None
    """A next turn to send; None answers the present one."""
    edits: bool = False
    """The follow-up takes the place of the present turn instead of coming after it."""
    turn: int = 0
    """How many turns lay behind when it was asked: the same words sent twice are two wishes."""


@dataclass(frozen=True)
class Reply:
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

    def holds_at(self, alpha: float) -> bool:
        """Whether exactly this reply is given at another alpha, all else equal."""
        interval = self.finished.alpha_interval if self.finished else None
        if interval is None:
            return False
        low, high = interval
        return (low is None or low < alpha) and (high is None or alpha < high)


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
    """What a slot showed before; it stays, faded, until it is written over. One whose row is the slot's own is sure:
    the same words come at this strength, and only their numbers are still out."""
    asked: tuple[Row, ...] = ()
    """The rows of the running request, in the order of the events' row numbers."""
    later: tuple[Row, ...] = ()
    """Rows to be asked after those: the strip gives way to the pane that a hand on the dial waits for."""
    sampling: Sampling = Sampling()
    max_new_tokens: int = 64
    phase: Phase = "empty"
    error: PlaygroundError | None = None
    recorded: str = ""
    """What made these replies before the page was opened; empty for replies of now."""

    def reply(self, slot: str) -> Reply | None:
        """What has been written in a slot, None before its first token."""
        row = self.slots.get(slot)
        return None if row is None else self.replies.get(_key(row))

    def sure(self, slot: str) -> Reply | None:
        """A slot's whole reply: finished, or known from another alpha of its interval (whose KL differs)."""
        reply, ghost = self.reply(slot), self.ghosts.get(slot)
        if reply is not None and reply.finished:
            return reply
        return ghost if ghost is not None and ghost.finished and ghost.row == self.slots.get(slot) else None

    @property
    def strip(self) -> tuple[float, ...]:
        """The alphas of the strip."""
        return alphas_of(self.wish.alphas if self.wish else STRIP)

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


def alphas_of(text: str) -> tuple[float, ...]:
    """The strip's strengths as typed, in rising order. Raises InvalidInput."""
    try:
        alphas = {float(part) for part in text.replace(";", ",").replace("−", "-").split(",") if part.strip()}
    except ValueError:
        raise InvalidInput(f"The strip's strengths are not all numbers: {text!r}.", f"Type such as {STRIP}.") from None
    if not FEWEST <= len(alphas) <= MOST or not all(map(math.isfinite, alphas)):
        raise InvalidInput(
            f"The strip shows {FEWEST} to {MOST} strengths (got {len(alphas)}).", f"Type such as {STRIP}."
        )
    return tuple(sorted(alphas))


def begin(view: View, wish: Wish) -> View:
    """The view in which `wish` is being answered; replies it already has are kept. Raises InvalidInput."""
    turns, prompt = _conversation(view, wish)
    sampling = Sampling(
        temperature=wish.temperature, top_k=wish.top_k, top_p=wish.top_p, repetition_penalty=wish.repetition_penalty
    )
    slots = _slots(wish, turns, prompt)
    asked = Request(rows=tuple(slots.values()), sampling=sampling, max_new_tokens=wish.max_new_tokens)
    same_rules = (sampling, asked.max_new_tokens) == (view.sampling, view.max_new_tokens)
    whole = [(key, reply) for key, reply in view.replies.items() if reply.finished and same_rules and not view.recorded]
    kept = dict(whole[-_REMEMBERED:])
    missing = {key: row for row in slots.values() if (key := _key(row)) not in kept}
    same_turn = turns == view.turns and prompt == view.prompt
    ghosts = _ghosts(view, slots, kept) if same_turn else {}
    # Under a hand on a dial the panes go first, and the strip gives way; else everything grows in one batch.
    dialled = same_turn and (_key(slots[BASE]) in kept or view.recorded)
    first = {_key(slots[slot]) for slot in (STEERED, BASE) if slot in slots} & set(missing) if dialled else set()
    now = {key: row for key, row in missing.items() if key in first or not first}
    return View(
        wish=wish,
        turns=turns,
        prompt=prompt,
        slots=slots,
        replies=kept,
        asked=tuple(now.values()),
        later=tuple(row for key, row in missing.items() if key not in now),
        sampling=sampling,
        ghosts=ghosts,
        max_new_tokens=asked.max_new_tokens,
        phase="reading" if missing else "done",
    )


def request(view: View) -> Request | None:
    """The one batch that answers what is asked now, None when nothing is."""
    if not view.asked or not view.writing:
        return None
    return Request(rows=view.asked, sampling=view.sampling, max_new_tokens=view.max_new_tokens)


def recorded(wish: Wish, asked: Request, events: Iterable[Event], by: str) -> View:
    """The view of a wish that was answered before the page was opened; an empty one if something else was asked."""
    view = begin(View(), wish)
    if request(view) != asked:
        return View()
    for event in events:
        view = fold(view, event)
    return replace(view, recorded=by) if view.phase == "done" else View()


def of_preset(preset: Preset, wish: Wish, axes: Container[str]) -> Wish:
    """A wish with a preset's settings; where its axis is not at hand the wish keeps its own."""
    values = preset.model_dump(exclude={"title", "axis", "more"})
    more = tuple(strength for strength in preset.more if strength.axis in axes)
    return replace(wish, **values, axis=preset.axis if preset.axis in axes else wish.axis, more=more, turn=0)


def preset_of(wish: Wish) -> Preset:
    """What a wish asks, as a preset. Raises InvalidInput for what cannot be asked."""
    title = " ".join(wish.prompt.split())
    return Preset(
        title=title if len(title) <= _TITLE else f"{title[:_TITLE].rsplit(' ', 1)[0]} …",
        **{name: getattr(wish, name) for name in Preset.model_fields if name != "title"},
    )


def compared(view: View) -> list[Compared]:
    """The panes' replies to the present turn side by side, once both are finished."""
    replies = [view.reply(slot) for slot in (BASE, STEERED)]
    done = [reply.finished for reply in replies if reply is not None and reply.finished]
    if len(done) < 2:
        return []
    return [Compared(view.prompt, done[0].text, done[1].text, _numbers(done[0]), _numbers(done[1]))]


def _numbers(done: Finished) -> dict[str, float]:
    numbers = {"kl": done.kl, "perplexity": done.perplexity, "length": float(len(done.token_ids))}
    return numbers if done.reward is None else {"reward": done.reward, **numbers}


def fold(view: View, event: Event) -> View:
    """The view after one more event. Any prefix of a stream folds; events of unknown rows change nothing."""
    if isinstance(event, Started):
        return replace(view, phase="writing" if view.asked else view.phase)
    if not isinstance(event, Token | Finished) or not 0 <= event.row < len(view.asked):
        return view
    row = view.asked[event.row]
    replies = {**view.replies, _key(row): _grown(view.replies.get(_key(row), Reply(row)), event)}
    view = replace(view, replies=replies, phase="writing")
    if any((reply := replies.get(_key(asked))) is None or not reply.finished for asked in view.asked):
        return view
    return replace(view, asked=view.later, later=()) if view.later else replace(view, phase="done")


def stop(view: View) -> View:
    """The view after the person stopped the run; what is written stays."""
    return replace(view, phase="stopped") if view.writing else view


_LONG_ENOUGH = 12
_REPEATED, _SURPRISE, _FAR = 0.25, 4.0, 2.5
"""A share of runs of four tokens said before, a perplexity over the base reply's, a KL in nats per token: beyond
them a single reply reads as broken. Wider than an axis's safe range, which speaks of means over many prompts."""


def troubles(view: View, slot: str) -> tuple[str, ...]:
    """What says that a slot's reply is coming apart, each as a clause; empty for a sound one or one just begun."""
    reply, base = view.reply(slot), view.reply(BASE)
    if reply is None or reply.tokens < _LONG_ENOUGH:
        return ()
    ids = reply.finished.token_ids if reply.finished else tuple(token.id for token in reply.pieces)
    runs = [ids[start : start + 4] for start in range(len(ids) - 3)]
    found: list[str] = []
    if 1 - len(set(runs)) / len(runs) > _REPEATED:
        found.append("it repeats itself")
    if slot != BASE and base is not None and base.finished and reply.perplexity > _SURPRISE * base.perplexity:
        times = reply.perplexity / base.perplexity
        found.append(f"its words surprise the base model {min(times, 999):.0f} times as much as the base's own")
    if slot != BASE and reply.kl_per_token > _FAR:
        found.append(f"each token lies {reply.kl_per_token:.1f} nats from the base model")
    return tuple(found)


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
    reply = view.sure(STEERED)
    return reply.finished.alpha_interval if reply and reply.finished else None


def changes(view: View) -> tuple[Change | None, Change | None]:
    """What becomes of the steered reply at the low and at the high end of that range, as far as it is known."""
    reply = view.sure(STEERED)
    return (reply.finished.changes if reply and reply.finished else None) or (None, None)


def breakpoints(view: View) -> tuple[float, ...]:
    """The alphas on the slider at which replies seen so far give way to others, all else as on the page."""
    low, high = SLIDER_RANGE
    ends = {end for reply in _along(view) if reply.finished for end in reply.finished.alpha_interval or ()}
    return tuple(sorted(end for end in ends if end is not None and low <= end <= high))


def rewards(view: View) -> list[tuple[float, float, bool]]:
    """(alpha, reward, is it the steered pane's) of each finished reply of this turn at the present control."""
    steered = view.slots.get(STEERED)
    found: dict[float, tuple[float, float, bool]] = {}
    for reply in _along(view):
        done = reply.finished
        if done is None or done.reward is None or not math.isfinite(done.reward):
            continue
        if reply.row == steered or done.alpha not in found:
            found[done.alpha] = (done.alpha, done.reward, reply.row == steered)
    return [found[alpha] for alpha in sorted(found)]


def _along(view: View) -> list[Reply]:
    """The replies that differ from the steered pane's in alpha alone."""
    steered = view.slots.get(STEERED)
    if steered is None:
        return []
    return [reply for reply in view.replies.values() if _comparable(reply.row, steered)]


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
        if wish.edits:
            return view.turns, wish.follow_up
        return (*view.turns, Turn(view.prompt, base.text, steered.text)), wish.follow_up
    opening = view.turns[0].user if view.turns else view.prompt
    if view.wish is not None and (wish.prompt, wish.system) == (opening, view.wish.system):
        return view.turns, view.prompt
    return (), wish.prompt


def _slots(wish: Wish, turns: tuple[Turn, ...], prompt: str) -> dict[str, Row]:
    """Which row each place on the page shows. Equal rows are one row: the strip's 0 is the base pane's."""
    system = wish.system if wish.system.strip() else None

    def row(strengths: tuple[Strength, ...], own_history: bool = True, told: int = 0) -> Row:
        messages = conversation(prompt, system, _history(turns, own_history))
        return Row(messages=messages, strengths=strengths, seed=wish.seed, alternatives=told)

    base = row(_first(wish, 0, 0), own_history=False)
    if not wish.axis:
        return {BASE: base}
    more = tuple(strength for strength in wish.more if strength.axis != wish.axis)
    strip = {strip_slot(alpha): row((*_first(wish, alpha, wish.control), *more)) for alpha in alphas_of(wish.alphas)}
    steered = row((*_first(wish, wish.alpha, wish.control), *more), told=_LIKELIEST if wish.detail else 0)
    return {STEERED: steered, BASE: base, **strip}


def _first(wish: Wish, alpha: float, control: float) -> tuple[Strength, ...]:
    """The strength along the page's axis, if there is one."""
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


def _ghosts(view: View, slots: Mapping[str, Row], kept: Mapping[str, Reply]) -> dict[str, Reply]:
    """What each slot shows until it is answered: what is known to come, or else what it showed until now."""
    found: dict[str, Reply] = {}
    for slot, row in slots.items():
        if (sure := _known(row, kept.values())) is not None:
            found[slot] = replace(sure, row=row)
        elif (shown := _shown(view.reply(slot), view.ghosts.get(slot))) is not None:
            found[slot] = replace(shown, finished=None)
    return found


def _shown(reply: Reply | None, ghost: Reply | None) -> Reply | None:
    """What a slot shows: its reply, and behind an unfinished one what is left of its ghost."""
    if reply is None or not reply.tokens:
        return ghost
    if reply.finished or ghost is None:
        return reply
    return replace(reply, text=reply.text + ghost.text[len(reply.text) :])


def _known(row: Row, replies: Iterable[Reply]) -> Reply | None:
    """The reply that this row gives, if another strength's interval says so."""
    if not row.strengths:
        return None
    alpha = row.strengths[0].alpha
    same = row.model_copy(update={"alternatives": 0})
    for reply in replies:
        if reply.holds_at(alpha) and _comparable(reply.row, row):
            return reply
        if reply.row.model_copy(update={"alternatives": 0}) == same:
            return reply
    return None


def _grown(reply: Reply, event: Token | Finished) -> Reply:
    if isinstance(event, Finished):
        return replace(reply, text=event.text, finished=event)
    return replace(reply, text=reply.text + event.text, pieces=(*reply.pieces, event))


def _comparable(row: Row, other: Row) -> bool:
    """Whether two rows differ in the alpha of their first axis alone, so that their rewards belong on one curve."""
    if not row.strengths or not other.strengths:
        return False
    ours, theirs = row.strengths[0], other.strengths[0]
    return (row.messages, row.seed, row.strengths[1:]) == (other.messages, other.seed, other.strengths[1:]) and (
        ours.model_copy(update={"alpha": theirs.alpha}) == theirs
    )
