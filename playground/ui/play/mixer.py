"""The mixer: further axes, each with its own strength, as one component whose value is a tuple of strengths."""

from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr

from playground import descriptions
from playground.cards import Card
from playground.errors import InvalidInput
from playground.places import ASSETS
from playground.settings import MAIN, MOST_AXES, Strength
from playground.ui.number_box import READING, bounds_of
from playground.ui.play.dial import SCALE

_TEMPLATE = (ASSETS / "mixer.html").read_text(encoding="utf-8")
_SCRIPT = READING + SCALE + (ASSETS / "mixer.js").read_text(encoding="utf-8")


class Mixer(gr.HTML):
    """Fires `input` while a slider of it moves and `release` once it has come to rest."""

    def __init__(self, value: Iterable[Strength] = (), **settings: Any) -> None:
        bounds = bounds_of(Strength, MAIN)
        settings = {
            "padding": False,
            "apply_default_css": False,
            "axes": [],
            "bounds": bounds,
            **settings,
        }
        super().__init__(value, html_template=_TEMPLATE, js_on_load=_SCRIPT, **settings)

    def preprocess(self, payload: Any) -> Any:
        """The strengths; the page's own script sends nothing else."""
        if (
            not isinstance(payload, list)
            or len(payload) > MOST_AXES
            or not all(isinstance(one, dict) for one in payload)
        ):
            raise InvalidInput("That is no mix of axes.", "Load the page again.")
        return tuple(Strength(**one) for one in payload)

    def postprocess(self, value: Any) -> Any:
        """The strengths as the page's script reads them."""
        return [strength.model_dump() for strength in value or ()]

    def api_info(self) -> dict[str, Any]:
        """What a client sends: a list of strengths."""
        return {"type": "array", "items": {"type": "object"}}


def listed(cards: Mapping[str, Card], chosen: str | None, mixed: Iterable[str] = ()) -> list[dict[str, str]]:
    """What the mixer shows: every axis but the one that has the dials, and those of two sentences that are mixed in."""
    poles = {name: card.poles for name, card in sorted(cards.items())}
    poles |= {name: told.poles for name in mixed if (told := descriptions.named(name)) is not None}
    return [
        {"name": name, "negative": ends.negative, "positive": ends.positive}
        for name, ends in poles.items()
        if name != chosen
    ]
