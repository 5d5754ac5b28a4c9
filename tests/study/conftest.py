"""Studies on disk, and the databases they are kept in: a file each, and a PostgreSQL server of the tests' own."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from playground.study.database import sqlite_url
from playground.study.stimuli import Study
from playground.study.store import Store
from tests.study.made import make_study
from tests.study.postgres import Server, binaries


@pytest.fixture(autouse=True)
def same_tokens(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens and schedules are a test's own and the same each time.

    They are of hexadecimal digits alone: one of letters spells a word that a page must not tell ("axis") once in a
    few thousand runs.
    """
    number = count()

    def digits(length: int) -> str:
        return hashlib.sha256(f"{request.node.nodeid} {next(number)}".encode()).hexdigest()[:length]

    monkeypatch.setattr(secrets, "token_hex", lambda size: digits(2 * size))
    monkeypatch.setattr(secrets, "token_urlsafe", lambda size: digits(-(-size * 4 // 3)))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a built study."""
    folder = tmp_path_factory.mktemp("study")
    make_study(folder)
    return folder


@pytest.fixture(scope="session")
def study(folder: Path) -> Study:
    from playground.study import stimuli

    return stimuli.load(folder)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A PostgreSQL server of this run's own."""
    if binaries() is None and not os.environ.get("CI"):
        pytest.skip("PostgreSQL is not installed; on Debian and Ubuntu: apt install postgresql")
    server = Server(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "study.sqlite")
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def store(url: str, study: Study) -> Iterator[Store]:
    store = Store.open(url, study)
    yield store
    store.close()
