"""Model folders that this program makes and keeps in the user's cache, each sealed with its sums."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from playground.errors import InvalidInput, ModelUnavailable
from playground.places import models_directory
from playground.sources import sums
from playground.sources.folder import check_model_folder


def folder_of(folder: Path, make: Callable[[Path], object]) -> Path:
    """The folder, made by `make` first where it is not there and whole. Raises ModelUnavailable."""
    if is_whole(folder):
        return folder
    try:
        models_directory().mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=models_directory()))
    except OSError as error:
        raise _unusable(error) from None
    try:
        make(scratch / "new")
        sums.seal(check_model_folder(scratch / "new"))
        if folder.exists():
            os.replace(folder, scratch / "damaged")
        os.replace(scratch / "new", folder)
    except OSError as error:
        if not is_whole(folder):  # else another process was first, with the very same weights
            raise _unusable(error) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def is_whole(folder: Path) -> bool:
    """Whether a folder is a model's, sealed, and unchanged since."""
    try:
        check_model_folder(folder)
    except (InvalidInput, ModelUnavailable):
        return False
    return sums.is_sealed(folder) and not sums.changed(folder)


def _unusable(error: OSError) -> ModelUnavailable:
    return ModelUnavailable(
        f"The cache folder {models_directory()} cannot be used: {error}.",
        "Make it writable, or set XDG_CACHE_HOME to a folder that is.",
    )
