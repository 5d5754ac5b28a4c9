"""Instant axes as they are written down: two descriptions, a TOML table each, or both in the axis's very name.

Reads, checks and writes them; knows nothing of models or pages.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import tomli_w
from pydantic import Field

from playground import places
from playground.cards import Descriptions, Named, Poles
from playground.errors import InvalidInput, PlaygroundError
from playground.files import parse_toml, read_text

BETWEEN = " | "
"""What stands between two descriptions that are the name of their axis, the positive one first."""

_NAME = 60
"""Letters of a name, and of what an end is called."""


class Described(Named, Descriptions):
    """One file of `presets/instant/`: an axis that acts at once, without any training."""

    left: str = Field(default="", max_length=_NAME, description="What the negative end is called, in a word or two.")
    right: str = Field(default="", max_length=_NAME, description="What the positive end is called.")
    licence: str = Field(default="Apache-2.0", max_length=200, description="Of the descriptions.")
    notes: str = Field(default="", max_length=2000, description="What a person should know of it.")

    @property
    def address(self) -> str:
        """A name that tells all there is: whoever is given it can make the same axis."""
        return f"{self.positive}{BETWEEN}{self.negative}"

    @property
    def poles(self) -> Poles:
        """What the two ends are called; the descriptions themselves unless somebody named them."""
        return Poles(negative=self.left or _short(self.negative), positive=self.right or _short(self.positive))


def of(positive: str, negative: str) -> Described:
    """An axis of two descriptions and nothing else. Raises InvalidInput."""
    told = Descriptions(positive=positive, negative=negative)
    return Described(name=_short(told.positive), positive=told.positive, negative=told.negative)


def named(name: str) -> Described | None:
    """What an axis's name tells: a shipped table's name, or two descriptions. Raises InvalidInput for unfit ones."""
    if name in (shipped := gallery()):
        return shipped[name]
    positive, between, negative = name.partition("|")
    return of(positive, negative) if between else None


def name_of(positive: str, negative: str) -> str:
    """The name of the axis of two descriptions: a shipped table's where they are its own, or else both of them.

    What they lack is told when the name is read, not here.
    """
    told = positive.strip(), negative.strip()
    shipped = (one.name for one in gallery().values() if (one.positive, one.negative) == told)
    return next(shipped, BETWEEN.join(told))


def parts(name: str) -> tuple[str, str] | None:
    """The two descriptions that an axis's name stands for, the positive one first; None for any other name."""
    if name in (shipped := gallery()):
        return shipped[name].positive, shipped[name].negative
    positive, between, negative = name.partition(BETWEEN.strip())
    return (positive.strip(), negative.strip()) if between else None


@cache
def gallery() -> dict[str, Described]:
    """The shipped instant axes by name, in the order of their files."""
    return {one.name: one for one in read_all(places.INSTANT)}


def read(path: Path) -> Described:
    """The axis that a TOML file describes. Raises InvalidInput that names the file and says what is wrong in it."""
    try:
        return Described(**parse_toml(read_text(path)))
    except PlaygroundError as error:
        raise InvalidInput(f"In the instant axis {path.name}: {error.message}", error.hint) from None


def read_all(folder: Path) -> tuple[Described, ...]:
    """The axes that the TOML files of a folder describe, in order of their names, without damaged ones."""
    return tuple(one for one in _each(folder) if isinstance(one, Described))


def damaged(folder: Path) -> tuple[InvalidInput, ...]:
    """What is wrong with each that `read_all` leaves out."""
    return tuple(one for one in _each(folder) if isinstance(one, InvalidInput))


def _each(folder: Path) -> Iterator[Described | InvalidInput]:
    for path in sorted(folder.glob("*.toml")):
        try:
            yield read(path)
        except InvalidInput as error:
            yield error


def to_toml(axis: Described) -> str:
    """The file that `read` makes this axis of; what is at its default is left out."""
    return tomli_w.dumps(axis.model_dump(exclude_defaults=True))


def _short(text: str) -> str:
    return text if len(text) <= _NAME else text[: _NAME - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
