"""A view as HTML: panes, strip, status and the line about where a reply holds.

Pure strings. Whatever a model wrote passes through `escape` here and nowhere else.
"""

import math
from collections.abc import Sequence
from difflib import SequenceMatcher
from html import escape
from itertools import pairwise

from playground.cards import Card
from playground.events import Change
from playground.ui import present
from playground.ui.present import Reply, View

_EXPLAINED = {
    "reward": "reward: how much of the trained pole the axis's own scorer reads in this reply. Higher is more.",
    "KL": "KL, in nats per token: how far steering moved the model away from itself. 0 is not at all.",
    "perplexity": "perplexity: how surprising this reply is to the base model. A sudden rise means it is breaking.",
    "tokens": "tokens: the length of this reply.",
}


def header(model: str) -> str:
    """The page's title line."""
    return (
        '<header class="masthead"><h1>Alignment Playground</h1>'
        f"<p><span>model </span><b>{escape(model)}</b></p>"
        '<button type="button" aria-label="switch between light and dark">◐</button></header>'
    )


def axis_note(card: Card | None, note: str = "") -> str:
    """What an axis does, in a line or two, with its warning if it has one."""
    if card is None:
        return ""
    warning = f' <span class="warning">{escape(note)}</span>' if note else ""
    return f'<p class="note">{escape(card.description)}{warning}</p>'


def caption(text: str) -> str:
    """The sentence below the curve."""
    return f'<p class="caption">{escape(text.replace(" -", " −"))}</p>'


def curve_as_text(card: Card | None, rewards: Sequence[tuple[float, float, bool]]) -> str:
    """What the curve shows, as a table: the axis's measured means, and this prompt's own replies."""
    measured = [
        (point.alpha, f"{_figure(mean.mean)} ({_figure(mean.low)} to {_figure(mean.high)})", "measured mean")
        for point in (card.curve if card else ())
        if not point.control and (mean := point.metrics.get("reward"))
    ]
    own = [(a, _figure(reward), "this prompt, now" if now else "this prompt") for a, reward, now in rewards]
    rows = "".join(
        f"<tr><td>{_signed(alpha)}</td><td>{reward}</td><td>{of}</td></tr>"
        for alpha, reward, of in sorted([*measured, *own])
    )
    return (
        '<details class="astext"><summary>As a table</summary><div class="wide" tabindex="0"><table><thead><tr>'
        '<th scope="col">alpha</th><th scope="col">reward</th><th scope="col">of</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def pane(view: View, slot: str, card: Card | None) -> str:
    """One of the two large panes: earlier turns, the present prompt, the reply and its figures."""
    reply, ghost, sure = view.reply(slot), view.ghosts.get(slot), view.sure(slot)
    steered = slot == present.STEERED
    against = view.reply(present.BASE) if steered else None
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
        figures.append(("reward", _figure(done.reward)))
    figures.append(("KL", f"{reply.kl_per_token:.2f}" if known else "…"))
    if not short:
        figures.append(("perplexity", _big(reply.perplexity)))
    figures.append(("tokens", f"{reply.tokens}"))
    return "".join(_chip(name, value, short) for name, value in figures)


def holds(view: View) -> str:
    """Where along alpha the steered reply stays exactly as it is."""
    if view.sure(present.STEERED) is None:
        return '<p class="holds"></p>'
    interval = present.holds(view)
    if interval is None:
        return '<p class="holds">Where this reply changes is known without control, top-k, top-p and penalty.</p>'
    low, high = interval
    if low is None:
        span = "at every alpha" if high is None else f"up to <b>{_figure(high)}</b>"
    elif high is None:
        span = f"from <b>{_figure(low)}</b> on"
    else:
        digits = 2 if high - low >= 0.02 else 3 if high - low >= 0.002 else 4
        span = f"from <b>{_figure(low, digits)}</b> to <b>{_figure(high, digits)}</b>"
    below, above = (_becomes(change) for change in present.changes(view))
    told = [f"{name} {words}" for name, words in (("below", below), ("above", above)) if words]
    more = f'<span class="becomes">{"; ".join(told)}</span>' if told else ""
    return f'<p class="holds">This reply holds {span}.{more}</p>'


def _becomes(change: Change | None) -> str:
    """What changes at an end of the interval, in words."""
    if change is None:
        return ""
    old, new = (f"<q>{escape(text.strip())}</q>" if text.strip() else "" for text in (change.old, change.new))
    if old and new:
        return f"{old} becomes {new}"
    return f"it ends before {old}" if old and not change.new else f"it goes on with {new}" if new else ""


def status(view: View) -> str:
    """One line for the eye and the screen reader: what is going on."""
    if view.phase == "failed" and view.error is not None:
        hint = f" <span>{escape(view.error.hint)}</span>" if view.error.hint else ""
        return f'<p class="status failed"><b>{escape(view.error.message)}</b>{hint}</p>'
    if view.recorded:
        return (
            '<p class="status recorded"><b>Recorded</b> '
            f"<span>with {escape(view.recorded)}. Turn a dial or press Run, and the model answers live.</span></p>"
        )
    rows = len(view.asked)
    replies = f"{rows} strengths at once" if rows > 1 else "one strength"
    words = {
        "empty": "Ready. At alpha 0 the model is as it came, at 1 as trained; beyond is more, below 0 the other way.",
        "reading": f"Writing {replies} …" if view.ghosts else "Reading the prompt …",
        "writing": f"Writing {replies} …",
        "stopped": f"Stopped at {view.tokens} tokens. Run goes on from there.",
        "done": f"Done, {view.tokens} tokens.",
    }[view.phase if view.phase != "failed" else "empty"]
    return f'<p class="status {view.phase}">{words}</p>'


def waiting(ahead: int, at_once: int = 1) -> str:
    """The status line between asking and being served, `at_once` people at a time."""
    if ahead >= at_once:
        words = f"Waiting: {ahead - at_once + 1} before you."
    elif ahead:
        words = f"Starting, taking turns with {ahead} other{'s' if ahead > 1 else ''} …"
    else:
        words = "Starting …"
    return f'<p class="status reading">{words}</p>'


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
    troubles = present.troubles(view, slot)
    if not troubles:
        return ""
    way_out = "Turn the strength towards 0." if slot == present.STEERED else "The model itself does this here."
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
    slot = present.strip_slot(alpha)
    reply, ghost = view.reply(slot), view.ghosts.get(slot)
    base = view.reply(present.BASE)
    shown = reply if reply and reply.tokens else None
    text, faded = (shown.text, "") if shown else (ghost.text, " ghost") if ghost and view.writing else ("", "")
    shared = _shared(base.text, text) if base is not None and alpha and not faded else 0
    current = view.wish is not None and view.wish.alpha == alpha
    return (
        f'<button type="button" class="card {_sign(alpha)}" data-alpha="{alpha:g}" aria-label="set alpha to {alpha:g}"'
        f' aria-pressed="{str(current).lower()}"><span class="at">{_signed(alpha)}{_beyond(alpha, card)}</span>'
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
    if slot == present.BASE:
        return "The model as it came answers here."
    if card is None:
        return (
            "No axis is installed for this model, so nothing steers it. Make one from two sentences with "
            "“playground axis invent”, or from your own pairs with “playground axis train”."
        )
    return f"The same model answers here, turned towards {card.poles.negative} or {card.poles.positive}."


def _strength(view: View, slot: str, card: Card | None) -> str:
    if slot != present.STEERED or view.wish is None or not view.wish.axis:
        return '<span class="strength">as it came</span>' if slot == present.BASE else ""
    wish = view.wish
    return (
        f'<span class="strength">alpha {_signed(wish.alpha)} · control {_signed(wish.control)}'
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
    if slot == present.BASE or view.wish is None or not view.wish.axis:
        return "neutral"
    return _sign(view.wish.alpha or view.wish.control)


def _sign(strength: float) -> str:
    return "positive" if strength > 0 else "negative" if strength < 0 else "neutral"


def _signed(strength: float) -> str:
    return f"{strength:g}".replace("-", "−")  # a true minus sign


def _figure(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _big(value: float) -> str:
    if not math.isfinite(value):
        return "∞"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}" if value < 1e6 else f"{value:.0e}"
