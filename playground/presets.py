"""Presets: conversations and strengths worth starting from, as TOML files a person can edit.

Reads, checks and writes them; knows nothing of models or pages.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import Field, create_model, model_validator

from playground import places
from playground.errors import InvalidInput, PlaygroundError
from playground.files import parse_toml, read_text
from playground.settings import (
    MAIN,
    Length,
    Level,
    Noise,
    Options,
    Row,
    Sampling,
    Seen,
    Sliders,
    Strength,
    conversation,
)

_main: Any = {MAIN: (Level, Field(default=1.0, description=Sliders.model_fields[MAIN].description))}
_Sliders: type[Sliders] = create_model("_Sliders", __base__=Sliders, **_main)


class Preset(Options, Sampling, Length, Noise, _Sliders):
    """One file of `presets/`, or one shared link: what to ask, along which axis, how strongly, with which noise."""

    title: Seen = Field(description="What the menu calls it.")
    prompt: Seen = Field(description="The first user turn.")
    system: str = Field(default="", description="System text; empty for none.")
    axis: str = Field(default="", description="Name of the axis; empty keeps the one chosen.")
    more: tuple[Strength, ...] = Field(default=(), description="Further axes mixed in, each with its own strength.")

    @model_validator(mode="after")
    def _can_be_asked(self) -> "Preset":
        Row(messages=conversation(self.prompt, self.system or None), strengths=self.more, seed=self.seed)
        return self


def read(path: Path) -> Preset:
    """The preset a TOML file holds. Raises InvalidInput that names the file and says what is wrong in it."""
    return parse(read_text(path), path.name)


def parse(text: str, name: str) -> Preset:
    """The preset in the text of a file of this name. Raises InvalidInput."""
    try:
        return Preset(**parse_toml(text))
    except PlaygroundError as error:
        raise InvalidInput(f"In the preset {name}: {error.message}", error.hint) from None


def read_all(folder: Path | None = None) -> tuple[Preset, ...]:
    """The presets of a folder (the shipped ones unless given), in order of their file names, without damaged ones."""
    return tuple(one for one in _each(folder) if isinstance(one, Preset))


def damaged(folder: Path | None = None) -> tuple[InvalidInput, ...]:
    """What is wrong with each preset that `read_all` leaves out."""
    return tuple(one for one in _each(folder) if isinstance(one, InvalidInput))


def _each(folder: Path | None) -> Iterator[Preset | InvalidInput]:
    for path in sorted((folder or places.PRESETS).glob("*.toml")):
        try:
            yield read(path)
        except InvalidInput as error:
            yield error


def prompt_for(axis: str | None) -> str:
    """A prompt that suits an axis: its first shipped preset's."""
    return next((preset.prompt for preset in read_all() if preset.axis == axis), "Tell me about yourself.")


def to_toml(preset: Preset) -> str:
    """The file that `read` makes this preset of; settings at their defaults are left out."""
    values = preset.model_dump(exclude_defaults=True, exclude={"more"}) | {"max_new_tokens": preset.max_new_tokens}
    values = {
        name: values[name] for name in (*Preset.__annotations__, MAIN, *values) if name in values
    }  # its own come first
    more = [strength.model_dump(exclude_defaults=True) for strength in preset.more]
    return tomli_w.dumps(values | ({"more": more} if more else {}))
