"""Replies as HTML: the two panes, the strip's cards, their figures, and what differs from the base. Pure strings."""

from collections.abc import Collection, Sequence
from difflib import SequenceMatcher
from html import escape
from itertools import pairwise

from playground.cards import Card
from playground.settings import MAIN, Sliders, Strength
from playground.ui.numerals import big, figure, side, signed
from playground.ui.play import derived
from playground.ui.play.view import BASE, STEERED, ReplyView, View, strip_slot

_EXPLAINED = {
    "reward": "reward: how much of the trained pole the axis's own scorer reads in this reply. Higher is more.",
    "KL": "KL, in nats per token: how far steering moved the model away from itself. 0 is not at all.",
    "perplexity": "perplexity: how surprising this reply is to the base model. A sudden rise means it is breaking.",
    "tokens": "tokens: the length of this reply.",
}


def pane(view: View, slot: str, card: Card | None) -> str:
    """One of the two large panes: earlier turns, the present prompt, the reply and its figures."""
    sure = view.sure(slot)
    copy = (
        f'<button type="button" class="copy" data-copy=".text" title="Copy this reply"'
        f' aria-label="copy the {slot} reply">copy</button>'
    )
    return (
        f'<section class="pane {_hue(view, slot)}" aria-label="{slot} reply">'
        f"<h2>{slot}{_strength(view, slot, card)}{copy if sure else ''}</h2>"
        f'<div class="scroll" tabindex="0">{_turns(view, slot)}{_body(view, slot, card)}</div>{_warning(view, slot)}'
        f'<footer class="chips">{_figures(view, slot, card)}</footer></section>'
    )


def strip(view: View, card: Card | None) -> str:
    """The same prompt at several strengths; each card is a button that adopts its strength."""
    cards = "".join(_strip_card(view, amount, card) for amount in view.strip)
    label = f"the same prompt at {len(view.strip)} strengths of {MAIN}"
    return (
        f'<h3 class="along">The same prompt at other strengths <small>{escape(_along(view))}</small></h3>'
        f'<div class="strip" style="--cards:{len(view.strip)}" role="group" aria-label="{label}">{cards}</div>'
    )


def chips(reply: ReplyView, short: bool = False, rewarded: bool = False) -> str:
    """A reply's figures, each with its explanation on hover and focus. A figure that has no meaning is absent.

    `rewarded` keeps a place for the reward that comes when the reply ends, so that nothing beside it moves.
    """
    return "".join(_chip(name, value, short) for name, value in _numbers(reply, short, rewarded))


def _figures(view: View, slot: str, card: Card | None) -> str:
    """A pane's figures. While new ones are made the old ones stay, faded, rather than come and go."""
    reply, sure = view.reply(slot), view.sure(slot)
    shown = sure or (reply if reply and reply.tokens else None) or (view.ghosts.get(slot) if view.writing else None)
    if shown is None:
        return ""
    stale = _stale(view, slot, shown)
    rewarded = view.writing and card is not None
    return "".join(_chip(name, value, stale=name in stale) for name, value in _numbers(shown, False, rewarded))


def _stale(view: View, slot: str, shown: ReplyView) -> Collection[str]:
    """Which of the figures of what a pane shows are yet to be measured at the strength it now has."""
    ours, theirs = view.slots[slot].strengths, shown.row.strengths
    if shown is view.ghosts.get(slot) and shown is not view.sure(slot):
        return _EXPLAINED
    if ours == theirs:
        return ()
    same_axis = [one.axis for one in ours] == [one.axis for one in theirs]
    return ("KL",) if same_axis else ("KL", "reward")


def _numbers(reply: ReplyView, short: bool, rewarded: bool) -> list[tuple[str, str]]:
    done = reply.finished
    figures: list[tuple[str, str]] = []
    if done is not None and done.reward is not None:
        figures.append(("reward", figure(done.reward)))
    elif done is None and rewarded:
        figures.append(("reward", "…"))
    if short:
        return figures or [("tokens", f"{reply.tokens}")]
    kl, perplexity = figure(reply.kl_per_token), big(reply.perplexity)
    return [*figures, ("KL", kl), ("perplexity", perplexity), ("tokens", f"{reply.tokens}")]


def changed(base: str, text: str) -> list[tuple[str, bool]]:
    """`text` in pieces, each with whether it differs from `base`, word by word.

    A lone common word inside changed text counts as changed: marks that flicker word by word are hard to read.
    """
    theirs, ours = _words(base), _words(text)
    blocks = SequenceMatcher(None, [w.strip() for w in theirs], [w.strip() for w in ours], autojunk=False)
    kept = [b for b in blocks.get_matching_blocks() if b.size > 1 or (b.size and b.a == b.b == 0)]
    edges = [0, *(edge for b in kept for edge in (b.b, b.b + b.size)), len(ours)]
    pieces = [("".join(ours[start:end]), index % 2 == 0) for index, (start, end) in enumerate(pairwise(edges))]
    return [(piece, differs) for piece, differs in pieces if piece]


def _words(text: str) -> list[str]:
    """Words with the white space that follows them, so that joining them gives the text back."""
    words: list[str] = []
    for letter in text:
        if words and (letter.isspace() or not words[-1][-1].isspace()):
            words[-1] += letter
        else:
            words.append(letter)
    return words


def _warning(view: View, slot: str) -> str:
    """A plain word where the numbers say that the reply is coming apart."""
    troubles = derived.troubles(view, slot)
    if not troubles:
        return ""
    way_out = "Turn the strength towards 0." if slot == STEERED else "The model itself does this here."
    return f'<p class="breaking" role="note"><b>This reply is breaking:</b> {", ".join(troubles)}. {way_out}</p>'


def _body(view: View, slot: str, card: Card | None) -> str:
    """What a pane says to the present prompt, over what it said before, which stands still until it is covered."""
    reply, ghost, sure = view.reply(slot), view.ghosts.get(slot), view.sure(slot)
    if sure is not None:
        return _whole(sure, view.sure(BASE) if slot == STEERED else None) + _goes_on(view, sure)
    if not view.writing and (reply is None or not reply.tokens):
        return f'<p class="text hint">{escape(_invitation(slot, card))}</p>'
    written = escape(reply.text) if reply else ""
    caret = '<span class="caret"></span>' if view.writing else ""
    text = f'<p class="text">{written}{caret}</p>' if written or not ghost else ""
    if ghost is None or not view.writing:
        return text
    return f'<div class="over">{_faded(ghost)}{text}</div>'


def _faded(ghost: ReplyView) -> str:
    at = f" at {_at(ghost.row.strengths)}" if ghost.row.strengths else ""
    tip = f"The reply{at}, until the new one is there"
    return f'<p class="text ghost" aria-hidden="true" title="{tip}">{escape(ghost.text)}</p>'


def _whole(reply: ReplyView, base: ReplyView | None) -> str:
    """A whole reply's text; where there is a base to compare with, what differs from it is marked."""
    if not reply.text.strip():
        return '<p class="text hint">(nothing but white space)</p>'
    if base is None or base.text == reply.text:
        return f'<p class="text">{escape(reply.text)}{_cut(reply)}</p>'
    pieces = changed(base.text, reply.text)
    text = "".join(_marked(piece) if differs else escape(piece) for piece, differs in pieces)
    return f'<p class="text">{text}{_cut(reply)}</p>'


def _cut(reply: ReplyView) -> str:
    """A mark behind a reply that its limit cut short; the style sheet writes it, so that it is no part of the text."""
    if not _is_cut(reply):
        return ""
    tip = f"Cut at {reply.tokens} tokens, the limit that Max new tokens sets."
    return f'<span class="cut" role="img" aria-label="{tip}" title="{tip}"></span>'


def _is_cut(reply: ReplyView) -> bool:
    return reply.finished is not None and reply.finished.finish_reason == "length"


def _goes_on(view: View, reply: ReplyView) -> str:
    if view.writing or not _is_cut(reply):
        return ""
    return '<button type="button" class="goon" data-more>Continue</button>'


def _marked(piece: str) -> str:
    """A changed piece, its mark ending with its last word rather than the space behind it."""
    words = piece.rstrip()
    return f"<mark>{escape(words)}</mark>{escape(piece[len(words) :])}" if words else escape(piece)


def _strip_card(view: View, amount: float, card: Card | None) -> str:
    slot = strip_slot(amount)
    reply, ghost = view.sure(slot) or view.reply(slot), view.ghosts.get(slot)
    base = view.reply(BASE)
    written = reply if reply and reply.tokens else None
    shown = written or (ghost if view.writing else None)
    text = shown.text if shown else ""
    shared = _shared(base.text, text) if base is not None and amount and written else 0
    current = view.inputs is not None and view.inputs.at.amounts[MAIN] == amount
    figures = chips(shown, short=True, rewarded=view.writing and card is not None) if shown else ""
    return (
        f'<button type="button" class="card {side(amount)}" data-strength="{amount:g}"'
        f' aria-label="set {MAIN} to {amount:g}"'
        f' aria-pressed="{str(current).lower()}"><span class="at">{signed(amount)}{_beyond(amount, card)}</span>'
        f'<span class="text{"" if written else " ghost"}"><i>{escape(text[:shared])}</i>{escape(text[shared:])}'
        f'{_cut(shown) if shown else ""}</span><span class="chips">{figures}</span></button>'
    )


def _shared(base: str, text: str) -> int:
    """How many letters of `text` are the words it begins with in common with `base`."""
    shared = 0
    for theirs, ours in zip(_words(base), _words(text), strict=False):
        if theirs.strip() != ours.strip():
            break
        shared += len(ours)
    return shared


def _turns(view: View, slot: str) -> str:
    """The conversation so far as a pane had it, each steered reply with the strength it was given at."""
    told = "".join(
        f"{_bubble(turn.user)}{_past(turn.steered, _at(turn.strengths)) if slot == STEERED else _past(turn.base)}"
        for turn in view.turns
    )
    return told + _bubble(view.prompt, now=True) if view.turns else ""


def _past(text: str, at: str = "") -> str:
    label = f'<small class="past">{escape(at)}</small>' if at else ""
    return f'{label}<p class="text past">{escape(text)}</p>'


def _bubble(user: str, now: bool = False) -> str:
    return f'<p class="user{" now" if now else ""}"><span class="unseen">You: </span>{escape(user)}</p>'


def _invitation(slot: str, card: Card | None) -> str:
    if slot == BASE:
        return "The base model answers here, unsteered."
    if card is None:
        return (
            "No axis is installed for this model, so nothing steers it. Make one from two sentences with "
            "“playground axis invent”, or from your own pairs with “playground axis train”."
        )
    return f"The same model answers here, turned towards {card.poles.negative} or {card.poles.positive}."


def _strength(view: View, slot: str, card: Card | None) -> str:
    if slot == BASE:
        return '<span class="strength">unsteered</span>'
    if view.inputs is None or not view.inputs.axis or slot not in view.slots:
        return ""
    at = escape(_at(view.slots[slot].strengths))
    return f'<span class="strength">{at}{_beyond(view.inputs.at.amounts[MAIN], card)}</span>'


def _at(strengths: Sequence[Strength]) -> str:
    """Strengths in words: the first axis's by its dials, the others by their names."""
    if not strengths:
        return f"{MAIN} 0"
    first, *others = strengths
    told = f"{MAIN} {signed(first.amounts[MAIN])}"
    return " · ".join([told, *_besides(first), *(f"{other.axis} {_amounts(other)}" for other in others)])


def _amounts(other: Strength) -> str:
    told = ", ".join(_besides(other))
    return signed(other.amounts[MAIN]) + (f" ({told})" if told else "")


def _besides(strength: Sliders) -> list[str]:
    """The sliders beside the first that are not at 0."""
    return [f"{name} {signed(amount)}" for name, amount in strength.amounts.items() if amount and name != MAIN]


def _along(view: View) -> str:
    """What all cards of the strip have in common, in words; where the one at 0 is not the base reply, that too."""
    steered = view.slots.get(STEERED)
    if steered is None:
        return "Choose one to set the dial."
    first, *others = steered.strengths
    common = [f"with {told}" for told in _besides(first)]
    common += [f"with {other.axis} {_amounts(other)} mixed in" for other in others]
    if view.turns:
        told = {_at(turn.strengths) for turn in view.turns}
        how = f"as steered at {told.pop()}" if len(told) == 1 else "as it was steered so far"
        common.insert(0, f"continue the conversation {how}")
    if not common:
        return "Choose one to set the dial."
    return f"All {', '.join(common)}: the card at 0 is not the base reply."


def _beyond(amount: float, card: Card | None) -> str:
    """A mark for strengths at which replies were measured to come apart."""
    if card is None or card.safe_range.holds(MAIN, amount):
        return ""
    low, high = (signed(end) for end in card.safe_range.of(MAIN))
    tip = f"Outside the tested range: replies stayed fluent from {low} to {high} when this axis was measured."
    return (
        f'<span class="beyond" role="note" data-tip="{tip}" aria-label="{tip}"><i>outside the tested range</i></span>'
    )


def _chip(name: str, value: str, short: bool = False, stale: bool = False) -> str:
    tip = _EXPLAINED[name]
    if short:  # inside a button nothing else may take the focus
        return f'<span class="chip" title="{tip}">{name} <b>{value}</b></span>'
    note = f"{tip} At the strength before; the new number is being measured." if stale else tip
    label = f'role="note" aria-label="{name} {value}. {note}"'
    kind = "chip stale" if stale else "chip"
    return f'<span class="{kind}" tabindex="0" data-tip="{note}" {label}>{name} <b>{value}</b></span>'


def _hue(view: View, slot: str) -> str:
    if slot == BASE or view.inputs is None or not view.inputs.axis:
        return "neutral"
    return side(view.inputs.at.leading)
