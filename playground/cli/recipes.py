"""Recipes of axes as files: all that makes an axis, by the names that `playground axis` gives its options."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from playground import places
from playground.cli.making import Inventing, recipe_of
from playground.errors import InvalidInput, PlaygroundError
from playground.files import digest, parse_toml, read_text
from playground.settings import Seen

_FILES = ("pairs", "judge_pairs", "judge_file", "prompts")


class AxisRecipe(Inventing):
    """One file of `presets/axes`. Its paths lead on from the folder that it lies in."""

    name: Seen = Field(description="What to call the axis.")
    positive: str = Field(default="", description="Who answers at the positive pole.")
    negative: str = Field(default="", description="Who answers at the negative pole.")
    set: dict[str, Any] = Field(default={}, description="Settings of the training that differ from the usual.")
    sha256: dict[str, str] = Field(
        default={}, description=f"What the files must be, by what names them: {', '.join(_FILES)}."
    )

    def making(self) -> Inventing:
        """What `axis invent` would have been told."""
        own = {"name", "positive", "negative", "set", "sha256"}
        told: dict[str, Any] = self.model_dump(exclude=own, exclude_defaults=True)
        settings = tuple(f"{name}={json.dumps(value)}" for name, value in self.set.items())
        return Inventing(**told | {"settings": (*self.settings, *settings)})


def shipped() -> dict[str, Path]:
    """The recipes that come with the software, by the names of their axes."""
    return {path.stem: path for path in sorted((places.PRESETS / "axes").glob("*.toml"))}


def read(path: Path) -> AxisRecipe:
    """The recipe a TOML file holds, its files found and checked. Raises InvalidInput that says what is wrong in it."""
    try:
        given = parse_toml(read_text(path))
        found: dict[str, Any] = {name: (path.parent / str(given[name])).resolve() for name in _FILES if name in given}
        recipe = AxisRecipe(**{**given, **found})
        _check(recipe)
    except PlaygroundError as error:
        raise InvalidInput(f"In the recipe {path.name}: {error.message}", error.hint) from None
    return recipe


def _check(recipe: AxisRecipe) -> None:
    """Refuse settings that no training has, and files that are missing or not those that the recipe was made with."""
    recipe_of(recipe.seed, recipe.making().settings)
    if recipe.name in (".", "..") or set(recipe.name) & set("/\\"):
        raise InvalidInput(
            f"{recipe.name!r} cannot be a folder's name.", "Name the axis in letters, digits and dashes."
        )
    if recipe.pairs is None and not (recipe.positive and recipe.negative):
        raise InvalidInput("it has neither pairs nor two descriptions.", "Give pairs, or positive and negative.")
    for name in _FILES:
        file: Path | None = getattr(recipe, name)
        if file is not None and not file.is_file():
            raise InvalidInput(f"{name} names {file}, which is not there.", "Fetch it, or name another.")
        if name in recipe.sha256 and (file is None or digest(file) != recipe.sha256[name]):
            raise InvalidInput(f"{name} is not the file that the recipe was made with.", "Fetch that one.")
