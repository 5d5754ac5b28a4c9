"""Study files and backups as they come back from other hands: refused in one sentence, or as good as they say."""

import collections
import json
import random
import tomllib
import zipfile
from pathlib import Path

import pytest

from playground.study import backup, plan, schedule, stimuli
from playground.study.database import sqlite_url
from playground.study.recruiting import RecruitmentIds
from playground.study.stimuli import Study
from playground.study.store import Store
from tests.mutants import as_json, as_toml, damaged, mutated, spoilt, tried
from tests.study.made import PLAN, make_study, walk
from tests.study.test_conditions import GROUPS, SEVERAL
from tests.study.test_pages import PAGES


@pytest.mark.parametrize("source", [PLAN, SEVERAL + GROUPS, PAGES])
def test_study_files(tmp_path: Path, source: str) -> None:
    record = tomllib.loads(source)

    def use(rng: random.Random) -> None:
        (tmp_path / "study.toml").write_bytes(spoilt(record, rng, as_toml))
        found = plan.load(tmp_path / "study.toml")
        assert schedule.schedule(stimuli.unmade(found), collections.Counter(), rng.randrange(100))
        assert found.digest() and all(found.replies_digest(one) for one in found.compared)

    assert tried(use) > 10


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("study"))


def test_backups(tmp_path: Path, study: Study) -> None:
    with Store.open(sqlite_url(tmp_path / "a.sqlite"), study) as store:
        for number in range(2):
            walk(store, store.enrol(f"form-{number:04}", RecruitmentIds(f"pid-{number}")).code, 4)
    whole = tmp_path / "whole.zip"
    backup.write(sqlite_url(tmp_path / "a.sqlite"), whole)
    with zipfile.ZipFile(whole) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def use(rng: random.Random) -> None:
        path, target = tmp_path / "b.zip", tmp_path / "b.sqlite"
        if rng.random() < 0.2:
            path.write_bytes(damaged(whole.read_bytes(), rng))
        else:
            with zipfile.ZipFile(path, "w") as archive:
                name = rng.choice(sorted(members))
                for member, raw in _with(members, name, rng).items():
                    archive.writestr(member, raw)
        for left in tmp_path.glob("b.sqlite*"):
            left.unlink()
        backup.read(path, sqlite_url(target), study)
        with Store.open(sqlite_url(target), study) as store:
            assert store.enrolled() is not None and store.answered_trials() is not None
            walk(store, store.enrol("form-0009").code, 1)

    assert tried(use) > 10


def _with(members: dict[str, bytes], name: str, rng: random.Random) -> dict[str, bytes]:
    """The members of a backup with one of them spoilt, renamed or lost."""
    others = {member: raw for member, raw in members.items() if member != name}
    kind = rng.randrange(6)
    if kind == 0:
        return others
    if kind == 1:
        return {**others, rng.choice(["../x", "x.jsonl", name.upper()]): members[name]}
    lines = members[name].split(b"\n")
    at = rng.randrange(len(lines))
    if kind < 5 and lines[at].startswith(b"{"):
        lines[at] = as_json(mutated(json.loads(lines[at]), rng))
        return {**others, name: b"\n".join(lines)}
    return {**others, name: damaged(members[name], rng)}
