"""A person's way through the pages: what comes next, what a bad form gets, and that no page tells a condition."""

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playground.study import forms
from playground.study.database import sqlite_url
from playground.study.pages import (
    ClosedScreen,
    ConsentScreen,
    EndScreen,
    InstructionsScreen,
    Page,
    QuestionsScreen,
    TrialScreen,
)
from playground.study.stimuli import Study
from playground.study.store import Store
from playground.study.visit import Visits
from playground.study.web import screens
from tests.study.made import PLAN, make_study

PROLIFIC = {"PROLIFIC_PID": "pid-1", "STUDY_ID": "study-1", "SESSION_ID": "session-1"}


@pytest.fixture
def visits(study: Study, store: Store) -> Visits:
    return Visits(study, store)


def form(page: Page, action: str, **more: Any) -> dict[str, Any]:
    token = page.screen.token if isinstance(page.screen, TrialScreen) else ""
    return {"action": action, "code": page.code, "key": page.key, "token": token, **more}


def good(page: Page) -> dict[str, Any]:
    match page.screen:
        case ConsentScreen():
            return form(page, "consent")
        case InstructionsScreen():
            return form(page, "begin")
        case TrialScreen(kind="pair"):
            return form(page, "answer", answer={"choice": "left", "degree": -1, "client_ms": 1.5})
        case TrialScreen(kind="adjustment"):
            return form(page, "answer", answer={"choice": "liked", "option": 0, "path": [[0.5, 1]]})
        case TrialScreen():
            return form(page, "answer", answer={"choice": "right"})
        case QuestionsScreen():
            return form(page, "questions", values={"mood": "3"})
    raise AssertionError(page)


def walk(visits: Visits, query: Mapping[str, str]) -> list[Page]:
    """Every page of a visit, the last included."""
    pages = [visits.arrive(query)]
    while not isinstance(pages[-1].screen, EndScreen | ClosedScreen):
        pages.append(visits.act(good(pages[-1]), query))
    return pages


def trial(visits: Visits, query: Mapping[str, str]) -> Page:
    """The first trial of a visit."""
    page = visits.arrive(query)
    while not isinstance(page.screen, TrialScreen):
        page = visits.act(good(page), query)
    return page


def test_the_phases_come_in_order_and_end_with_the_code(visits: Visits) -> None:
    pages = walk(visits, PROLIFIC)
    kinds = [type(page.screen).__name__ for page in pages]
    assert kinds == ["ConsentScreen", "InstructionsScreen", *["TrialScreen"] * 19, "QuestionsScreen", "EndScreen"]
    end = pages[-1].screen
    assert isinstance(end, EndScreen)
    assert (end.outcome, end.code, end.link) == ("completed", "C-DONE", "https://pay.example.org/?cc=C-DONE")
    again = visits.arrive(PROLIFIC).screen
    assert again == end


def test_a_reload_and_another_device_go_on_where_the_person_was(visits: Visits) -> None:
    page = trial(visits, PROLIFIC)
    for _ in range(3):
        page = visits.act(good(page), PROLIFIC)
    reloaded, by_code = visits.arrive(PROLIFIC), visits.arrive({"code": page.code})
    assert reloaded.screen == by_code.screen == page.screen


def test_phases_left_out_do_not_come(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", PLAN.replace("seed = 3", 'seed = 3\nphases = ["consent", "trials", "thanks"]'))
    store = Store.open(sqlite_url(tmp_path / "x.sqlite"), study)
    kinds = {type(page.screen).__name__ for page in walk(Visits(study, store), {})}
    store.close()
    assert kinds == {"ConsentScreen", "TrialScreen", "EndScreen"}


def test_declining_and_withdrawing_give_their_codes_and_keep_nobody(visits: Visits) -> None:
    page = visits.arrive(PROLIFIC)
    declined = visits.act(form(page, "decline"), PROLIFIC).screen
    assert isinstance(declined, EndScreen)
    assert declined.code == "C-NO"
    page = trial(visits, PROLIFIC)
    gone = visits.act(form(page, "withdraw"), PROLIFIC).screen
    assert isinstance(gone, EndScreen)
    assert gone.code == "C-GONE"
    assert visits.store.enrolled() == []
    assert visits.arrive({"code": page.code}).screen == ClosedScreen("unknown")
    for late in (good(page), form(page, "consent")):  # from before the withdrawal
        assert visits.act(late, PROLIFIC).screen == ClosedScreen("gone")
    assert visits.arrive(PROLIFIC | {"SESSION_ID": "another"}).screen == ClosedScreen("gone")
    assert isinstance(visits.arrive({"PROLIFIC_PID": "pid-2"}).screen, ConsentScreen)


def test_a_pause_holds_everybody_and_loses_no_answer(visits: Visits) -> None:
    page = trial(visits, PROLIFIC)
    visits.store.pause(True)
    assert visits.act(good(page), PROLIFIC).screen == ClosedScreen("paused")
    assert visits.arrive(PROLIFIC).screen == ClosedScreen("paused")
    assert visits.arrive({}).screen == ClosedScreen("paused")
    consent = form(Page(ConsentScreen("")), "consent")
    assert visits.act(consent, {"PROLIFIC_PID": "other"}).screen == ClosedScreen("paused")
    visits.store.pause(False)
    after = visits.arrive(PROLIFIC).screen
    assert isinstance(after, TrialScreen)
    assert after.after_practice  # the answer to the one practice pair was kept


def test_each_kind_of_trial_is_practised_and_then_people_are_told_that_it_counts(visits: Visits) -> None:
    told: list[tuple[str, str]] = []
    page = trial(visits, {})
    while isinstance(page.screen, TrialScreen):
        html = screens.page(page, visits.study.plan)
        assert html.count(visits.study.plan.spoken["practice_over"]) == page.screen.after_practice
        if page.screen.after_practice or page.screen.practice:
            told.append((page.screen.kind, "counts" if page.screen.after_practice else "practice"))
        page = visits.act(good(page), {})
    kinds = ("pair", "adjustment", "single", "single")  # an adaptive reply looks as a single one does
    assert told == [(kind, what) for kind in kinds for what in ("practice", "counts")]


def test_two_tabs_answer_once_and_the_later_one_is_told(visits: Visits) -> None:
    trial(visits, PROLIFIC)
    one, two = visits.arrive(PROLIFIC), visits.arrive(PROLIFIC)
    after = visits.act(good(one), PROLIFIC)
    late = visits.act(good(two), PROLIFIC)
    assert "already" in late.notice
    assert late.screen == after.screen
    assert visits.act(good(one), PROLIFIC).screen == after.screen  # the first tab's form again: a double click
    assert [event["kind"] for event in visits.store.events()].count("answered") == 1


def test_a_double_click_on_consent_enrols_once(visits: Visits) -> None:
    consent = form(visits.arrive({}), "consent")
    codes = {visits.act(consent, {}).code for _ in range(3)}
    assert len(codes) == 1
    assert len(visits.store.enrolled()) == 1


def test_other_peoples_trials_and_codes_open_nothing(visits: Visits) -> None:
    mine, theirs = trial(visits, PROLIFIC), trial(visits, {"PROLIFIC_PID": "pid-2"})
    assert isinstance(theirs.screen, TrialScreen)
    stolen = good(mine) | {"token": theirs.screen.token}
    page = visits.act(stolen, PROLIFIC)
    assert "no question of yours" in page.notice
    assert page.screen == mine.screen
    forged = visits.act(good(mine) | {"code": "forged"}, {})
    assert isinstance(forged.screen, ConsentScreen)
    assert visits.store.answered_trials() == []
    assert isinstance(visits.arrive(PROLIFIC | {"code": theirs.code}).screen, TrialScreen)
    assert visits.arrive(PROLIFIC | {"code": theirs.code}).name == mine.name  # the recruiting service's word counts
    assert visits.arrive({"code": "forged"}).screen == ClosedScreen("unknown")


def test_a_preview_never_counts_and_never_uses_an_id(visits: Visits) -> None:
    query = PROLIFIC | {"preview": "1"}
    page = visits.act(form(visits.arrive(query), "consent"), query)
    assert visits.arrive({"code": page.code, "preview": "1"}).code == page.code
    assert visits.store.person_called("pid-1") is None
    assert visits.store.enrolled() == []


def test_unanswered_questions_come_back_with_what_was_given(visits: Visits) -> None:
    page = trial(visits, PROLIFIC)
    while not isinstance(page.screen, QuestionsScreen):
        page = visits.act(good(page), PROLIFIC)
    for values, says in (
        ({"remarks": "hello"}, "How are you?"),
        ({"mood": "8"}, "choose"),
        ({"mood": "3", "age": "old"}, "number"),
        ({"mood": "3", "age": "nan"}, "number"),
        ({"mood": "3", "age": "1.000,5"}, "thousands"),
    ):
        back = visits.act(form(page, "questions", values=values), PROLIFIC)
        assert says in back.notice
        assert isinstance(back.screen, QuestionsScreen)
        assert back.screen.values == values
    ended = visits.act(form(page, "questions", values={"mood": "3", "age": "41,5", "nosuch": "x"}), PROLIFIC)
    assert isinstance(ended.screen, EndScreen)
    assert visits.store.enrolled()[0]["responses"] == {"mood": "3", "age": "41.5"}


# -- whose page it is --------------------------------------------------------------------------------------------------

UNFILLED = [
    "{{%PROLIFIC_PID%}}",
    "{{PROLIFIC_PID}}",
    "{% PROLIFIC_PID %}",
    "%7B%7B%25PROLIFIC_PID%25%7D%7D",
    "%PROLIFIC_PID%",
    "${e://Field/PROLIFIC_PID}",
    "$PROLIFIC_PID",
    "<PROLIFIC_PID>",
    "[PROLIFIC_PID]",
    "#{pid}",
    "PROLIFIC_PID",
    "prolific_pid",
    "undefined",
    " Undefined ",
    "null",
    "(null)",
    "None",
    "NaN",
    "n/a",
    "nil",
    "[object Object]",
    "",
    "   ",
    "\u00a0",
    "-",
    "?",
    "...",
    "\x00",
    "a\x07b",
    "\ufffd",
    "\ud800",
    "x" * 201,
]


@pytest.mark.parametrize("unfilled", UNFILLED)
def test_who_comes_by_an_address_that_was_not_filled_in_is_a_person_of_their_own(visits: Visits, unfilled: str) -> None:
    query = {"PROLIFIC_PID": unfilled, "STUDY_ID": "s", "SESSION_ID": unfilled}
    first = walk(visits, query)
    assert isinstance(first[-1].screen, EndScreen)
    assert isinstance(visits.arrive(query).screen, ConsentScreen)
    second = trial(visits, query)
    assert second.name != first[-1].name
    assert len(visits.store.enrolled()) == 2
    assert visits.store.external() == {}
    assert second.address
    again = visits.arrive(query | {"code": second.address})  # the page has put that into its address
    assert again.screen == second.screen


@pytest.mark.parametrize(
    "name", ["5f1e0f2ab3", "A1B2-c3_d4", "ann@example.org", "Nullanna", "nonesuch", "0", "größe 7"]
)
def test_an_id_is_taken_as_it_is(visits: Visits, name: str) -> None:
    trial(visits, {"PROLIFIC_PID": name})
    assert [ids.external for ids in visits.store.external().values()] == [name]


STRANGERS = [
    {"PROLIFIC_PID": "pid-1"},
    {"PROLIFIC_PID": "pid-1", "SESSION_ID": ""},
    {"PROLIFIC_PID": "pid-1", "SESSION_ID": "session-2"},
    {"PROLIFIC_PID": "pid-1", "SESSION_ID": "{{%SESSION_ID%}}"},
    {"PROLIFIC_PID": "pid-1", "STUDY_ID": "study-1", "code": "guessed"},
]


@pytest.mark.parametrize("query", STRANGERS)
@pytest.mark.parametrize("how_far", ["begun", "ended"])
def test_knowing_an_id_opens_nothing(visits: Visits, query: dict[str, str], how_far: str) -> None:
    mine = walk(visits, PROLIFIC)[-1] if how_far == "ended" else trial(visits, PROLIFIC)
    before = visits.store.answered_trials()
    stranger = visits.arrive(query)
    assert stranger.screen == ClosedScreen("elsewhere")
    shown = screens.page(stranger, visits.study.plan)
    for secret in (mine.code, visits.arrive(PROLIFIC).code, "C-DONE", "Describe your"):
        assert secret not in shown
    for action in ("consent", "withdraw", "begin", "return"):
        for code in ("", mine.name, "guessed", mine.name + "x" * 22):
            page = visits.act(form(stranger, action) | {"code": code}, query)
            assert not page.code
            assert not isinstance(page.screen, TrialScreen | QuestionsScreen)
            assert "C-DONE" not in screens.page(page, visits.study.plan)
    assert visits.store.answered_trials() == before
    assert len(visits.store.enrolled()) == 1
    assert visits.arrive(PROLIFIC).screen == visits.arrive({"code": mine.code}).screen


def test_without_a_session_an_id_opens_nothing_either(visits: Visits) -> None:
    mine = trial(visits, {"PROLIFIC_PID": "pid-1"})
    for query in ({"PROLIFIC_PID": "pid-1"}, {"PROLIFIC_PID": "pid-1", "SESSION_ID": ""}, PROLIFIC):
        assert visits.arrive(query).screen == ClosedScreen("elsewhere")
        kept = visits.act(form(visits.arrive(query), "return") | {"code": mine.code}, query)
        assert kept.screen == mine.screen  # the browser that began kept its code
        assert visits.arrive(query | {"code": mine.address}).screen == mine.screen


def test_another_device_with_the_session_goes_on_and_deletes_nothing(visits: Visits) -> None:
    mine = trial(visits, PROLIFIC)
    phone = visits.arrive(PROLIFIC)
    assert phone.screen == mine.screen
    assert phone.code != mine.code
    assert (mine.own, phone.own) == (True, False)
    assert mine.code not in screens.page(phone, visits.study.plan)
    phone = visits.act(good(phone), PROLIFIC)
    refused = visits.act(form(phone, "withdraw"), PROLIFIC)
    assert "ask@example.org" in refused.notice
    assert refused.screen == phone.screen
    assert len(visits.store.enrolled()) == 1
    gone = visits.act(form(phone, "withdraw") | {"code": mine.code}, PROLIFIC).screen
    assert isinstance(gone, EndScreen)
    assert gone.outcome == "withdrawn"
    assert visits.store.enrolled() == []


@pytest.mark.parametrize("query", [PROLIFIC, {"PROLIFIC_PID": "pid-1"}, {}])
def test_a_consent_whose_answer_was_lost_gets_its_code_when_it_is_sent_again(
    visits: Visits, query: dict[str, str]
) -> None:
    consent = form(visits.arrive(query), "consent")
    lost = visits.act(consent, query)
    assert not visits.arrive(query).own
    again = visits.act(consent, query)
    assert (again.own, again.code, again.screen) == (True, lost.code, lost.screen)
    assert len(visits.store.enrolled()) == 1


def test_the_address_of_somebody_without_an_id_deletes_nothing(visits: Visits) -> None:
    mine = trial(visits, {})
    shared = visits.arrive({"code": mine.address})
    assert shared.screen == mine.screen
    assert mine.code not in (shared.code, mine.address)
    assert "deleted" in visits.act(form(shared, "withdraw"), {"code": mine.address}).notice
    assert len(visits.store.enrolled()) == 1


def test_a_code_changed_anywhere_opens_nothing(visits: Visits) -> None:
    mine = trial(visits, {})
    for code in (mine.code, mine.address):
        for place in range(len(code)):
            other = code[:place] + ("A" if code[place] != "A" else "B") + code[place + 1 :]
            assert visits.store.person(other) is None
        assert visits.store.person(code[:-1]) is None
        assert visits.store.person(code + "A") is None


# -- whatever is sent --------------------------------------------------------------------------------------------------

NASTY = [
    "'; DROP TABLE answers; --",
    '" OR 1=1 --',
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "${7*7} {{7*7}}",
    "\x00\x1b[2J",
    "\ud800",
    "x" * 100_000,
    "٠" * 50,
]


@pytest.mark.parametrize("nasty", NASTY)
def test_sql_and_html_in_every_field_change_nothing(visits: Visits, nasty: str) -> None:
    ids: dict[str, str] = dict.fromkeys(("PROLIFIC_PID", "STUDY_ID", "SESSION_ID"), nasty)
    page = trial(visits, ids)
    assert visits.arrive(ids | {"code": page.address}).screen == page.screen
    for field in ("action", "code", "key", "token"):
        screens.page(visits.act(good(page) | {field: nasty}, {}), visits.study.plan)
    for field in ("choice", "degree", "option", "path", "changes", "client_ms", "hidden", nasty):
        answer = {"choice": "left", "degree": -1} | {field: nasty}
        assert visits.act(form(page, "answer", answer=answer), ids).notice
    assert visits.arrive({"code": nasty, "preview": nasty}).screen == ClosedScreen("unknown")
    while not isinstance(page.screen, QuestionsScreen):
        page = visits.act(good(page), ids)
    values = dict.fromkeys(("age", "mood", "remarks", nasty), nasty)
    shown = screens.page(visits.act(form(page, "questions", values=values), ids), visits.study.plan)
    assert "<script" not in shown
    assert "<img" not in shown
    visits.act(form(page, "questions", values={"mood": "3", "remarks": nasty}), ids)
    kept = visits.store.enrolled()[0]["responses"].get("remarks", "")
    assert kept == forms.clean(nasty)
    assert len(visits.store.answered_trials()) == 15


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["action", "code", "key", "token", "answer", "values", "x"]), inner)
        ),
        max_leaves=12,
    )
)
def test_whatever_is_sent_gets_a_page(visits: Visits, data: Any) -> None:
    page = visits.act(data, PROLIFIC)
    assert screens.page(page, visits.study.plan)
    assert visits.store.answered_trials() == []


def test_no_page_tells_a_condition(visits: Visits, study: Study) -> None:
    """Two studies that differ in axis, method, strengths and names alone have pages of the same words."""
    shown = "".join(screens.page(page, study.plan) for page in walk(visits, {}))
    for secret in (
        "alpha",
        "control",
        "strength",
        "axis",
        "extraversion",
        "stimul",
        "adaptive",
        "gold",
        "practice_",
        "cell",
    ):
        assert secret not in shown.lower()
    attributes = " ".join(re.findall(r"<[^>]*>", shown))
    for strength in study.plan.generated:
        assert f'"{strength}"' not in attributes
    for one in study.stimuli.values():
        assert one.id not in shown
        assert one.sha256 not in shown
    told = {field.name for kind in (TrialScreen, QuestionsScreen, EndScreen) for field in fields(kind)}
    assert not told & {"options", "strength", "cell", "check", "expected", "counted"}


def test_both_sides_of_a_pair_are_rendered_alike(visits: Visits, study: Study) -> None:
    page = trial(visits, {})
    while not (isinstance(page.screen, TrialScreen) and page.screen.kind == "pair" and page.screen.replies):
        page = visits.act(good(page), {})
    html = screens.page(page, study.plan)
    left, right = re.findall(r'<article class="reply".*?</article>', html)
    one, two = (reply.replace("&", "&amp;") for reply in page.screen.replies)
    assert left.replace(one, "").replace("left", "right").replace("Reply 1", "Reply 2") == right.replace(two, "")


def test_words_become_paragraphs_lists_and_bold_and_nothing_else() -> None:
    text = "One **bold** <b>line</b>\ngoes on.\n\n- first\n- second & last\n\n[x](javascript:y)"
    assert screens.prose(text) == (
        "<p>One <b>bold</b> &lt;b&gt;line&lt;/b&gt; goes on.</p><ul><li>first</li><li>second &amp; last</li></ul>"
        "<p>[x](javascript:y)</p>"
    )
