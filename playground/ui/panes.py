"""Replies as HTML: the two panes, the strip's cards, their figures, and what differs from the base. Pure strings."""

from difflib import SequenceMatcher
from html import escape
from itertools import pairwise

from playground.cards import Card
from playground.ui import gauges
from playground.ui.figures import big, figure, side, signed
from playground.ui.view import BASE, STEERED, Reply, View, strip_slot

_EXPLAINED = {
    "reward": "reward: how much of the trained pole the axis's own scorer reads in this reply. Higher is more.",
    "KL": "KL, in nats per token: how far steering moved the model away from itself. 0 is not at all.",
    "perplexity": "perplexity: how surprising this reply is to the base model. A sudden rise means it is breaking.",
    "tokens": "tokens: the length of this reply.",
}


def pane(view: View, slot: str, card: Card | None) -> str:
    """One of the two large panes: earlier turns, the present prompt, the reply and its figures."""
    reply, ghost, sure = view.reply(slot), view.ghosts.get(slot), view.sure(slot)
    steered = slot == STEERED
    against = view.reply(BASE) if steered else None
    body = _turns(view, steered) + (_bubble(view.prompt) if view.turns else "")
    if sure is not None:
        body += _reply(view, sure, against)
    elif reply is not None and reply.tokens:
        body += _reply(view, reply, against, rest=ghost.text[len(reply.text) :] if ghost and view.writing else "")
    elif ghost is not None and view.writing:
        body += f'<p class="text ghost">{escape(ghost.text)}</p>'
    elif view.writing:
        body += '<p class="text"><span class="caret"></span></p>'
    else:
        body += f'<p class="text hint">{escape(_invitation(slot, card))}</p>'
    figures = chips(sure or reply, known=sure is None or sure is reply) if sure or (reply and reply.tokens) else ""
    copy = (
        f'<button type="button" class="copy" data-copy=".text" title="Copy this reply"'
        f' aria-label="copy the {slot} reply">copy</button>'
    )
    return (
        f'<section class="pane {_hue(view, slot)}" aria-label="{slot} reply">'
        f"<h2>{slot}{_strength(view, slot, card)}{copy if sure else ''}</h2>"
        f'<div class="scroll" tabindex="0">{body}</div>{_warning(view, slot)}'
        f'<footer class="chips">{figures}</footer></section>'
    )


def strip(view: View, card: Card | None) -> str:
    """The same prompt at several strengths; each card is a button that adopts its strength."""
    cards = "".join(_strip_card(view, alpha, card) for alpha in view.strip)
    label = f"the same prompt at {len(view.strip)} strengths of alpha"
    return f'<div class="strip" style="--cards:{len(view.strip)}" role="group" aria-label="{label}">{cards}</div>'


def chips(reply: Reply | None, short: bool = False, known: bool = True) -> str:
    """A reply's figures, each with its explanation on hover and focus. A figure that has no meaning is absent.

    `known` is False where the text is known to stay at a new strength, but not yet how far that is from the base.
    """
    if reply is None:
        return ""
    done = reply.finished
    figures = []
    if done is not None and done.reward is not None:
        figures.append(("reward", figure(done.reward)))
    figures.append(("KL", f"{reply.kl_per_token:.2f}" if known else "…"))
    if not short:
        figures.append(("perplexity", big(reply.perplexity)))
    figures.append(("tokens", f"{reply.tokens}"))
    return "".join(_chip(name, value, short) for name, value in figures)


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
    troubles = gauges.troubles(view, slot)
    if not troubles:
        return ""
    way_out = "Turn the strength towards 0." if slot == STEERED else "The model itself does this here."
    return f'<p class="breaking" role="note"><b>This reply is breaking:</b> {", ".join(troubles)}. {way_out}</p>'


def _reply(view: View, reply: Reply, against: Reply | None, rest: str = "") -> str:
    """The reply's text; where there is a base to compare with, what differs from it is marked.

    `rest` is what still stands, faded, behind a reply that is written over an older one.
    """
    writing = view.writing and reply.finished is None
    if against is None or against.text == reply.text:
        text = escape(reply.text)
    else:
        # While both are being written, the longer one is not different merely for being ahead.
        base = against.text
        if not against.finished and len(base) < len(reply.text):
            base += reply.text[len(base) :]
        text = "".join(_marked(piece) if differs else escape(piece) for piece, differs in changed(base, reply.text))
    caret = '<span class="caret"></span>' if writing else ""
    if reply.finished and not reply.text.strip():
        return '<p class="text hint">(nothing but white space)</p>'
    faded = f'<span class="ghost" aria-hidden="true">{escape(rest)}</span>' if rest else ""
    return f'<p class="text">{text}{caret}{faded}</p>'


def _marked(piece: str) -> str:
    """A changed piece, its mark ending with its last word rather than the space behind it."""
    words = piece.rstrip()
    return f"<mark>{escape(words)}</mark>{escape(piece[len(words) :])}" if words else escape(piece)


def _strip_card(view: View, alpha: float, card: Card | None) -> str:
    slot = strip_slot(alpha)
    reply, ghost = view.reply(slot), view.ghosts.get(slot)
    base = view.reply(BASE)
    shown = reply if reply and reply.tokens else None
    text, faded = (shown.text, "") if shown else (ghost.text, " ghost") if ghost and view.writing else ("", "")
    shared = _shared(base.text, text) if base is not None and alpha and not faded else 0
    current = view.wish is not None and view.wish.alpha == alpha
    return (
        f'<button type="button" class="card {side(alpha)}" data-alpha="{alpha:g}" aria-label="set alpha to {alpha:g}"'
        f' aria-pressed="{str(current).lower()}"><span class="at">{signed(alpha)}{_beyond(alpha, card)}</span>'
        f'<span class="text{faded}"><i>{escape(text[:shared])}</i>{escape(text[shared:])}</span>'
        f'<span class="chips">{chips(shown, short=True) if shown else ""}</span></button>'
    )


def _shared(base: str, text: str) -> int:
    """How many letters of `text` are the words it begins with in common with `base`."""
    shared = 0
    for theirs, ours in zip(_words(base), _words(text), strict=False):
        if theirs.strip() != ours.strip():
            break
        shared += len(ours)
    return shared


def _turns(view: View, steered: bool) -> str:
    return "".join(
        f'{_bubble(turn.user)}<p class="text past">{escape(turn.steered if steered else turn.base)}</p>'
        for turn in view.turns
    )


def _bubble(user: str) -> str:
    return f'<p class="user"><span class="unseen">You: </span>{escape(user)}</p>'


def _invitation(slot: str, card: Card | None) -> str:
    if slot == BASE:
        return "The model as it came answers here."
    if card is None:
        return (
            "No axis is installed for this model, so nothing steers it. Make one from two sentences with "
            "“playground axis invent”, or from your own pairs with “playground axis train”."
        )
    return f"The same model answers here, turned towards {card.poles.negative} or {card.poles.positive}."


def _strength(view: View, slot: str, card: Card | None) -> str:
    if slot != STEERED or view.wish is None or not view.wish.axis:
        return '<span class="strength">as it came</span>' if slot == BASE else ""
    wish = view.wish
    return (
        f'<span class="strength">alpha {signed(wish.alpha)} · control {signed(wish.control)}'
        f"{_beyond(wish.alpha, card)}</span>"
    )


def _beyond(alpha: float, card: Card | None) -> str:
    """A mark for strengths at which replies were measured to come apart."""
    if card is None or card.safe_range.alpha[0] <= alpha <= card.safe_range.alpha[1]:
        return ""
    low, high = card.safe_range.alpha
    tip = f"Replies stayed fluent from {low:g} to {high:g} when this axis was measured."
    return f'<span class="beyond" role="note" data-tip="{tip}" aria-label="{tip}">beyond safe</span>'


def _chip(name: str, value: str, short: bool) -> str:
    tip = _EXPLAINED[name]
    if short:  # inside a button nothing else may take the focus
        return f'<span class="chip" title="{tip}">{name} <b>{value}</b></span>'
    label = f'role="note" aria-label="{name} {value}. {tip}"'
    return f'<span class="chip" tabindex="0" data-tip="{tip}" {label}>{name} <b>{value}</b></span>'


def _hue(view: View, slot: str) -> str:
    if slot == BASE or view.wish is None or not view.wish.axis:
        return "neutral"
    return side(view.wish.alpha or view.wish.control)
