"""The lab learns whom to pay, and deletes one person for good."""

import csv
import io
import json
from pathlib import Path

import pytest

from playground.study import backup, stimuli
from playground.study.database import sqlite_url
from playground.study.records import Records
from playground.study.recruiting import RecruitmentIds
from playground.study.store import Store
from tests.cli.test_cli import Shell
from tests.study.made import make_study, walk
from tests.study.test_cli import files, refused


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return Shell(capsys, monkeypatch)


@pytest.fixture
def answered(tmp_path: Path) -> Path:
    """A study that one person finished, one began, and one came to without an id."""
    folder = tmp_path / "my-study"
    study = make_study(folder)
    with Store.open(sqlite_url(folder / "study.sqlite"), study) as store:
        done = store.enrol("form-0001", RecruitmentIds("=1+1", "recruitment", "session-1")).code
        walk(store, done)
        store.respond(done, {"mood": "4"})
        store.finish(done)
        walk(store, store.enrol("form-0002", RecruitmentIds("pid-2")).code, 5)
        store.enrol("form-0003")
    return folder


def test_whom_to_pay_is_listed_with_ids_only_when_asked(shell: Shell, answered: Path) -> None:
    ran = shell("study", "people", str(answered), "--ids")
    assert ran.code == 0, ran.err
    rows = list(csv.DictReader(io.StringIO(ran.out)))
    assert [row["id"] for row in rows] == ["'=1+1", "pid-2", ""]  # no spreadsheet runs it
    assert [row["session"] for row in rows] == ["session-1", "", ""]
    assert [(row["outcome"], row["code"]) for row in rows] == [("completed", "C-DONE"), ("", ""), ("", "")]
    assert [row["answered"] for row in rows] == ["15", "4", "0"]
    plain = shell("study", "people", str(answered))
    assert "pid-2" not in plain.out
    lines = [json.loads(line) for line in shell("study", "people", str(answered), "--ids", "--json").out.splitlines()]
    assert [line["id"] for line in lines] == ["=1+1", "pid-2", ""]


def test_a_forgotten_person_is_in_no_table_and_cannot_begin_anew(shell: Shell, answered: Path, tmp_path: Path) -> None:
    ran = shell("study", "forget", str(answered), "pid-2")
    assert ran.code == 0, ran.err
    assert "backup" in ran.out
    assert "restoring" in ran.out
    url = sqlite_url(answered / "study.sqlite")
    with Records.open(url, stimuli.load(answered)) as records:
        assert len(records.enrolled()) == 2
        assert "pid-2" not in {ids.external for ids in records.external().values()}
        assert records.progress().withdrawn == 1
    backup.write(url, tmp_path / "after.zip")
    refused(shell("study", "forget", str(answered), "pid-2"), "withdrawn already")
    again = sqlite_url(tmp_path / "again.sqlite")
    backup.read(tmp_path / "after.zip", again, stimuli.load(answered))
    with Store.open(again, stimuli.load(answered)) as store:
        assert store.has_withdrawn("pid-2")  # a restored study knows it too


def test_what_cannot_be_forgotten_is_told_and_changes_nothing(shell: Shell, answered: Path, tmp_path: Path) -> None:
    before = files(tmp_path)
    refused(shell("study", "forget", str(answered), "nobody"), "Nobody of that id")
    refused(shell("study", "forget", str(answered), "x", "--database", f"sqlite:///{tmp_path}/n.sqlite"), "no database")
    refused(shell("study", "people", str(answered), "--database", f"sqlite:///{tmp_path}/n.sqlite"), "no database")
    assert files(tmp_path) == before
