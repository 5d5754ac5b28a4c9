"""Steering as a text, such as `extraversion=1,warm.control=0.5`: what stands behind the @ of a model's id."""

from typing import Any

from playground.errors import InvalidInput, shown
from playground.settings import MOST_AXES, SLIDERS, Strength

_SHAPE = "Write AXIS=ALPHA or AXIS.SLIDER=VALUE with commas between, such as extraversion=1,extraversion.control=0.5."


def parse(text: str) -> tuple[Strength, ...]:
    """The strengths a text names. `AXIS` alone is alpha 1, as trained. Raises InvalidInput where it names none."""
    found: dict[str, dict[str, Any]] = {}
    parts = text.split(",", MOST_AXES * len(SLIDERS))
    for part in parts:
        name, _, value = part.partition("=")
        axis, _, slider = name.rpartition(".")
        if not axis or slider not in SLIDERS:
            axis, slider = name, SLIDERS[0]
        if not axis.strip() or slider in found.setdefault(axis.strip(), {}):
            raise InvalidInput(f"{shown(part)} is no strength, or one named twice.", _SHAPE, "steering")
        found[axis.strip()][slider] = value if "=" in part else "1"
    try:
        return tuple(Strength(axis=axis, **sliders) for axis, sliders in found.items())
    except InvalidInput as error:
        raise InvalidInput(error.message, _SHAPE, "steering") from None
