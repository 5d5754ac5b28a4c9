"""What the page's scripts and style sheets take from the settings: one object in the page's head, and CSS variables."""

from typing import Any

from markupsafe import Markup

from playground import descriptions
from playground.measure.figures import X_RANGE
from playground.settings import MAIN, SLIDER_RANGE, SLIDERS
from playground.ui import axis_menu, share

STEP = 0.05
"""What an arrow key adds to a strength."""

DIAL: dict[str, Any] = {
    "low": SLIDER_RANGE[0],
    "high": SLIDER_RANGE[1],
    "step": STEP,
    "leap": 5 * STEP,  # with Shift, or by the page keys
    "homes": [0, 1],
    "snap": 0.03,  # so near to a home a dial is there
}

CONSTANTS: dict[str, Any] = {
    "dial": DIAL,
    "sliders": SLIDERS,
    "main": MAIN,
    "shared": {
        "always": share.ALWAYS,
        "maybe": share.MAYBE,
        "described": {"label": axis_menu.DESCRIBE, "between": descriptions.BETWEEN},
    },
}
"""The object `playground`, on which the page's scripts stand."""


def style() -> Markup:
    """How far the dials go and how far the curve's paper goes beyond, for the line that the first dial draws on it."""
    span, beyond = SLIDER_RANGE[1] - SLIDER_RANGE[0], SLIDER_RANGE[0] - X_RANGE[0]
    return Markup(f":root {{ --span: {span:g}; --beyond-span: {beyond:g}; }}")
