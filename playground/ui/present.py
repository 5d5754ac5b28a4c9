"""From wish to request, and from events to view: the page is folded from a stream, and nothing else changes it.

Pure: knows neither gradio nor torch. `play` moves views over the wire.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace

from playground.errors import InvalidInput, PlaygroundError
from playground.events import Event, Finished, Started, Token
from playground.presets import Preset
from playground.settings import Message, Request, Row, Sampling, Strength, conversation
from playground.ui.view import BASE, STEERED, Reply, Turn, View, Wish, alphas_of, comparable, key_of, strip_slot

_REMEMBERED = 64  # replies kept in a session, so that going back to a strength costs nothing

_LIKELIEST = 5  # tokens told under both distributions, where the person looks at tokens

_TITLE = 40  # letters of a prompt that become a preset's title


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
    missing = {key: row for row in slots.values() if (key := key_of(row)) not in kept}
    same_turn = turns == view.turns and prompt == view.prompt
    ghosts = _ghosts(view, slots, kept) if same_turn else {}
    # Under a hand on a dial the panes go first, and the strip gives way; else everything grows in one batch.
    dialled = same_turn and (key_of(slots[BASE]) in kept or view.recorded)
    first = {key_of(slots[slot]) for slot in (STEERED, BASE) if slot in slots} & set(missing) if dialled else set()
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


def fold(view: View, event: Event) -> View:
    """The view after one more event. Any prefix of a stream folds; events of unknown rows change nothing."""
    if isinstance(event, Started):
        return replace(view, phase="writing" if view.asked else view.phase)
    if not isinstance(event, Token | Finished) or not 0 <= event.row < len(view.asked):
        return view
    row = view.asked[event.row]
    replies = {**view.replies, key_of(row): _grown(view.replies.get(key_of(row), Reply(row)), event)}
    view = replace(view, replies=replies, phase="writing")
    if any((reply := replies.get(key_of(asked))) is None or not reply.finished for asked in view.asked):
        return view
    return replace(view, asked=view.later, later=()) if view.later else replace(view, phase="done")


def stop(view: View) -> View:
    """The view after the person stopped the run; what is written stays."""
    return replace(view, phase="stopped") if view.writing else view


def fail(view: View, error: PlaygroundError) -> View:
    """The view after an error; what was written stays beside the message."""
    return replace(view, phase="failed", error=error)


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
        if reply.holds_at(alpha) and comparable(reply.row, row):
            return reply
        if reply.row.model_copy(update={"alternatives": 0}) == same:
            return reply
    return None


def _grown(reply: Reply, event: Token | Finished) -> Reply:
    if isinstance(event, Finished):
        return replace(reply, text=event.text, finished=event)
    return replace(reply, text=reply.text + event.text, pieces=(*reply.pieces, event))
