"""The menu of axes of a tab: those that are loaded, and two sentences, which stand in boxes of their own."""

from collections.abc import Iterable

from playground import descriptions

TWO_SENTENCES = "|"
"""What the menu holds for an axis that two sentences describe. No axis is called so."""

DESCRIBE = "describe …"
"""What the menu calls it."""


def choices(names: Iterable[str]) -> list[tuple[str, str]]:
    """What the menu offers: label and value of each."""
    return [*((name, name) for name in sorted(names)), (DESCRIBE, TWO_SENTENCES)]


def chosen(menu: str | None, positive: str = "", negative: str = "") -> str:
    """The name of the axis that menu and boxes tell; empty while a sentence is missing."""
    if menu != TWO_SENTENCES:
        return menu or ""
    return descriptions.name_of(positive, negative) if positive.strip() and negative.strip() else ""


def shown(axis: str) -> str:
    """What the menu shows of an axis."""
    return TWO_SENTENCES if not axis or descriptions.parts(axis) else axis
