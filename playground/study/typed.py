"""What people type into a study's boxes, as it can be stored: texts and numbers."""

import math
import re
import unicodedata
from typing import Any

LONGEST_TEXT = 4000

_SIGNS = str.maketrans(
    {
        "\N{MINUS SIGN}": "-",
        "\N{HYPHEN}": "-",
        "\N{NON-BREAKING HYPHEN}": "-",
        "\N{EN DASH}": "-",
        "\N{FULLWIDTH HYPHEN-MINUS}": "-",
        "\N{FULLWIDTH PLUS SIGN}": "+",
        "\N{FULLWIDTH COMMA}": ",",
        "\N{FULLWIDTH FULL STOP}": ".",
        "\N{ARABIC DECIMAL SEPARATOR}": ",",
        "\N{ARABIC COMMA}": ",",
    }
)
_NUMBER = re.compile(r"([+-]?)(\d*)(?:[.,](\d*))?(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)


def clean(text: Any, longest: int = LONGEST_TEXT) -> str:
    """A text as it can be stored anywhere: no control characters but line ends, no broken characters, not too long."""
    text = str(text)[:longest].encode("utf-8", "replace").decode()
    return "".join(one for one in text if one in "\n\t" or unicodedata.category(one) != "Cc").strip()


def number(text: str) -> str | None:
    """A typed number with a point and plain digits; a comma may stand for the point. None for anything else.

    Digits of any script are read. `1,000` may be one or a thousand, and two separators may be either way round: None.
    """
    plain = "".join(_digit(one) for one in text.translate(_SIGNS).strip())
    found = _NUMBER.fullmatch(plain)
    if found is None or not (found[2] or found[3]) or _THOUSANDS.fullmatch(plain):
        return None
    sign, whole, part, power = found.groups(default="")
    read = f"{sign.removeprefix('+')}{whole or '0'}{f'.{part}' if part else ''}{power.lower()}"
    return read if math.isfinite(float(read)) else None


def _digit(letter: str) -> str:
    """A digit of any script as ASCII's; other letters as they are."""
    value = unicodedata.decimal(letter, None)
    return letter if value is None else str(value)
