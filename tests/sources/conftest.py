"""A model folder to damage."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import FolderOf


@pytest.fixture
def copy(tiny_folder: FolderOf, tmp_path: Path) -> Path:
    """A whole model folder that a test may damage."""
    return Path(shutil.copytree(tiny_folder("llama"), tmp_path / "model"))
