"""Axes from elsewhere: a folder on this machine, or uploaded files, which are kept once they are found sound."""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from playground.cards import FILE_NAME, Card
from playground.errors import AxisDamaged, InvalidInput
from playground.texts import folder_name

if TYPE_CHECKING:
    from playground.player import Player


def from_folder(player: "Player", folder: str) -> str:
    """Load the axis that lies in a folder; its name. Raises InvalidInput or AxisMismatch."""
    if not folder.strip():
        raise InvalidInput("There is nothing to load.", "Choose the axis's files, or name its folder.")
    path = _directory(folder.strip())
    if path is None:
        raise InvalidInput(f"There is no folder {folder.strip()[:200]}.", "Check the path.")
    return player.axis(str(path)).card.name


def from_files(player: "Player", files: Sequence[str], keep: Path) -> str:
    """Check uploaded files as an axis, keep them in a folder of their own under `keep`, and load it; its name.

    Nothing of a refused upload stays. Raises InvalidInput or AxisMismatch.
    """
    with tempfile.TemporaryDirectory() as scratch:
        for path in map(Path, files):
            if not path.is_file():
                raise InvalidInput(f"{path.name} is gone: uploads are kept for an hour.", "Choose the files again.")
            shutil.copyfile(path, Path(scratch) / path.name)
        card = _checked(player, Path(scratch))
        home = keep / folder_name(card.name)
        if home.exists():
            raise InvalidInput(f"There is something at {home} already.", "Move it away first.")
        try:
            home.mkdir(parents=True)
            for name in (FILE_NAME, *card.weights):
                shutil.copyfile(Path(scratch) / name, home / name)
        except OSError as error:
            shutil.rmtree(home, ignore_errors=True)
            raise InvalidInput(f"It cannot be kept: {error.strerror}.", f"Make room in {home.parent}.") from None
    return player.axis(str(home)).card.name


def _directory(path: str) -> Path | None:
    with suppress(OSError, ValueError, RuntimeError):  # too long, no text, or of nobody's home: no path at all
        found = Path(path).expanduser()
        return found if found.is_dir() else None
    return None


def _checked(player: "Player", folder: Path) -> Card:
    """The card of a whole axis that fits the model and whose name is free."""
    from playground.axes import load

    if not (folder / FILE_NAME).exists():
        raise AxisDamaged(f"There is no {FILE_NAME} among the files.", "Choose all files of the axis's folder.")
    card = Card.load(folder)
    if missing := sorted(set(card.weights) - {path.name for path in folder.iterdir()}):
        raise AxisDamaged(f"{missing[0]} is missing.", "Choose all files of the axis's folder.")
    load(folder, player.model)
    if card.name in player.axes:
        raise InvalidInput(f"There is an axis named {card.name} already.", "Rename one in its card.json.")
    return card
