"""What stands around the panes of Play, as HTML: the curve's words, status, and where a reply holds.

Pure.
"""

from collections.abc import Sequence

from markupsafe import Markup

from playground.cards import Card
from playground.events import Change
from playground.measure import figures
from playground.settings import MAIN
from playground.templates import macros
from playground.ui import markup
from playground.ui.numerals import figure, signed
from playground.ui.play import derived
from playground.ui.play.view import STEERED, View

_PARTS = macros("ui/play/captions.html")


def curve_as_text(card: Card | None, rewards: Sequence[tuple[float, float, bool]]) -> Markup:
    """What the curve shows, as a table: the axis's measured means, and this prompt's own replies."""
    measured = [
        (amount, f"{figure(mean.mean)} ({figure(mean.low)} to {figure(mean.high)})", "measured mean")
        for amount, mean in figures.mean_curve(card)
    ]
    own = [(a, figure(reward), "this prompt, now" if now else "this prompt") for a, reward, now in rewards]
    rows = [(signed(at), reward, of) for at, reward, of in sorted([*measured, *own])]
    return _PARTS.table(MAIN, rows)


def holds(view: View) -> Markup:
    """Where along the first slider the steered reply stays exactly as it is."""
    if view.sure(STEERED) is None:
        return markup.paragraph("holds", "")
    interval = derived.holds(view)
    if interval is None:
        why = "With control, top k, top p or a penalty it is not known where this reply changes."
        return markup.paragraph("holds", why)
    digits = 2
    if interval[0] is not None and interval[1] is not None:
        width = interval[1] - interval[0]
        digits = 2 if width >= 0.02 else 3 if width >= 0.002 else 4
    low, high = (figure(end, digits) if end is not None else "" for end in interval)
    changes = [
        (side, *told)
        for side, change in zip(("below", "above"), derived.changes(view), strict=True)
        if (told := _becomes(change))
    ]
    return _PARTS.holds(MAIN, low, high, changes)


def status(view: View) -> Markup:
    """One line for the eye and the screen reader: what is going on."""
    if view.phase == "failed" and view.error is not None:
        return _PARTS.failed(view.error.message, view.error.hint)
    if view.recorded:
        return _PARTS.recorded(view.recorded)
    if view.writing and view.before is not None:
        return markup.waiting(view.before)
    if view.writing and view.calibrated is not None:
        return markup.paragraph("status reading", markup.calibrating(view.calibrated))
    rows = len(view.asked)
    replies = f"{rows} strengths at once" if rows > 1 else "one strength"
    words = {
        "empty": "Ready. Press Enter in the prompt, or Run.",
        "reading": f"Writing {replies} …" if view.ghosts else "Reading the prompt …",
        "writing": f"Writing {replies} …",
        "stopped": f"Stopped at {view.tokens} tokens. Run goes on from there.",
        "done": f"Done, {view.tokens} tokens.",
    }[view.phase if view.phase != "failed" else "empty"]
    return markup.paragraph(f"status {view.phase}", words)


def starting(others: int) -> Markup:
    """The status line between asking and being answered, while others are answered too."""
    beside = f", together with {others} other{'s' if others > 1 else ''}" if others else ""
    return markup.paragraph("status reading", f"Starting{beside} …")


def _becomes(change: Change | None) -> tuple[str, str, bool] | None:
    """What stands at an end of the interval and what takes its place there, and whether the reply then ends."""
    if change is None:
        return None
    old, new = change.old.strip(), change.new.strip()
    ends = bool(old) and not change.new
    return (old, new, ends) if new or ends else None
