"""What several tabs show, as HTML: the title, an axis's note, captions, and how a request waits. Pure strings."""

from html import escape

from playground.cards import Card

LEAD = "Turn a dial and a language model’s character turns with it; see what that costs, and where it breaks."
"""What this is, in one sentence."""

SPOKEN = "element.setAttribute('role', 'status'); element.setAttribute('aria-live', 'polite');"
"""The script of a place whose text is read aloud as it changes."""


def header(model: str) -> str:
    """The page's title line."""
    return (
        '<header class="masthead"><h1>Alignment Playground</h1>'
        f"<p><span>model </span><b>{escape(model)}</b></p>"
        '<button type="button" aria-label="switch between light and dark">◐</button>'
        f'<p class="lead">{LEAD}</p></header>'
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


def in_line(before: int) -> str:
    """How a request stands that waits for a place."""
    return f"Waiting: {before} before you." if before else "Waiting: you are next."


def waiting(before: int) -> str:
    """The status line of a request that waits for a place."""
    return f'<p class="status reading">{in_line(before)}</p>'


def failed(message: str, hint: str) -> str:
    """An error as the status line says it."""
    return f"<b>{escape(message)}</b> <span>{escape(hint)}</span>"
