"""What stands around the panes of Play, as HTML: the curve's words, status, and where a reply holds.

Pure strings. Whatever a model wrote passes through `escape`, here and in `panes`.
"""

from collections.abc import Sequence
from html import escape

from playground.cards import Card
from playground.events import Change
from playground.measure import figures
from playground.settings import MAIN
from playground.ui.markup import waiting
from playground.ui.numerals import figure, signed
from playground.ui.play import derived
from playground.ui.play.view import STEERED, View


def curve_as_text(card: Card | None, rewards: Sequence[tuple[float, float, bool]]) -> str:
    """What the curve shows, as a table: the axis's measured means, and this prompt's own replies."""
    measured = [
        (amount, f"{figure(mean.mean)} ({figure(mean.low)} to {figure(mean.high)})", "measured mean")
        for amount, mean in figures.mean_curve(card)
    ]
    own = [(a, figure(reward), "this prompt, now" if now else "this prompt") for a, reward, now in rewards]
    rows = "".join(
        f"<tr><td>{signed(amount)}</td><td>{reward}</td><td>{of}</td></tr>"
        for amount, reward, of in sorted([*measured, *own])
    )
    return (
        '<details class="astext"><summary>As a table</summary><div class="wide" tabindex="0"><table><thead><tr>'
        f'<th scope="col">{MAIN}</th><th scope="col">reward</th><th scope="col">of</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def holds(view: View) -> str:
    """Where along the first slider the steered reply stays exactly as it is."""
    if view.sure(STEERED) is None:
        return '<p class="holds"></p>'
    interval = derived.holds(view)
    if interval is None:
        why = "With control, top k, top p or a penalty it is not known where this reply changes."
        return f'<p class="holds">{why}</p>'
    low, high = interval
    if low is None:
        span = f"every {MAIN}" if high is None else f"{MAIN} up to <b>{figure(high)}</b>"
    elif high is None:
        span = f"{MAIN} from <b>{figure(low)}</b> on"
    else:
        digits = 2 if high - low >= 0.02 else 3 if high - low >= 0.002 else 4
        span = f"{MAIN} <b>{figure(low, digits)}</b> to <b>{figure(high, digits)}</b>"
    below, above = (_becomes(change) for change in derived.changes(view))
    told = [f"{name} {words}" for name, words in (("below", below), ("above", above)) if words]
    more = f'<span class="becomes">{"; ".join(told)}</span>' if told else ""
    return f'<p class="holds">Same reply for {span}.{more}</p>'


def status(view: View) -> str:
    """One line for the eye and the screen reader: what is going on."""
    if view.phase == "failed" and view.error is not None:
        hint = f" <span>{escape(view.error.hint)}</span>" if view.error.hint else ""
        return f'<p class="status failed"><b>{escape(view.error.message)}</b>{hint}</p>'
    if view.recorded:
        return (
            f'<p class="status recorded" title="Recorded with {escape(view.recorded)}"><b>Recorded</b> '
            "<span>Turn the dial, and the model answers live.</span></p>"
        )
    if view.writing and view.before is not None:
        return waiting(view.before)
    rows = len(view.asked)
    replies = f"{rows} strengths at once" if rows > 1 else "one strength"
    words = {
        "empty": "Ready. Press Enter in the prompt, or Run.",
        "reading": f"Writing {replies} …" if view.ghosts else "Reading the prompt …",
        "writing": f"Writing {replies} …",
        "stopped": f"Stopped at {view.tokens} tokens. Run goes on from there.",
        "done": f"Done, {view.tokens} tokens.",
    }[view.phase if view.phase != "failed" else "empty"]
    return f'<p class="status {view.phase}">{words}</p>'


def starting(others: int) -> str:
    """The status line between asking and being answered, while others are answered too."""
    beside = f", together with {others} other{'s' if others > 1 else ''}" if others else ""
    return f'<p class="status reading">Starting{beside} …</p>'


def _becomes(change: Change | None) -> str:
    """What changes at an end of the interval, in words."""
    if change is None:
        return ""
    old, new = (f"<q>{escape(text.strip())}</q>" if text.strip() else "" for text in (change.old, change.new))
    if old and new:
        return f"{old} becomes {new}"
    return f"it ends before {old}" if old and not change.new else f"it goes on with {new}" if new else ""
