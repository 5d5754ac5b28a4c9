"""A backup holds everything, is closed to others, and fills an empty database of either kind, whole or not at all."""

import stat
import zipfile
from pathlib import Path

import pytest

from playground.errors import InvalidInput
from playground.study import backup
from playground.study.database import sqlite_url
from playground.study.recruiting import RecruitmentIds
from playground.study.stimuli import Study
from playground.study.store import Store
from tests.study.made import walk
from tests.study.postgres import Server


def everything(store: Store) -> tuple[object, ...]:
    return store.answered_trials(), store.enrolled(), store.events(), store.external()


@pytest.mark.parametrize("to", ["sqlite", "postgresql"])
def test_what_was_kept_comes_back_on_either_kind(
    store: Store, url: str, study: Study, tmp_path: Path, to: str, request: pytest.FixtureRequest
) -> None:
    for number in range(3):
        code = store.enrol(f"form-{number:04}", RecruitmentIds(f"pid-{number}")).code
        walk(store, code, 5 + number)
    store.respond(code, {"remarks": "ünïcode ' \" <b> \n end"})
    file = tmp_path / "backup.zip"
    assert backup.write(url, file) > 60
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    server: Server | None = request.getfixturevalue("postgres") if to == "postgresql" else None
    target = server.new_database() if server else sqlite_url(tmp_path / "restored.sqlite")
    assert backup.read(file, target, study) == backup.write(target, tmp_path / "again.zip")
    with Store.open(target, study) as restored:
        assert everything(restored) == everything(store)
        walk(restored, code)  # life goes on: new rows get new numbers
        assert restored.enrol("form-0009").code != code
    with pytest.raises(InvalidInput, match="not empty"):
        backup.read(file, target, study)


def test_what_is_no_backup_is_refused_and_leaves_the_database_alone(tmp_path: Path, study: Study) -> None:
    target = sqlite_url(tmp_path / "x.sqlite")
    text = tmp_path / "text.zip"
    text.write_text("hello")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("revision", "0001")
    for path in (tmp_path / "none.zip", text, other):
        with pytest.raises(InvalidInput, match="no backup"):
            backup.read(path, target, study)
        assert not (tmp_path / "x.sqlite").exists()
