"""A study's commands on what is mistyped or in the way: one sentence, exit code 2, nothing made or overwritten."""

import os
from pathlib import Path

import pytest

from playground.study import backup
from playground.study.database import connect, sqlite_url
from playground.study.recruiting import RecruitmentIds
from playground.study.stimuli import Study
from playground.study.store import Store
from tests.cli.test_cli import Ran, Shell
from tests.study.made import PLAN, make_study, walk
from tests.study.postgres import Server


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return Shell(capsys, monkeypatch)


@pytest.fixture
def answered(tmp_path: Path) -> Path:
    """The folder of a study that two people have answered, in its own database."""
    study = make_study(tmp_path / "my-study")
    with Store.open(sqlite_url(tmp_path / "my-study" / "study.sqlite"), study) as store:
        for number in range(2):
            walk(store, store.enrol(f"form-000{number}", RecruitmentIds(f"pid-{number}")).code)
    return tmp_path / "my-study"


def refused(ran: Ran, says: str) -> None:
    assert ran.code == 2, ran
    assert says in ran.err
    assert "Traceback" not in ran.err
    assert len(ran.err.strip().splitlines()) <= 2, ran.err
    assert ran.out == ""


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but SQLite's own helpers, which come and go as a database is read."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


READERS = {
    "backup": ["--out", "new.zip"],
    "export": ["--out", "new"],
    "analyse": ["--out", "new"],
}


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("there", ["nothing", "an empty file", "other tables", "no folder"])
def test_a_command_that_reads_makes_no_database(
    shell: Shell, answered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, there: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ("nosuch/sudy.sqlite" if there == "no folder" else "sudy.sqlite")
    if there == "an empty file":
        path.write_bytes(b"")
    if there == "other tables":
        engine = connect(sqlite_url(path))
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE alembic_version")
        engine.dispose()
    before = files(tmp_path)
    ran = shell("study", command, str(answered), *READERS[command], "--database", f"sqlite:///{path}")
    refused(ran, "There is no database" if there in ("nothing", "no folder") else "holds no study")
    assert str(path) in ran.err
    assert files(tmp_path) == before
    assert path.exists() == (there in ("an empty file", "other tables"))


@pytest.mark.parametrize("command", READERS)
def test_a_relative_address_is_where_one_stands_and_told_whole(
    shell: Shell, answered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(answered)
    assert shell("study", command, ".", *READERS[command], "--database", "sqlite:///study.sqlite").code == 0
    monkeypatch.chdir(tmp_path)
    ran = shell("study", command, str(answered), *READERS[command], "--database", "sqlite:///study.sqlite")
    refused(ran, f"There is no database at {tmp_path / 'study.sqlite'}")
    assert not (tmp_path / "study.sqlite").exists()


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize(
    "address",
    ["study.sqlite", "sqlite:study.sqlite", "sqlite://study.sqlite", "sqlite:///file:x?uri=true", "mysql://h/x"],
)
def test_what_is_no_address_is_told(shell: Shell, answered: Path, command: str, address: str) -> None:
    ran = shell("study", command, str(answered), "--out", str(answered / "new"), "--database", address)
    refused(ran, "no database address")


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_keeps_nothing(shell: Shell, answered: Path, address: str) -> None:
    for command in ("export", "serve"):
        options = ["--out", str(answered / "new")] if command == "export" else []
        refused(shell("study", command, str(answered), *options, "--database", address), "memory")


def test_a_file_that_is_no_database_is_told_and_left_alone(shell: Shell, answered: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.sqlite"
    file.write_text("These are my notes, which are longer than a header of SQLite would be. " * 20)
    before = file.read_bytes()
    for command, options in READERS.items():
        ran = shell("study", command, str(answered), *options, "--database", f"sqlite:///{file}")
        refused(ran, "cannot be used")
    assert file.read_bytes() == before


@pytest.mark.parametrize("command", READERS)
def test_an_empty_database_of_postgresql_stays_empty(
    shell: Shell, answered: Path, postgres: Server, command: str, tmp_path: Path
) -> None:
    import psycopg

    url = postgres.new_database()
    ran = shell("study", command, str(answered), "--out", str(tmp_path / "new"), "--database", url)
    refused(ran, "holds no study")
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert tables == []


@pytest.mark.parametrize("command", ["export", "analyse"])
def test_a_database_of_another_study_is_not_entered(shell: Shell, answered: Path, tmp_path: Path, command: str) -> None:
    make_study(tmp_path / "other", PLAN.replace('"made"', '"other"'))
    make_study(tmp_path / "later", PLAN.replace("A made study", "A made study, changed"))
    database = f"sqlite:///{answered / 'study.sqlite'}"
    before = files(answered)
    options = ["--out", str(tmp_path / "new"), "--database", database]
    refused(shell("study", command, str(tmp_path / "other"), *options), "no study named other")
    refused(shell("study", command, str(tmp_path / "later"), *options), "another version")
    assert files(answered) == before


def test_postgres_is_postgresql(shell: Shell, study: Study, folder: Path, postgres: Server, tmp_path: Path) -> None:
    url = postgres.new_database().replace("postgresql://", "postgres://")
    with Store.open(url, study) as store:
        walk(store, store.enrol("form-0001").code)
    ran = shell("study", "export", str(folder), "--out", str(tmp_path / "data"), "--database", url)
    assert ran.code == 0, ran.err
    assert (tmp_path / "data" / "answers.csv").is_file()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_password_is_never_told(shell: Shell, answered: Path, tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}://somebody:hush-hush@127.0.0.1:1/x"
    ran = shell("study", "export", str(answered), "--out", str(tmp_path / "new"), "--database", url)
    refused(ran, "cannot be used")
    assert "hush" not in ran.err


# -- files in the way --------------------------------------------------------------------------------------------------


def in_the_way(kind: str, database: Path, tmp_path: Path) -> Path:
    """Somewhere a backup must not be written."""
    match kind:
        case "symlink":
            path = tmp_path / "link.zip"
            path.symlink_to(database)
        case "dangling symlink":
            path = tmp_path / "link.zip"
            path.symlink_to(f"{database}-journal")
        case "hardlink":
            path = tmp_path / "hard.zip"
            os.link(database, path)
        case "file":
            path = tmp_path / "thesis.zip"
            path.write_text("years of work")
        case "folder":
            path = tmp_path / "folder"
            path.mkdir()
        case "by another way":
            path = database.parent / ".." / database.parent.name / database.name
        case _:
            path = database.with_name(database.name + kind)
    return path


@pytest.mark.parametrize(
    "kind",
    ["", "-wal", "-shm", "-journal", "symlink", "dangling symlink", "hardlink", "file", "folder", "by another way"],
)
def test_a_backup_overwrites_nothing(shell: Shell, answered: Path, tmp_path: Path, kind: str) -> None:
    database = answered / "study.sqlite"
    path = in_the_way(kind, database, tmp_path)
    before = files(tmp_path)
    refused(shell("study", "backup", str(answered), "--out", str(path)), str(path))
    assert files(tmp_path) == before
    assert database.read_bytes().startswith(b"SQLite format 3")


def test_a_backup_that_cannot_be_written_leaves_nothing(shell: Shell, answered: Path, tmp_path: Path) -> None:
    before = files(tmp_path)
    refused(shell("study", "backup", str(answered), "--out", str(tmp_path / "nosuch" / "b.zip")), "cannot be written")
    refused(shell("study", "backup", str(answered), "--out", str(answered / "study.toml" / "b.zip")), "cannot be")
    assert files(tmp_path) == before


def test_a_backup_has_only_its_own_file(shell: Shell, answered: Path, tmp_path: Path) -> None:
    (tmp_path / "b.zip.part").write_text("somebody's")
    ran = shell("study", "backup", str(answered), "--out", str(tmp_path / "b.zip"))
    assert ran.code == 0, ran.err
    assert (tmp_path / "b.zip.part").read_text() == "somebody's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.zip", "b.zip.part", "my-study"]
    assert backup.read(tmp_path / "b.zip", sqlite_url(tmp_path / "again.sqlite")) > 0


def test_an_export_overwrites_nothing(shell: Shell, answered: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert shell("study", "export", str(answered), "--out", str(out)).code == 0
    (out / "people.csv").write_text("names taken out by hand")
    before = files(tmp_path)
    refused(shell("study", "export", str(answered), "--out", str(out)), "there already")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "study.json").write_text("mine")
    refused(shell("study", "export", str(answered), "--out", str(tmp_path / "other")), "there already")
    assert files(out) == {name[5:]: content for name, content in before.items() if name.startswith("data/")}
    assert files(tmp_path / "other") == {"study.json": b"mine"}


def test_an_analysis_says_that_it_replaces_an_earlier_one_and_nothing_else(
    shell: Shell, answered: Path, tmp_path: Path
) -> None:
    first = shell("study", "analyse", str(answered), "--exclude", "NONE")
    assert first.code == 0, first.err
    assert "replac" not in first.out
    again = shell("study", "analyse", str(answered), "--exclude", " Failed-Check , TOO_FAST ")
    assert again.code == 0, again.err
    assert "replac" in again.out
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.html").write_text("mine")
    refused(shell("study", "analyse", str(answered), "--out", str(tmp_path / "mine")), "there already")
    assert files(tmp_path / "mine") == {"report.html": b"mine"}


def test_simulated_people_never_join_real_ones(shell: Shell, answered: Path) -> None:
    database = f"sqlite:///{answered / 'study.sqlite'}"
    before = files(answered)
    refused(shell("study", "simulate", str(answered), "--people", "1", "--database", database), "already")
    assert files(answered) == before


def test_a_build_leaves_alone_what_people_answered_or_somebody_wrote(
    shell: Shell, answered: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.toml"
    changed.write_text(PLAN.replace("A made study", "A made study, changed"))
    before = files(tmp_path)
    refused(shell("study", "build", str(changed), "--out", str(answered), "--model", "tiny"), "another version")
    other = tmp_path / "desk"
    other.mkdir()
    (other / "study.toml").write_text("# written by hand\n" + PLAN)
    before = files(tmp_path)
    refused(shell("study", "build", str(changed), "--out", str(other), "--model", "tiny"), "there already")
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "option", [("--against", "nan"), ("--against", "inf"), ("--width", "nan"), ("--width", "0"), ("--preferred", "nan"),
               ("--spread", "inf"), ("--sharpness", "nan")],
)  # fmt: skip
def test_power_of_nothing_is_refused(shell: Shell, tmp_path: Path, option: tuple[str, str]) -> None:
    (tmp_path / "study.toml").write_text(PLAN)
    ran = shell("study", "power", str(tmp_path / "study.toml"), "--people", "5", "--studies", "20", *option)
    refused(ran, option[0].removeprefix("--"))
