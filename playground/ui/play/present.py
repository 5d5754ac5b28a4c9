"""From inputs to request, and from events to view: the page is folded from a stream, and nothing else changes it.

Pure: knows neither gradio nor torch. `page` moves views over the wire.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from playground.errors import InvalidInput, PlaygroundError
from playground.events import Event, Finished, Progress, Started, Token, Waiting
from playground.presets import Preset
from playground.settings import (
    MAIN,
    SLIDERS,
    UNSTEERED,
    Message,
    Options,
    Request,
    Row,
    Sampling,
    Sliders,
    Strength,
    conversation,
)
from playground.ui.play.view import (
    BASE,
    STEERED,
    Inputs,
    ReplyView,
    Turn,
    View,
    comparable,
    key_of,
    strengths_of,
    strip_slot,
)

_REMEMBERED = 64  # replies kept in a session, so that going back to a strength costs nothing

_LIKELIEST = 5  # tokens told under both distributions, where the person looks at tokens

_TITLE = 40  # letters of a prompt that become a preset's title


def begin(view: View, inputs: Inputs) -> View:
    """The view in which `inputs` are being answered; replies it already has are kept. Raises InvalidInput."""
    turns, prompt = _conversation(view, inputs)
    sampling = Sampling(**{name: getattr(inputs, name) for name in Sampling.model_fields})
    slots = _slots(inputs, turns, prompt)
    keys = {slot: key_of(row) for slot, row in slots.items()}
    length = Request(rows=tuple(slots.values()), max_new_tokens=inputs.max_new_tokens).max_new_tokens
    kept = _kept(view, sampling, length, keys)
    if view.recorded and inputs != view.inputs:
        kept = _recorded_base(view, sampling, length, keys)
    missing = _missing(keys, kept)
    same_rules = (sampling, length) == (view.sampling, view.max_new_tokens)
    same_turn = turns == view.turns and prompt == view.prompt
    # Under a hand on a dial the panes go first, and the strip gives way; else everything grows in one batch.
    dialled = same_turn and (keys[BASE] in kept or view.recorded)
    first = {keys[slot] for slot in (STEERED, BASE) if slot in slots} & set(missing) if dialled else set()
    return View(
        inputs=inputs,
        turns=turns,
        prompt=prompt,
        slots=slots,
        keys=keys,
        replies=kept,
        asked_slots=tuple(slot for key, slot in missing.items() if key in first or not first),
        later_slots=tuple(slot for key, slot in missing.items() if first and key not in first),
        sampling=sampling,
        ghosts=_ghosts(view, [slot for slot, key in keys.items() if key not in kept]) if same_turn else {},
        promised=_promised(view.replies if view.recorded and same_rules else kept, slots) if same_turn else {},
        max_new_tokens=length,
        phase="reading" if missing else "done",
    )


def request(view: View) -> Request | None:
    """The one batch that answers what is asked now, None when nothing is."""
    if not view.asked_slots or not view.writing:
        return None
    return Request(rows=view.asked, sampling=view.sampling, max_new_tokens=view.max_new_tokens)


def recorded(inputs: Inputs, asked: Request, events: Iterable[Event], by: str) -> View:
    """The view of inputs that were answered before the page was opened; an empty one if something else was asked."""
    view = begin(View(), inputs)
    if request(view) != asked:
        return View()
    for event in events:
        view = fold(view, event)
    return replace(view, recorded=by) if view.phase == "done" else View()


def fold(view: View, event: Event | Progress) -> View:
    """The view after one more event. Any prefix of a stream folds; events of unknown rows change nothing."""
    if isinstance(event, Waiting):
        return replace(view, before=event.before)
    if isinstance(event, Progress):
        return replace(view, before=None, calibrated=round(100 * event.done / max(event.total, 1)))
    if isinstance(event, Started):
        return replace(view, phase="writing" if view.asked_slots else view.phase, before=None, calibrated=None)
    if not isinstance(event, Token | Finished) or not 0 <= event.row < len(view.asked_slots):
        return view
    slot = view.asked_slots[event.row]
    reply = view.reply(slot) or ReplyView(view.slots[slot])
    view = replace(view, replies={**view.replies, view.keys[slot]: _grown(reply, event)}, phase="writing")
    if any((reply := view.reply(asked)) is None or not reply.finished for asked in view.asked_slots):
        return view
    if view.later_slots:
        return replace(view, asked_slots=view.later_slots, later_slots=())
    return replace(view, phase="done")


def stop(view: View) -> View:
    """The view after the person stopped the run; what is written stays."""
    return replace(view, phase="stopped") if view.writing else view


def fail(view: View, error: PlaygroundError) -> View:
    """The view after an error; what was written stays beside the message."""
    return replace(view, phase="failed", error=error)


def of_preset(preset: Preset, inputs: Inputs, is_here: Callable[[str], bool]) -> Inputs:
    """Inputs with a preset's settings; where its axis is not at hand they keep their own."""
    unsaid = {"max_new_tokens"} - preset.model_fields_set  # then the page's own stays
    values = preset.model_dump(exclude={"title", "axis", "more", *SLIDERS, *unsaid})
    more = tuple(strength for strength in preset.more if is_here(strength.axis))
    return replace(
        inputs, **values, at=preset.at, axis=preset.axis if is_here(preset.axis) else inputs.axis, more=more, turn=0
    )


def preset_of(inputs: Inputs) -> Preset:
    """What inputs ask, as a preset. Raises InvalidInput for what cannot be asked."""
    title = " ".join(inputs.prompt.split())
    return Preset(
        title=title if len(title) <= _TITLE else f"{title[:_TITLE].rsplit(' ', 1)[0]} …",
        **inputs.at.amounts,
        more=inputs.beside,
        **{name: getattr(inputs, name) for name in Preset.model_fields if name not in ("title", "more", *SLIDERS)},
    )


def _conversation(view: View, inputs: Inputs) -> tuple[tuple[Turn, ...], str]:
    """Which turns lie behind and what is asked now: a follow-up continues, a changed prompt starts anew."""
    if inputs.follow_up is not None and inputs.turn >= len(view.turns):  # else it has been sent already
        if inputs.edits and _is_replaced(view, inputs):
            return view.turns, view.prompt
        base, steered = view.reply(BASE), view.reply(STEERED) or view.reply(BASE)
        if base is None or steered is None:
            raise InvalidInput("There is no reply to follow up on.", "Run the prompt first.")
        if not inputs.follow_up.strip():
            raise InvalidInput("The follow-up is empty.", "Type what the model should reply to next.")
        if inputs.edits:
            return view.turns, inputs.follow_up
        return (*view.turns, Turn(view.prompt, base.text, steered.text, steered.row.strengths)), inputs.follow_up
    opening = view.turns[0].user if view.turns else view.prompt
    if view.inputs is not None and (inputs.prompt, inputs.system) == (opening, view.inputs.system):
        return view.turns, view.prompt
    return (), inputs.prompt


def _is_replaced(view: View, inputs: Inputs) -> bool:
    """Whether the present turn is already the one that takes the place of another."""
    last = view.inputs
    return last is not None and (last.follow_up, last.edits, last.turn) == (inputs.follow_up, True, inputs.turn)


def _slots(inputs: Inputs, turns: tuple[Turn, ...], prompt: str) -> dict[str, Row]:
    """Which row each place on the page shows. Equal rows are one row: the strip's 0 is the base pane's."""
    system = inputs.system if inputs.system.strip() else None

    def row(strengths: tuple[Strength, ...], own_history: bool = True, told: int = 0) -> Row:
        messages = conversation(prompt, system, _history(turns, own_history))
        return Row(messages=messages, strengths=strengths, seed=inputs.seed, alternatives=told)

    base = row(_first(inputs, UNSTEERED), own_history=False)
    if not inputs.axis:
        return {BASE: base}
    strip = {
        strip_slot(amount): row((*_first(inputs, inputs.at.to(MAIN, amount)), *inputs.beside))
        for amount in strengths_of(inputs.side_by_side)
    }
    steered = row((*_first(inputs, inputs.at), *inputs.beside), told=_LIKELIEST if inputs.detail else 0)
    return {STEERED: steered, BASE: base, **strip}


def _first(inputs: Inputs, at: Sliders) -> tuple[Strength, ...]:
    """The strength along the page's axis, if there is one."""
    if not inputs.axis:
        return ()
    # They are options of the sliders beside the first; leaving them out at 0 lets equal rows be one row.
    steers = at.without(MAIN).steers
    options: dict[str, Any] = {name: getattr(inputs, name) for name in Options.model_fields} if steers else {}
    return (Strength(axis=inputs.axis, **at.amounts, **options),)


def _history(turns: tuple[Turn, ...], steered: bool) -> tuple[Message, ...]:
    return tuple(
        message
        for turn in turns
        for message in (
            Message(role="user", content=turn.user),
            Message(role="assistant", content=turn.steered if steered else turn.base),
        )
    )


def _missing(keys: Mapping[str, str], kept: Mapping[str, ReplyView]) -> dict[str, str]:
    """The rows that are still to be written, by key, each with the first slot that shows it."""
    found: dict[str, str] = {}
    for slot, key in keys.items():
        if (reply := kept.get(key)) is None or not reply.finished:
            found.setdefault(key, slot)
    return found


def _recorded_base(view: View, sampling: Sampling, length: int, keys: Mapping[str, str]) -> dict[str, ReplyView]:
    """The recorded base, where other inputs ask for it as well.

    Another processor rounds otherwise and may choose other words; a dial that is turned does not ask for those.
    """
    reply = view.reply(BASE)
    same = (sampling, length, keys.get(BASE)) == (view.sampling, view.max_new_tokens, view.keys.get(BASE))
    return {keys[BASE]: reply} if same and reply is not None else {}


def _kept(view: View, sampling: Sampling, length: int, keys: Mapping[str, str]) -> dict[str, ReplyView]:
    """The replies that hold under these rules, finished or not; one that was cut short goes on from where it is."""
    if sampling != view.sampling or view.recorded:
        return {}
    kept: dict[str, ReplyView] = {}
    for key, reply in view.replies.items():
        done = reply.finished
        if done is not None and (
            length == view.max_new_tokens or (done.finish_reason == "stop" and len(done.token_ids) <= length)
        ):
            kept[key] = reply
        elif key in keys.values() and length >= view.max_new_tokens and (begun := _resumed(reply)).tokens:
            kept[key] = begun
    return dict(list(kept.items())[-_REMEMBERED:])


def _resumed(reply: ReplyView) -> ReplyView:
    """A reply without its last token, which may have held half a letter; empty where its tokens are not known."""
    whole = reply.finished is None or len(reply.pieces) == len(reply.finished.token_ids)
    pieces = reply.pieces[:-1] if whole else ()
    return ReplyView(reply.row, "".join(piece.text for piece in pieces), pieces)


def _ghosts(view: View, slots: Iterable[str]) -> dict[str, ReplyView]:
    return {slot: shown for slot in slots if (shown := _shown(view, slot)) is not None}


def _shown(view: View, slot: str) -> ReplyView | None:
    """What a slot shows: its reply, and behind an unfinished one what is left of its ghost."""
    reply, ghost = view.reply(slot), view.sure(slot) or view.ghosts.get(slot)
    if reply is None or not reply.tokens:
        return ghost
    if reply.finished or ghost is None:
        return reply
    return replace(ghost, text=reply.text + ghost.text[len(reply.text) :])


def _promised(replies: Mapping[str, ReplyView], slots: Mapping[str, Row]) -> dict[str, ReplyView]:
    """What slots are known to get. A recording promises what it says, so that nothing blinks where it is right."""
    found = {slot: _known(row, replies.values()) for slot, row in slots.items()}
    return {slot: reply for slot, reply in found.items() if reply is not None}


def _known(row: Row, replies: Iterable[ReplyView]) -> ReplyView | None:
    """The reply that this row gives, if another strength's interval says so."""
    for reply in replies:
        if reply.finished and (_alike(reply.row, row) or _holds(reply, row)):
            return reply
    return None


def _holds(reply: ReplyView, row: Row) -> bool:
    return comparable(reply.row, row) and reply.holds_at(row.strengths[0].amounts[MAIN])


def _alike(row: Row, other: Row) -> bool:
    """Whether two rows give the same words: they differ in what is told of tokens, or in the axis not gone along."""
    if (row.messages, row.seed) != (other.messages, other.seed):
        return False
    return row.strengths == other.strengths or not any(one.steers for one in (*row.strengths, *other.strengths))


def _grown(reply: ReplyView, event: Token | Finished) -> ReplyView:
    if isinstance(event, Finished):
        return replace(reply, text=event.text, finished=event)
    if event.position < len(reply.pieces):
        return reply  # a reply that goes on is told from its beginning
    return replace(reply, text=reply.text + event.text, pieces=(*reply.pieces, event))
