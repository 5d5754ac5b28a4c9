"""Presets: conversations and strengths worth starting from, as TOML files a person can edit.

Reads and checks them; knows nothing of models or pages.
"""

import tomllib
from pathlib import Path

from pydantic import Field

from playground import places
from playground.errors import InvalidInput, PlaygroundError
from playground.settings import Settings


class Preset(Settings):
    """One file of `presets/`: what to ask, along which axis, how strongly."""

    title: str = Field(min_length=1, description="What the menu calls it.")
    prompt: str = Field(min_length=1, description="The first user turn.")
    system: str = Field(default="", description="System text; empty for none.")
    axis: str = Field(default="", description="Name of the axis; empty keeps the one chosen.")
    alpha: float = Field(default=1.0, description="Strength of the identity layer.")
    control: float = Field(default=0.0, description="Strength of the value function.")
    temperature: float = Field(default=0.0, ge=0, le=10, description="0 is greedy.")
    seed: int = Field(default=0, ge=0, description="Seed of the noise.")
    max_new_tokens: int = Field(default=64, ge=1, description="Longest reply, in tokens.")


def read(path: Path) -> Preset:
    """The preset a TOML file holds. Raises InvalidInput that names the file and says what is wrong in it."""
    try:
        return Preset(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"The preset {path.name} cannot be read: {error}.", "Check the file.") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"The preset {path.name} is not valid TOML: {error}.", "Correct that line.") from None
    except PlaygroundError as error:
        raise InvalidInput(f"In the preset {path.name}, {error.message}", error.hint) from None


def read_all(folder: Path | None = None) -> tuple[Preset, ...]:
    """The presets of a folder (the shipped ones unless given), in order of their file names."""
    return tuple(read(path) for path in sorted((folder or places.PRESETS).glob("*.toml")))
