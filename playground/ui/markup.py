"""What several tabs show, as HTML: the title, an axis's note, captions, and how a request waits. Pure."""

from collections.abc import Sequence

from markupsafe import Markup

from playground.cards import Card
from playground.errors import PlaygroundError
from playground.serving.hosting import NONE
from playground.templates import macros

_PARTS = macros("ui/markup.html")

LEAD = "Turn a dial and a language model’s character turns with it; see what that costs, and where it breaks."
"""What this is, in one sentence."""

SPOKEN = "element.setAttribute('role', 'status'); element.setAttribute('aria-live', 'polite');"
"""The script of a place whose text is read aloud as it changes."""


def header(model: str, space: str = NONE) -> Markup:
    """The page's title line; on a Space with a link to one of one's own."""
    return _PARTS.header(model, LEAD, "" if space == NONE else space)


def axis_note(card: Card | None, note: str = "") -> Markup:
    """What an axis does, in a line or two, with its warning if it has one."""
    return Markup("") if card is None else _PARTS.axis_note(card.description, note)


def paragraph(kind: str, text: str, role: str = "") -> Markup:
    """A line of a kind that the style sheets know, such as "note" or "status failed"."""
    return _PARTS.paragraph(kind, text, role)


def caption(text: str) -> Markup:
    """The sentence below the curve."""
    return paragraph("caption", text.replace(" -", " −"))


def in_line(before: int) -> str:
    """How a request stands that waits for a place."""
    return f"Waiting: {before} before you." if before else "Waiting: you are next."


def waiting(before: int) -> Markup:
    """The status line of a request that waits for a place."""
    return paragraph("status reading", in_line(before))


def calibrating(percent: int) -> str:
    """How far an axis is that must be calibrated first."""
    return f"Calibrating the axis of your sentences, {percent} % …"


def picture(drawing: Markup) -> Markup:
    """A picture that scrolls where it is wider than its page."""
    return _PARTS.picture(drawing)


def left_out(found: Sequence[tuple[str, PlaygroundError]]) -> Markup:
    """The axes that could not be used, each with the reason and the fix; nothing where there are none."""
    return _PARTS.left_out(found) if found else Markup("")


def failed(error: PlaygroundError) -> Markup:
    """An error as a line says it."""
    return _PARTS.failed(error.message, error.hint)
