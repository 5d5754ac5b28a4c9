"""People come from a recruiting service and go back to it: whatever it calls its parameters, it learns who finished.

Each service is a stand-in that fills the address it was given as the real one does, and reads that of the button.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from playground.errors import InvalidInput
from playground.study.database import sqlite_url
from playground.study.pages import ClosedScreen, ConsentScreen, EndScreen, TrialScreen
from playground.study.recruiting import Codes, Recruiting, RecruitmentIds
from playground.study.store import Store
from playground.study.visit import Visits
from tests.study.made import SHORT, make_study
from tests.study.test_visit import form, trial, walk

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Service:
    """The address it is given, what it fills in there and calls the person, and how it credits who comes back."""

    address: str
    values: dict[str, str]
    person: str
    credits_by: dict[str, str]


SERVICES = {
    "Prolific": Service(
        address="?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}",
        values={"{{%PROLIFIC_PID%}}": "5f1e0f2ab3", "{{%STUDY_ID%}}": "s-1", "{{%SESSION_ID%}}": "t-1"},
        person="5f1e0f2ab3",
        credits_by={"cc": "C-DONE"},
    ),
    "MTurk": Service(
        address="?hitId=HIT&assignmentId=ASSIGNMENT&turkSubmitTo=https%3A%2F%2Fwww.mturk.com%2F&workerId=WORKER",
        values={"=HIT": "=123RVW", "=ASSIGNMENT": "=456RVW", "=WORKER": "=AZ3456"},
        person="AZ3456",
        credits_by={"assignmentId": "456RVW", "code": "C-DONE"},
    ),
    "SONA": Service(
        address="?survey_code=%SURVEY_CODE%",
        values={"%SURVEY_CODE%": "1234"},
        person="1234",
        credits_by={"experiment_id": "123", "credit_token": "4e48", "survey_code": "1234"},
    ),
    "CloudResearch": Service(
        address="?participantId=PERSON&assignmentId=VISIT&projectId=PROJECT",
        values={"PERSON": "A1B2C3", "VISIT": "D4E5", "PROJECT": "F6"},
        person="A1B2C3",
        credits_by={},
    ),
}


def documented(name: str) -> str:
    """The tables for a service, as the documentation gives them."""
    page = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    found = re.search(rf"```toml\n# {name}\b.*?\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def recruited(folder: Path, tables: str) -> Visits:
    """A study with these tables, ready to be visited."""
    study = make_study(folder / "study", SHORT.replace('codes = { completed = "C-DONE" }', "") + tables)
    return Visits(study, Store.open(sqlite_url(folder / "study.sqlite"), study))


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_learns_who_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("STUDY_COMPLETED", "C-DONE")
    service, tables = SERVICES[name], documented(name)
    visits = recruited(tmp_path, tables)
    address = service.address
    for placeholder, value in service.values.items():
        address = address.replace(placeholder, value)
    end = walk(visits, dict(parse_qsl(address[1:])))[-1].screen
    assert isinstance(end, EndScreen)
    went, expected = urlsplit(end.link), urlsplit(tomllib.loads(tables)["codes"]["url"])
    assert (went.scheme, went.netloc, went.path) == (expected.scheme, expected.netloc, expected.path)
    assert dict(parse_qsl(went.query)) == service.credits_by
    assert [ids.external for ids in visits.store.external().values()] == [service.person]
    assert visits.arrive({}).screen == ClosedScreen("nameless")
    visits.store.close()


@pytest.mark.parametrize("name", ["Prolific", "SONA"])
def test_an_address_that_was_not_filled_in_is_told_at_the_door(tmp_path: Path, name: str) -> None:
    visits = recruited(tmp_path, documented(name))
    assert visits.arrive(dict(parse_qsl(SERVICES[name].address[1:]))).screen == ClosedScreen("nameless")
    visits.store.close()


def test_a_preview_of_a_task_is_nobodys(tmp_path: Path) -> None:
    visits = recruited(tmp_path, documented("MTurk").replace("required = true", ""))
    query = {"assignmentId": "ASSIGNMENT_ID_NOT_AVAILABLE", "hitId": "123"}
    assert isinstance(visits.arrive(query).screen, ConsentScreen)
    trial(visits, query)
    assert visits.store.external() == {}
    visits.store.close()


def test_who_comes_without_a_needed_id_cannot_begin_but_can_look(tmp_path: Path) -> None:
    visits = recruited(tmp_path, "[recruiting]\nrequired = true\n")
    closed = visits.arrive({})
    assert closed.screen == ClosedScreen("nameless")
    assert visits.act(form(closed, "consent"), {}).screen == ClosedScreen("nameless")
    assert visits.store.enrolled() == []
    assert isinstance(trial(visits, {"preview": "1"}).screen, TrialScreen)
    mine = trial(visits, {"PROLIFIC_PID": "pid"})
    assert visits.arrive({"code": mine.address}).screen == mine.screen  # who has begun goes on without
    visits.store.close()


def test_an_id_in_an_address_cannot_reach_beyond_its_place() -> None:
    codes = Codes(completed="A&B", url="https://pay.example.org/?cc={code}&who={id}")
    assert (
        codes.link("completed", RecruitmentIds("x&y=/?#")) == "https://pay.example.org/?cc=A%26B&who=x%26y%3D%2F%3F%23"
    )
    assert codes.link("completed") == ""
    assert codes.link("declined", RecruitmentIds("x")) == ""


@pytest.mark.parametrize("table", ['id = ""', 'id = "code"', 'session = "STUDY_ID"', 'study = "preview"'])
def test_parameters_that_cannot_be_told_apart_are_refused(table: str) -> None:
    name, _, value = table.partition(" = ")
    with pytest.raises(InvalidInput, match="recruiting"):
        Recruiting(**{name: value.strip('"')})


def test_a_quota_closes_the_door_and_a_place_returns_after_a_while(tmp_path: Path) -> None:
    visits = recruited(tmp_path, "[recruiting]\nquota = 2\nhours_away = 1\n")
    now = [1.7e9]
    visits.store.clock = lambda: now[0]
    first, second = trial(visits, {"PROLIFIC_PID": "one"}), trial(visits, {"PROLIFIC_PID": "two"})
    late = visits.arrive({"PROLIFIC_PID": "three"})
    assert isinstance(late.screen, EndScreen)
    assert late.screen.outcome == "full"
    consent = form(late, "consent")
    refused = visits.act(consent, {"PROLIFIC_PID": "three"}).screen
    assert isinstance(refused, EndScreen)
    assert refused.outcome == "full"
    assert isinstance(visits.arrive({"preview": "1"}).screen, ConsentScreen)
    assert visits.arrive({"PROLIFIC_PID": "one", "code": first.code}).screen == first.screen
    now[0] += 1800
    visits.arrive({"PROLIFIC_PID": "one", "code": first.code})
    now[0] += 1900  # two was seen over an hour ago, one was not
    assert isinstance(visits.arrive({"PROLIFIC_PID": "three"}).screen, ConsentScreen)
    walk(visits, {"PROLIFIC_PID": "three"})
    assert isinstance(visits.arrive({"PROLIFIC_PID": "four"}).screen, EndScreen)
    assert visits.arrive({"PROLIFIC_PID": "two", "code": second.code}).screen == second.screen
    visits.store.close()


def test_many_at_once_keep_to_the_quota(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from playground.study.enrolment import StudyFull

    visits = recruited(tmp_path, "[recruiting]\nquota = 7\n")

    def begin(number: int) -> bool:
        try:
            return bool(visits.store.enrol(f"form-{number:04}"))
        except StudyFull:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(begin, range(40))) == 7
    visits.store.close()


@pytest.mark.parametrize(("pilot", "query"), [("true", {"PROLIFIC_PID": "one"}), ("false", {"preview": "1"})])
def test_whoever_tries_a_study_out_neither_declines_nor_withdraws_in_its_counts(
    tmp_path: Path, pilot: str, query: dict[str, str]
) -> None:
    visits = recruited(tmp_path, f"[recruiting]\npilot = {pilot}\n")
    visits.act(form(visits.arrive(query), "decline"), query)
    visits.act(form(trial(visits, query), "withdraw"), query)
    assert visits.store.enrolled() == []
    told = visits.store.progress()
    assert (told.declined, told.withdrawn) == (0, 0)
    visits.store.close()


def test_a_pilot_is_marked_and_takes_no_place(tmp_path: Path) -> None:
    from playground.study import results

    visits = recruited(tmp_path, "[recruiting]\npilot = true\nquota = 1\n")
    walk(visits, {"PROLIFIC_PID": "one"})
    walk(visits, {"PROLIFIC_PID": "two"})
    people = results.people_table(visits.store, visits.study)
    assert people["pilot"].to_list() == [True, True]
    assert len(results.main_data(results.long_table(visits.store, visits.study), people)[0]) == 8
    source = (tmp_path / "study" / "study.toml").read_text().replace("pilot = true", "pilot = false")
    visits.store.close()
    later = make_study(tmp_path / "study", source)  # how people come is no part of what is fixed
    with Store.open(sqlite_url(tmp_path / "study.sqlite"), later) as store:
        walk(Visits(later, store), {"PROLIFIC_PID": "three"})
        table, people = results.long_table(store, later), results.people_table(store, later)
        assert people["pilot"].to_list() == [True, True, False]
        main, who = results.main_data(table, people)
        assert len(main) == 4
        assert len(who) == 1
        assert store.is_full()
