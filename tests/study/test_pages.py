"""Questions anywhere; who is not meant or has failed ends early; people learn what it was about."""

from pathlib import Path
from typing import Any

import pytest

from playground.errors import InvalidInput
from playground.study import plan as plans
from playground.study import results
from playground.study.database import sqlite_url
from playground.study.pages import ConsentScreen, DebriefingScreen, EndScreen, Page, QuestionsScreen, TrialScreen
from playground.study.store import Store
from playground.study.visit import Visits
from playground.study.web import screens
from tests.study.made import SHORT, make_study
from tests.study.test_visit import form

PAGES = """
format = 1
name = "pages"
title = "Pages"
axis = "extraversion"
strengths = [-1.0, 0.0, 1.0, 2.0]
consent = { version = "1", text = "We store your answers." }
instructions = "Read."
debriefing = "It was about **strength**."
tasks = [
  { kind = "pair", trials = 3 },
  { kind = "single", trials = 2, labels = { weak = "too cold", strong = "too hot" } },
]
prompts = [{ id = "work", text = "Describe your work." }, { id = "home", text = "Describe your home." }]
codes = { completed = "C-DONE", screened = "C-OTHERS", failed = "C-FAILED" }
[[questions]]
id = "age"
text = "How old are you?"
kind = "number"
at = "start"
required = true
least = 18
most = 99
[[questions]]
id = "reads"
text = "Do you read English?"
kind = "choice"
options = ["well", "a little", "not at all"]
accept = ["well", "a little"]
at = "start"
required = true
[[questions]]
id = "hard"
text = "Was that hard?"
at = "pair"
[[questions]]
id = "remarks"
text = "Anything else?"
"""
GOOD: dict[str, Any] = {"age": "40", "reads": "well", "hard": "no", "remarks": "none"}


@pytest.fixture
def visits(tmp_path: Path) -> Visits:
    study = make_study(tmp_path / "s", PAGES)
    return Visits(study, Store.open(sqlite_url(tmp_path / "x.sqlite"), study))


def step(visits: Visits, page: Page, values: dict[str, str] | None = None) -> Page:
    match page.screen:
        case ConsentScreen():
            return visits.act(form(page, "consent"), {})
        case QuestionsScreen():
            told = {one.id: (values or GOOD)[one.id] for one in page.screen.questions if one.id in (values or GOOD)}
            return visits.act(form(page, "questions", values=told) | {"token": page.screen.token}, {})
        case TrialScreen(kind="pair"):
            return visits.act(form(page, "answer", answer={"choice": "left", "degree": -1}), {})
        case TrialScreen():
            return visits.act(form(page, "answer", answer={"choice": "right"}), {})
        case DebriefingScreen():
            return visits.act(form(page, "read"), {})
    return visits.act(form(page, "begin"), {})


def names(visits: Visits) -> list[str]:
    pages = [visits.arrive({})]
    while not isinstance(pages[-1].screen, EndScreen):
        assert screens.page(pages[-1], visits.study.plan)
        pages.append(step(visits, pages[-1]))
    return [type(page.screen).__name__.removesuffix("Screen") for page in pages]


def test_pages_come_where_the_plan_has_them(visits: Visits) -> None:
    assert names(visits) == [
        "Consent", "Questions", "Instructions", "Trial", "Trial", "Trial", "Questions", "Trial", "Trial", "Questions",
        "Debriefing", "End",
    ]  # fmt: skip
    (person,) = visits.store.enrolled()
    assert person["responses"] == GOOD
    assert person["outcome"] == "completed"


@pytest.mark.parametrize("values", [{"age": "17"}, {"age": "100"}, {"reads": "not at all"}])
def test_who_is_for_others_is_told_so_and_takes_no_place(visits: Visits, values: dict[str, str]) -> None:
    page = step(visits, step(visits, visits.arrive({})), GOOD | values)
    assert isinstance(page.screen, DebriefingScreen)
    end = step(visits, page)
    assert isinstance(end.screen, EndScreen)
    assert (end.screen.outcome, end.screen.code) == ("screened", "C-OTHERS")
    assert "This study is for others" in screens.page(end, visits.study.plan)
    assert visits.arrive({"code": end.code}).screen == end.screen
    assert isinstance(visits.act(form(page, "begin"), {}).screen, EndScreen)
    people = results.people_table(visits.store, visits.study)
    assert people["outcome"].to_list() == ["screened"]
    assert len(results.main_data(results.long_table(visits.store, visits.study), people)[1]) == 0
    assert visits.store.show(end.code) is None


def test_the_form_of_a_page_that_is_gone_answers_no_other(visits: Visits) -> None:
    page = step(visits, visits.arrive({}))
    old = form(page, "questions", values=GOOD) | {"token": "start"}
    after = visits.act(old, {})
    assert visits.act(old, {}).screen == after.screen  # a double click
    while not (isinstance(page.screen, QuestionsScreen) and page.screen.token == "pair"):
        page = step(visits, page)
    assert visits.act(old, {}).screen == page.screen
    assert "remarks" not in visits.store.enrolled()[0]["responses"]


@pytest.mark.parametrize("early", [True, False])
def test_who_fails_ends_at_once_only_where_the_plan_says_so(tmp_path: Path, early: bool) -> None:
    checks = f"[checks]\ninstructed = 2\nfail_after = 1\nend_early = {str(early).lower()}\n"
    source = SHORT.replace('codes = { completed = "C-DONE" }', 'codes = { completed = "C", failed = "F" }') + checks
    study = make_study(tmp_path / "s", source)
    with Store.open(sqlite_url(tmp_path / "x.sqlite"), study) as store:
        visits = Visits(study, store)
        page, answered = step(visits, visits.arrive({})), 0
        while isinstance(page.screen, TrialScreen):
            wrong = page.screen.choose
            choice = {"left": "right", "right": "left"}.get(wrong, "left")
            degree = 1 if choice == "right" else -1
            page = visits.act(form(page, "answer", answer={"choice": choice, "degree": degree}), {})
            answered += 1
            assert not (early and wrong and isinstance(page.screen, TrialScreen))
        assert (answered < 6) == early
        while isinstance(page.screen, QuestionsScreen):
            page = step(visits, page)
        assert isinstance(page.screen, EndScreen)
        assert (page.screen.outcome, page.screen.code) == ("failed", "F")
        assert ("not read" in screens.page(page, study.plan)) == early
        assert store.enrolled()[0]["outcome"] == "failed"


def test_answers_are_called_as_the_plan_calls_them(visits: Visits) -> None:
    page = visits.arrive({})
    while not (isinstance(page.screen, TrialScreen) and page.screen.kind == "single"):
        page = step(visits, page)
    html = screens.page(page, visits.study.plan)
    for label in ("too cold", "just right", "too hot", "makes no sense"):
        assert f">{label}</button>" in html


WRONG = {
    "after no task": ('at = "pair"', 'at = "nosuch"', "comes after no task"),
    "accepts no answer": ('accept = ["well", "a little"]', 'accept = ["very well"]', "no answer to it"),
    "screens and is optional": ('at = "start"\nrequired = true\nleast', 'at = "start"\nleast', "need not be answered"),
    "least of a text": ('at = "pair"', 'at = "pair"\nleast = 1', "asks for no number"),
    "a label of no answer": ('weak = "too cold"', 'cold = "too cold"', "no answer with a label"),
    "an empty label": ('weak = "too cold"', 'weak = " "', "no answer with a label"),
    "an early end of nothing": ("[[questions]]", "[checks]\nend_early = true\n[[questions]]", "ends nothing"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_asked_is_told(wrong: str) -> None:
    old, new, says = WRONG[wrong]
    assert old in PAGES
    with pytest.raises(InvalidInput, match=says):
        plans.parse(PAGES.replace(old, new, 1))
