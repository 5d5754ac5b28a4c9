"""What many tests share: tiny models, the embedded one, and a cache of their own for whoever writes to it."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from playground import sources

FolderOf = Callable[[str], Path]

# Threads that wait for each other beside another busy process make tiny models many times as slow. Torch reads this
# when it is first imported; what the tests start inherits it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _own_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the page keeps goes to an empty folder, never to the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> FolderOf:
    """The folder of a tiny random model of a family, built once a run."""
    root = tmp_path_factory.mktemp("tiny-models")

    def folder_of(architecture: str = "llama") -> Path:
        folder = root / architecture
        return folder if folder.exists() else sources.build_tiny(folder, architecture)

    return folder_of


@pytest.fixture(scope="session")
def embedded() -> Path:
    """The embedded model's folder, fetched if need be. Without it a test fails: skipping would hide that."""
    return sources.resolve(sources.DEFAULT)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    from playground import places

    return places.models_directory()


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """As in a terminal: a shell's background jobs, the tests maybe among them, pass on that they ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
