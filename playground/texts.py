"""What counts as text: what can be written at all, what a person can see, and what can name a folder."""

import hashlib
import re
import unicodedata

_UNSEEN = {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp", "Mn", "Me", "Mc"}
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and a symbol by category, and yet blank
_SLUG_BYTES = 80


def is_text(value: str) -> bool:
    """Whether a string can be written as UTF-8; arguments in another encoding arrive as lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_blank(text: str) -> bool:
    """Whether there is nothing to see: only spaces, control and format characters, marks on nothing."""
    return all(unicodedata.category(letter) in _UNSEEN or letter in _FILLERS for letter in text)


def writable(text: str) -> str:
    """A text with each lone surrogate written out as \\udXXX, so that it can be printed and sent."""
    return text.encode("utf-8", "backslashreplace").decode()


def folder_name(name: str) -> str:
    """A name's own folder: its letters and digits, in any script, and a digest wherever that is not the whole name."""
    kept = re.sub(r"\W+", "-", unicodedata.normalize("NFC", name).lower()).strip("-")
    if kept and kept == name and len(kept.encode()) <= _SLUG_BYTES:
        return kept
    short = kept.encode()[:_SLUG_BYTES].decode("utf-8", "ignore").strip("-") or "axis"
    return f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
