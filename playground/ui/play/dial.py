"""The strength dial: a slider with a number box, marks, pole names and the zone beyond the tested range.

A thin gradio component around `assets/dial.html` and `assets/dial.js`; the value is one float.
"""

from typing import Any

import gradio as gr

from playground.cards import Card
from playground.errors import InvalidInput
from playground.places import ASSETS
from playground.settings import MAIN, SLIDER_RANGE, Strength
from playground.ui.number_box import READING, bounds_of

_TEMPLATE = (ASSETS / "dial.html").read_text(encoding="utf-8")
SCALE = (ASSETS / "scale.js").read_text(encoding="utf-8")
"""The script that knows how far a dial goes and what it snaps to, for every component that has one."""

_SCRIPT = READING + SCALE + (ASSETS / "dial.js").read_text(encoding="utf-8")


class Dial(gr.HTML):
    """A dial from -1 to 3 whose number box takes any strength.

    Fires `input` as it moves and `release` once it has come to rest, by mouse, touch, keys or typing alike.
    """

    def __init__(self, value: float = 0.0, **settings: Any) -> None:
        bounds = bounds_of(Strength, MAIN)
        settings = {"padding": False, "apply_default_css": False, "bounds": bounds, **settings}
        super().__init__(value, html_template=_TEMPLATE, js_on_load=_SCRIPT, **settings)

    def preprocess(self, payload: Any) -> Any:
        """The value as a float; the page's own script sends nothing else."""
        if isinstance(payload, bool) or not isinstance(payload, int | float):
            raise InvalidInput(f"{payload!r} is not a number.", "Type a number such as 0.5.")
        return float(payload)

    def api_info(self) -> dict[str, Any]:
        """What a client sends: a number."""
        return {"type": "number"}


def marks(card: Card | None, name: str) -> dict[str, Any]:
    """What a dial for a slider says of an axis: its poles, its tested range, whether it can be turned."""
    low, high = SLIDER_RANGE
    if card is None:
        return {"negative": "", "positive": "", "safe": [low, high], "enabled": False}
    poles, safe = card.poles, card.safe_range.of(name)
    return {"negative": poles.negative, "positive": poles.positive, "safe": list(safe), "enabled": True}


def changes(
    holds: tuple[float | None, float | None] | None,
    breakpoints: tuple[float, ...],
    steps: tuple[float | None, float | None],
) -> dict[str, Any]:
    """What a dial shows of a reply: the band where it holds, a tick at each change, and where the keys step to."""
    return {"holds": None if holds is None else list(holds), "changes": list(breakpoints), "steps": list(steps)}
