"""Replies as HTML: the two panes, the strip's cards, their figures, and what differs from the base. Pure."""

from collections.abc import Collection, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from markupsafe import Markup

from playground.cards import Card
from playground.settings import MAIN, Sliders, Strength
from playground.templates import macros
from playground.ui import markup
from playground.ui.numerals import big, figure, side, signed
from playground.ui.play import derived
from playground.ui.play.view import BASE, STEERED, ReplyView, View, strip_slot

_PARTS = macros("ui/play/panes.html")
_OLD = " At the strength before; the new number is being measured."
_EXPLAINED = {
    "reward": "reward: how much of the trained pole the axis's own scorer reads in this reply. Higher is more.",
    "KL": "KL, in nats per token: how far steering moved the model away from itself. 0 is not at all.",
    "perplexity": "perplexity: how surprising this reply is to the base model. A sudden rise means it is breaking.",
    "tokens": "tokens: the length of this reply.",
}


def pane(view: View, slot: str, card: Card | None) -> Markup:
    """One of the two large panes: earlier turns, the present prompt, the reply and its figures."""
    steered = slot == STEERED
    strength, beyond = _strength(view, slot, card)
    turns = [
        (turn.user, _at(turn.strengths) if steered else "", turn.steered if steered else turn.base)
        for turn in view.turns
    ]
    troubles = ", ".join(derived.troubles(view, slot))
    way_out = "Turn the strength towards 0." if steered else "The model itself does this here."
    copies, body, chips = view.sure(slot) is not None, _body(view, slot, card), _figures(view, slot, card)
    hue = _hue(view, slot)
    return _PARTS.pane(slot, hue, strength, beyond, copies, turns, view.prompt, body, troubles, way_out, chips)


def strip(view: View, card: Card | None) -> Markup:
    """The same prompt at several strengths; each card is a button that adopts its strength."""
    cards = [_strip_card(view, amount, card) for amount in view.strip]
    return _PARTS.strip(cards, f"the same prompt at {len(cards)} strengths of {MAIN}", _along(view))


def _figures(view: View, slot: str, card: Card | None) -> list[tuple[str, str, str, bool]]:
    """A pane's figures: name, value, explanation, and whether it is the strength's before.

    While new ones are made the old ones stay, faded, rather than come and go. One that has no meaning is absent.
    """
    reply, sure = view.reply(slot), view.sure(slot)
    shown = sure or (reply if reply and reply.tokens else None) or (view.ghosts.get(slot) if view.writing else None)
    if shown is None:
        return []
    stale = _stale(view, slot, shown)
    numbers = _numbers(shown, False, view.writing and card is not None)
    return [(name, value, _EXPLAINED[name] + _OLD * (name in stale), name in stale) for name, value in numbers]


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


def _body(view: View, slot: str, card: Card | None) -> Markup:
    """What a pane says to the present prompt, over what it said before, which stands still until it is covered."""
    reply, ghost, sure = view.reply(slot), view.ghosts.get(slot), view.sure(slot)
    if sure is not None:
        return _whole(sure, view.sure(BASE) if slot == STEERED else None, not view.writing and _is_cut(sure))
    if not view.writing and (reply is None or not reply.tokens):
        return markup.paragraph("text hint", _invitation(slot, card))
    written = reply.text if reply else ""
    text = _PARTS.writing(written, view.writing) if written or not ghost else Markup("")
    if ghost is None or not view.writing:
        return text
    at = f" at {_at(ghost.row.strengths)}" if ghost.row.strengths else ""
    return _PARTS.over(ghost.text, f"The reply{at}, until the new one is there", text)


def _whole(reply: ReplyView, base: ReplyView | None, goes_on: bool) -> Markup:
    """A whole reply's text, what differs from the base marked where there is one, and a button to go on."""
    if not reply.text.strip():
        return _PARTS.nothing(goes_on)
    pieces = [(reply.text, False)] if base is None or base.text == reply.text else changed(base.text, reply.text)
    marked = [_marked(piece) if differs else ("", piece) for piece, differs in pieces]
    return _PARTS.whole(marked, _cut(reply), goes_on)


def _cut(reply: ReplyView) -> str:
    """What the mark behind a reply that its limit cut short tells; the style sheet writes it, so it is no text."""
    return f"Cut at {reply.tokens} tokens, the limit that Max new tokens sets." if _is_cut(reply) else ""


def _is_cut(reply: ReplyView) -> bool:
    return reply.finished is not None and reply.finished.finish_reason == "length"


def _marked(piece: str) -> tuple[str, str]:
    """A changed piece cut where its mark ends: with its last word rather than the space behind it."""
    words = piece.rstrip()
    return words, piece[len(words) :]


def _strip_card(view: View, amount: float, card: Card | None) -> tuple[str | bool | list[tuple[str, str, str]], ...]:
    """What a card of the strip shows, in the order of its template."""
    slot = strip_slot(amount)
    reply, ghost = view.sure(slot) or view.reply(slot), view.ghosts.get(slot)
    base = view.reply(BASE)
    written = reply if reply and reply.tokens else None
    shown = written or (ghost if view.writing else None)
    text = shown.text if shown else ""
    shared = _shared(base.text, text) if base is not None and amount and written else 0
    current = view.inputs is not None and view.inputs.at.amounts[MAIN] == amount
    numbers = _numbers(shown, True, view.writing and card is not None) if shown else []
    chips = [(name, value, _EXPLAINED[name]) for name, value in numbers]
    at = f"{amount:g}"
    return (
        at, f"set {MAIN} to {at}", side(amount), current, signed(amount), _beyond(amount, card), written is not None,
        text[:shared], text[shared:], _cut(shown) if shown else "", chips,
    )  # fmt: skip


def _shared(base: str, text: str) -> int:
    """How many letters of `text` are the words it begins with in common with `base`."""
    shared = 0
    for theirs, ours in zip(_words(base), _words(text), strict=False):
        if theirs.strip() != ours.strip():
            break
        shared += len(ours)
    return shared


def _invitation(slot: str, card: Card | None) -> str:
    if slot == BASE:
        return "The base model answers here, unsteered."
    if card is None:
        return (
            "The steered model answers here, along an axis that two sentences describe: fill both boxes and press "
            "Enter. Or train one from your own pairs with “playground axis train”."
        )
    return f"The same model answers here, turned towards {card.poles.negative} or {card.poles.positive}."


def _strength(view: View, slot: str, card: Card | None) -> tuple[str, str]:
    """What a pane is steered by, and what is told where that lies outside the tested range."""
    if slot == BASE:
        return "unsteered", ""
    if view.inputs is None or not view.inputs.axis or slot not in view.slots:
        return "", ""
    return _at(view.slots[slot].strengths), _beyond(view.inputs.at.amounts[MAIN], card)


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
    """What is told of strengths at which replies were measured to come apart."""
    if card is None or card.safe_range.holds(MAIN, amount):
        return ""
    low, high = (signed(end) for end in card.safe_range.of(MAIN))
    return f"Outside the tested range: replies stayed fluent from {low} to {high} when this axis was measured."


def _hue(view: View, slot: str) -> str:
    if slot == BASE or view.inputs is None or not view.inputs.axis:
        return "neutral"
    return side(view.inputs.at.leading)
