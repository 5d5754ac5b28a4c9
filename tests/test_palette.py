"""Colours stand in one place: no other style sheet, script or module tells one of its own."""

import re
from pathlib import Path

import pytest

import playground
from playground import palette
from playground.places import ASSETS

_COLOUR = re.compile(r"#[0-9a-f]{6}(?:[0-9a-f]{2})?\b", re.IGNORECASE)


def test_it_is_told_by_name() -> None:
    assert palette.colour("accent-600") == "#0c7872"
    with pytest.raises(KeyError):
        palette.colour("toward")  # which has one value in the light and another in the dark


def test_no_module_tells_a_colour() -> None:
    for path in Path(playground.__file__).parent.rglob("*.py"):
        assert not _COLOUR.findall(path.read_text(encoding="utf-8")), path


def test_style_sheets_tell_none_but_the_palette_and_shades_of_black() -> None:
    for path in [*ASSETS.glob("*.css"), *ASSETS.glob("*.js"), *ASSETS.glob("*.html")]:
        told = {one for one in _COLOUR.findall(path.read_text(encoding="utf-8")) if not one.startswith("#000000")}
        assert path.name == "palette.css" or not told, path
