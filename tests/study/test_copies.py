"""Copies go to a private place only, hold all there is, and fail without holding anybody up."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from playground.errors import InvalidInput
from playground.study import backup
from playground.study.copies import BACKUP, Copies
from playground.study.database import sqlite_url
from playground.study.recruiting import RecruitmentIds
from playground.study.stimuli import Study
from playground.study.store import Store
from tests.study.made import walk


class NoConnectionError(Exception):
    """As network libraries raise them: no OSError."""


class FakeHub:
    """A dataset in a folder."""

    def __init__(self, folder: Path, private: bool = True) -> None:
        self.folder, self.private = folder, private
        self.fails: str | None = None
        self.calls: list[str] = []

    def _fail(self, call: str) -> None:
        if self.fails == call:
            raise NoConnectionError("no network")

    def create_repo(self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool) -> None:
        assert private
        self._fail("create")
        self.calls.append("create")

    def repo_info(self, repo_id: str, *, repo_type: str) -> Any:
        return SimpleNamespace(private=self.private)

    def upload_folder(self, *, repo_id: str, repo_type: str, folder_path: str, commit_message: str) -> None:
        self._fail("upload")
        self.calls.append("upload")
        for path in Path(folder_path).iterdir():
            (self.folder / path.name).write_bytes(path.read_bytes())

    def super_squash_history(self, repo_id: str, *, repo_type: str) -> None:
        self.calls.append("squash")


def test_a_copy_holds_all_and_is_made_only_when_something_happened(study: Study, tmp_path: Path) -> None:
    url, there = sqlite_url(tmp_path / "study.sqlite"), tmp_path / "hub"
    there.mkdir()
    hub, store = FakeHub(there), Store.open(url, study)
    copies = Copies(study, store, url, "lab/answers", hub)
    copies.start()
    walk(store, store.enrol("form-0001", RecruitmentIds("pid-1")).code)
    hub.fails = "upload"
    copies._try()
    hub.fails = None
    assert copies.save()
    assert not copies.save()
    assert hub.calls == ["create", "upload", "squash", "upload", "squash"]
    assert len(pd.read_parquet(there / "people.parquet")) == 1
    store.decline()
    copies.close()
    assert hub.calls[-2:] == ["upload", "squash"]
    answered = len(store.answered_trials())
    store.close()
    backup.read(there / BACKUP, sqlite_url(tmp_path / "new.sqlite"))
    again = Store.open(sqlite_url(tmp_path / "new.sqlite"), study)
    assert len(again.answered_trials()) == answered
    assert again.person_called("pid-1") is not None
    again.close()


@pytest.mark.parametrize("call", ["create", "upload"])
def test_a_hub_that_is_away_at_the_start_is_told(study: Study, tmp_path: Path, call: str) -> None:
    hub = FakeHub(tmp_path)
    hub.fails = call
    url = sqlite_url(tmp_path / "study.sqlite")
    with Store.open(url, study) as store, pytest.raises(InvalidInput, match="cannot be had: no network"):
        Copies(study, store, url, "lab/answers", hub).start()


def test_a_public_dataset_is_refused_before_anything_is_sent(study: Study, tmp_path: Path) -> None:
    hub, store = FakeHub(tmp_path, private=False), Store.open("sqlite://", study)
    with pytest.raises(InvalidInput, match="is public"):
        Copies(study, store, "sqlite://", "lab/answers", hub).start()
    assert "upload" not in hub.calls
