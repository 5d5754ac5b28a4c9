"""A number box that says what it read: a decimal comma is read as one, anything doubtful is refused in words.

A thin gradio component around `assets/number.html` and `assets/number.js`. Browsers' own number fields read a comma
as their language likes, and hand on something else than what was typed.
"""

from typing import Any

import gradio as gr

from playground.errors import InvalidInput
from playground.places import ASSETS
from playground.settings import Settings

READING = (ASSETS / "numbers.js").read_text(encoding="utf-8")
"""The script that reads typed numbers, for every component that has a number box."""

_TEMPLATE = (ASSETS / "number.html").read_text(encoding="utf-8")
_SCRIPT = READING + (ASSETS / "number.js").read_text(encoding="utf-8")


class NumberBox(gr.HTML):
    """A box for one number. Fires `input` when another number was given, `submit` when that was by Enter."""

    def __init__(self, value: float | None = None, **settings: Any) -> None:
        """`label`, `name`; `bounds` as `bounds_of` tells them; `info` explains it, `step` is what arrow keys add."""
        own = {"label": "", "info": "", "placeholder": "", "step": 1, "name": "", "bounds": {}}
        settings = {"padding": False, "apply_default_css": False, **own, **settings}
        self.whole = bool(settings["bounds"].get("whole"))
        super().__init__(value, html_template=_TEMPLATE, js_on_load=_SCRIPT, **settings)

    def preprocess(self, payload: Any) -> Any:
        """The number, None for an empty box; the page's own script sends nothing else."""
        if payload in (None, ""):
            return None
        if isinstance(payload, bool) or not isinstance(payload, int | float):
            raise InvalidInput(f"{payload!r} is not a number.", "Type a number such as 0.5.")
        return int(payload) if self.whole and float(payload).is_integer() else payload

    def postprocess(self, value: Any) -> Any:
        """An empty box is an empty text, since no value at all would keep what was there."""
        return "" if value is None else value

    def api_info(self) -> dict[str, Any]:
        """What a client sends: a number, or nothing."""
        return {"type": "number"}


def bounds_of(settings: type[Settings], name: str) -> dict[str, Any]:
    """The bounds of a setting as it is defined; `least`, `most` and `above` are None where there is none."""
    schema = settings.model_json_schema()["properties"][name]
    kinds = schema.get("anyOf", [schema])
    number = next(kind for kind in kinds if kind["type"] != "null")
    below = number.get("exclusiveMaximum")
    return {
        "least": number.get("minimum"),
        "most": number.get("maximum") if below is None else below - 1,  # only whole numbers stay below something
        "above": number.get("exclusiveMinimum"),
        "whole": number["type"] == "integer",
        "optional": len(kinds) > 1,
    }
