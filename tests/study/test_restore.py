"""A file that is no sound backup is refused in one sentence that tells no row, and leaves the database as it was."""

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from playground.errors import InvalidInput
from playground.study import backup, results
from playground.study.database import sqlite_url
from playground.study.records import Records
from playground.study.recruiting import RecruitmentIds
from playground.study.stimuli import Study
from playground.study.store import Store
from playground.study.visit import Visits
from tests.cli.test_cli import Shell
from tests.study.made import walk
from tests.study.postgres import Server
from tests.study.test_cli import files, refused

Lines = dict[str, list[str]]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return Shell(capsys, monkeypatch)


@pytest.fixture(scope="module")
def sound(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a study that two people answered."""
    where = tmp_path_factory.mktemp("sound")
    with Store.open(sqlite_url(where / "study.sqlite"), study) as store:
        for number in range(2):
            code = store.enrol(f"form-000{number}", RecruitmentIds(f"pid-secret-{number}", "s", "t")).code
            walk(store, code, 100 if number else 9)
        store.respond(code, {"mood": "4"})
        store.finish(code)
    backup.write(sqlite_url(where / "study.sqlite"), where / "sound.zip")
    return where / "sound.zip"


def members(path: Path) -> Lines:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode().splitlines() for name in archive.namelist()}


def packed(lines: Lines, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in lines.items():
            archive.writestr(name, rows[0] if name == "revision" else "".join(f"{row}\n" for row in rows))
    return path


def column(table: str, name: str, value: object, number: int = 0) -> Callable[[Lines], None]:
    def change(lines: Lines) -> None:
        rows = lines[f"{table}.jsonl"]
        rows[number] = json.dumps(json.loads(rows[number]) | {name: value})

    return change


def without(table: str, name: str) -> Callable[[Lines], None]:
    def change(lines: Lines) -> None:
        rows = [json.loads(row) for row in lines[f"{table}.jsonl"]]
        lines[f"{table}.jsonl"] = [json.dumps({key: row[key] for key in row if key != name}) for row in rows]

    return change


def line(table: str, text: str) -> Callable[[Lines], None]:
    return lambda lines: lines[f"{table}.jsonl"].insert(0, text)


def twice(table: str) -> Callable[[Lines], None]:
    return lambda lines: lines[f"{table}.jsonl"].append(lines[f"{table}.jsonl"][0])


def lost(name: str) -> Callable[[Lines], None]:
    return lambda lines: lines.pop(name) and None  # pyright: ignore[reportReturnType]


BROKEN: dict[str, Callable[[Lines], None]] = {
    "a row that is no table": line("studies", "[1, 2, 3]"),
    "a row that is a text": line("people", '"pid-secret-9"'),
    "null": line("people", "null"),
    "no JSON": line("answers", "{oops"),
    "half a line": lambda lines: lines["events.jsonl"].append('{"id": 1, "stu'),
    "a deep one": line("events", "[" * 100_000 + "]" * 100_000),
    "a deep cell": lambda lines: lines["events.jsonl"].insert(0, '{"detail": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "a number of 10,000 digits": lambda lines: lines["people.jsonl"].insert(0, '{"id": ' + "9" * 10_000 + "}"),
    "an id beyond the database": column("people", "id", 10**30),
    "an infinite time": column("people", "seen_at", float("inf")),
    "a time that is nan": column("people", "consented_at", float("nan")),
    "a time far beyond float": column("people", "seen_at", 10**400),
    "a text for a number": column("trials", "position", "first"),
    "a number for a text": column("people", "code", 7),
    "a list for a text": column("people", "code", ["x"]),
    "true for a number": column("answers", "changes", True),
    "a number for true": column("people", "preview", 2),
    "a text too long": column("people", "code", "x" * 41),
    "a zero byte": column("responses", "value", "a\x00b"),
    "a lone surrogate": column("responses", "value", "\ud800"),
    "null where something is needed": column("people", "seed", None),
    "a missing column": without("people", "seed"),
    "another column": column("people", "address", "1.2.3.4"),
    "a duplicate row": twice("people"),
    "a duplicate answer": twice("answers"),
    "a row of nobody": column("trials", "person_id", 999),
    "an answer to no trial": column("answers", "trial_id", 999),
    "an unknown kind": column("trials", "kind", "essay"),
    "an unknown outcome": column("people", "outcome", "won"),
    "an unknown choice": column("answers", "choice", "perhaps"),
    "options that are no list": column("trials", "options", "work/0/1.0"),
    "options that no study has": column("trials", "options", ["nosuch/0/1.0", "nosuch/0/2.0"]),
    "options of another count": column("trials", "options", []),
    "a start beyond the options": column("trials", "start", 99),
    "a path that is none": column("answers", "path", [[1]]),
    "a detail that is a list": column("events", "detail", [1]),
    "a missing table": lost("trials.jsonl"),
    "a table too many": lambda lines: lines.update({"../../evil.jsonl": []}),
    "no revision": lost("revision"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_backup_is_refused_without_its_rows(
    shell: Shell, sound: Path, folder: Path, tmp_path: Path, broken: str
) -> None:
    lines = members(sound)
    BROKEN[broken](lines)
    path = packed(lines, tmp_path / "broken.zip")
    ran = shell("study", "restore", str(path), "--folder", str(folder), "--database", f"sqlite:///{tmp_path}/x.sqlite")
    refused(ran, "is no backup of a study")
    for secret in ("secret", "SELECT", "INSERT", "sqlalchemy", "1.2.3.4", "nosuch", "form-000"):
        assert secret not in ran.err
    assert list(files(tmp_path)) == ["broken.zip"], "no database is left where there was none"


def zeros(path: Path) -> None:
    """A zip of 40 KB that unpacks to 40 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("revision", *(f"{name}.jsonl" for name in ("studies", "people", "external_ids", "trials"))):
            archive.writestr(name, "0001" if name == "revision" else "")
        for name in ("answers", "responses", "events"):
            archive.writestr(f"{name}.jsonl", "0" * 40_000_000 if name == "events" else "")


WHOLE: dict[str, Callable[[Path], object]] = {
    "a text": lambda path: path.write_text("hello"),
    "nothing": lambda path: path.write_bytes(b""),
    "a folder": lambda path: path.mkdir(),
    "not there": lambda path: None,
    "a zip of much": zeros,
}


@pytest.mark.parametrize("kind", WHOLE)
def test_what_is_no_backup_at_all_is_refused_as_one(shell: Shell, folder: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.zip"
    WHOLE[kind](path)
    before = files(tmp_path)
    ran = shell("study", "restore", str(path), "--folder", str(folder), "--database", f"sqlite:///{tmp_path}/x.sqlite")
    refused(ran, "is no backup of a study")
    assert files(tmp_path) == before


def test_a_torn_or_flipped_backup_is_refused(sound: Path, study: Study, tmp_path: Path) -> None:
    whole, draw = sound.read_bytes(), random.Random(5)
    path, target = tmp_path / "x.zip", sqlite_url(tmp_path / "x.sqlite")
    for _ in range(60):
        raw = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(raw) if draw.random() < 0.7 else whole[: draw.randrange(len(whole))])
        try:
            backup.read(path, target, study)
        except InvalidInput:
            assert not (tmp_path / "x.sqlite").exists()
        else:  # a bit that a zip does not need, such as one of a date
            (tmp_path / "x.sqlite").unlink()


@pytest.mark.parametrize("to", ["sqlite", "postgresql"])
def test_a_backup_that_breaks_at_its_end_leaves_the_database_as_it_was(
    sound: Path, study: Study, tmp_path: Path, to: str, request: pytest.FixtureRequest
) -> None:
    server: Server | None = request.getfixturevalue("postgres") if to == "postgresql" else None
    target = server.new_database() if server else sqlite_url(tmp_path / "x.sqlite")
    lines = members(sound)
    twice("events")(lines)  # the last table
    with pytest.raises(InvalidInput, match="do not fit together"):
        backup.read(packed(lines, tmp_path / "x.zip"), target, study)
    with pytest.raises(InvalidInput, match=r"no study|no database"):
        Records.open(target, study)
    Store.open(target, study).close()  # an empty study, entered but not begun
    with pytest.raises(InvalidInput, match="not empty"):
        backup.read(sound, target, study)
    with Records.open(target, study) as records:
        assert records.enrolled() == []


@pytest.mark.parametrize("seed", range(4))
def test_a_changed_cell_is_refused_or_breaks_nothing_later(
    sound: Path, study: Study, tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    cells: list[Any] = [
        None,
        True,
        -1,
        0,
        3,
        2**31,
        1e308,
        "",
        "x",
        "left",
        "pair",
        [],
        ["x"],
        {},
        {"x": [1]},
        [[0.5, 1]],
    ]
    for _ in range(20):
        lines = members(sound)
        table = draw.choice([name for name in lines if name != "revision" and lines[name]])
        number = draw.randrange(len(lines[table]))
        name = draw.choice(sorted(json.loads(lines[table][number])))
        column(table.removesuffix(".jsonl"), name, draw.choice(cells), number)(lines)
        target = tmp_path / f"{draw.random()}.sqlite"
        try:
            backup.read(packed(lines, tmp_path / "x.zip"), sqlite_url(target), study)
        except InvalidInput:
            assert not target.exists()
            continue
        with Store.open(sqlite_url(target), study) as store:
            results.long_table(store, study)
            results.people_table(store, study)
            for person in json.loads("[" + ",".join(lines["people.jsonl"]) + "]"):
                page = Visits(study, store).arrive({"code": person["code"]})
                if page.code:
                    walk(store, page.code)
