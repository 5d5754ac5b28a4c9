"""The colours of pages and charts, which assets/palette.css tells: charts and Gradio's theme take them from there."""

import re
from functools import cache

from playground.places import ASSETS


def colour(name: str) -> str:
    """A colour by the name of its CSS variable, as "#rrggbb". Raises KeyError where the palette has none."""
    return _colours()[name]


@cache
def _colours() -> dict[str, str]:
    """What the first block of the style sheet tells; later ones give colours another value in the dark."""
    first, _, _ = (ASSETS / "palette.css").read_text(encoding="utf-8").partition("}")
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", first))
