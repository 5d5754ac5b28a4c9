"""Where things lie: the folders that ship with the playground and the user's cache. Knows paths, opens nothing."""

from pathlib import Path

from platformdirs import user_cache_path, user_data_path

_INSTALLED = Path(__file__).parent / "_data"  # a wheel carries assets and presets in here
_SHIPPED = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parent.parent

ASSETS = _SHIPPED / "assets"
"""Styles, scripts and templates of the pages."""

AXES = ASSETS / "axes"
"""The shipped axes, one folder each."""

PRESETS = _SHIPPED / "presets"
"""The shipped presets, one TOML file each, and the prompts axes are made with."""

INSTANT = PRESETS / "instant"
"""The shipped instant axes, one TOML file each."""


def cache_directory() -> Path:
    """The user's cache folder of this program (honours XDG_CACHE_HOME); it may not exist yet."""
    return user_cache_path("alignment-playground", appauthor=False)


def data_directory() -> Path:
    """Where the page keeps what people make on it (honours XDG_DATA_HOME); it may not exist yet."""
    return user_data_path("alignment-playground", appauthor=False)


def own_axes() -> Path:
    """Where the axes lie that were made or loaded on the page; it may not exist yet."""
    return data_directory() / "axes"


def models_directory() -> Path:
    """Where converted and built base models are kept; it may not exist yet."""
    return cache_directory() / "models"
