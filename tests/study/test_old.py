"""Studies begun with the first tables go on: databases of both kinds and backups, as that version wrote them."""

import sqlite3
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from playground.study import backup, results, stimuli
from playground.study.database import connect, sqlite_url
from playground.study.pages import ClosedScreen, ConsentScreen, EndScreen, TrialScreen
from playground.study.records import Records
from playground.study.store import Store
from playground.study.tables import metadata
from playground.study.visit import Visits
from tests.study.made import walk
from tests.study.postgres import Server

OLD = Path(__file__).with_name("old")
"""A study with three people: one came to the end, one is half-way, one has all but the questions behind; a preview."""


def old_database(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A database as the first version left it."""
    script = (OLD / f"0001.{kind}.sql").read_text(encoding="utf-8")
    if kind == "sqlite":
        with sqlite3.connect(tmp_path / "study.sqlite") as connection:
            connection.executescript(script)
        connection.close()
        return sqlite_url(tmp_path / "study.sqlite")
    server: Server = request.getfixturevalue("postgres")
    url = server.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(script)  # pyright: ignore
    return url


def check_people(url: str) -> None:
    """All is there, and everybody goes on where they were."""
    study = stimuli.load(OLD)
    with Records.open(url, study) as records:
        people = results.people_table(records, study)
        assert people["outcome"].to_list() == ["completed", "", ""]
        assert people["answered"].to_list() == [15, 5, 15]
        assert not people["pilot"].any()
        assert set(people["group"]) == {""}
        assert {ids.external for ids in records.external().values()} == {"pid-done", "pid-half"}
    with Store.open(url, study) as store:
        visits = Visits(study, store)
        done = visits.arrive({"PROLIFIC_PID": "pid-done", "SESSION_ID": "session-1"}).screen
        assert isinstance(done, EndScreen)
        assert done.outcome == "completed"
        half = visits.arrive({"PROLIFIC_PID": "pid-half", "SESSION_ID": "session-2"})
        assert isinstance(half.screen, TrialScreen)
        assert half.screen.done == 5
        assert len(walk(store, half.code)) == 10
        assert isinstance(visits.arrive({"PROLIFIC_PID": "pid-gone"}).screen, ConsentScreen)  # whose id nobody kept
        new = store.enrol("form-new-1").code
        assert len(walk(store, new)) == 19
        assert store.forget("pid-half")
        assert visits.arrive({"PROLIFIC_PID": "pid-half"}).screen == ClosedScreen("gone")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_of_the_first_tables_is_brought_up_to_date(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    url = old_database(kind, tmp_path, request)
    engine = connect(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        tasks = connection.execute(sa.text("SELECT count(*) FROM trials WHERE task = kind")).scalar_one()
        assert tasks == connection.execute(sa.text("SELECT count(*) FROM trials")).scalar_one() > 0
        assert len(connection.execute(sa.text("SELECT secret FROM studies")).scalar_one()) >= 32
    engine.dispose()
    check_people(url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_of_the_first_tables_is_restored(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server: Server | None = request.getfixturevalue("postgres") if kind == "postgresql" else None
    url = server.new_database() if server else sqlite_url(tmp_path / "study.sqlite")
    assert backup.read(OLD / "0001.zip", url, stimuli.load(OLD)) > 100
    check_people(url)
