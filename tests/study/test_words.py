"""Every language says everything; a study may say it its own way; what a participant reads is in one language."""

import re
from pathlib import Path

import pytest

from playground.errors import InvalidInput
from playground.study import plan as plans
from playground.study import words
from playground.study.database import sqlite_url
from playground.study.pages import ClosedScreen, EndScreen, Page, TrialScreen
from playground.study.store import Store
from playground.study.visit import Visits
from playground.study.web import screens
from tests.study.made import SHORT, make_study
from tests.study.test_visit import form, trial, walk

PLACES = re.compile(r"\{\w+\}")
OTHERS = [language for language in words.languages() if language != "en"]


def in_language(language: str, own: str = "") -> str:
    return SHORT.replace("strengths =", f'language = "{language}"\nstrengths =') + own


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_says_all_that_english_says(language: str) -> None:
    english, spoken = words.shipped("en"), words.shipped(language)
    assert list(spoken) == list(english)
    for name, text in spoken.items():
        assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(english[name])), name
        assert text.count("**") == english[name].count("**"), name
        assert text != english[name] or len(text) < 12, f"{name} is not translated"
        assert len(text) <= 1.6 * len(english[name]) + 10, f"{name} is too long for its place"


def test_the_languages_asked_for_are_there() -> None:
    assert {"ar", "de", "en", "es", "fr", "zh"} < set(words.languages())


@pytest.mark.parametrize("language", OTHERS)
def test_no_page_of_a_study_falls_back_to_english(tmp_path: Path, language: str) -> None:
    study = make_study(tmp_path / "s", in_language(language))
    english = words.shipped("en")
    told = {text for text in english.values() if len(text) > 12 and "{" not in text}
    with Store.open(sqlite_url(tmp_path / "x.sqlite"), study) as store:
        visits = Visits(study, store)
        pages = walk(visits, {})
        late = visits.act(form(pages[1], "answer", answer={"choice": "tie", "degree": 0}) | {"code": pages[1].code}, {})
        closed = [Page(ClosedScreen(reason)) for reason in ("paused", "unknown", "elsewhere", "gone", "nameless")]
        ends = [
            Page(EndScreen(outcome, "", "C", "")) for outcome in ("screened", "failed", "full", "declined", "withdrawn")
        ]
        for page in (*pages, *closed, *ends, late):
            html = screens.page(page, study.plan)
            assert f'lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}"' in html
            assert not [text for text in told if text in html]
    assert words.shipped(language)["answered_already"] in screens.page(late, study.plan) or not late.notice


def test_replies_take_the_direction_of_their_own_script(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", in_language("ar"))
    with Store.open(sqlite_url(tmp_path / "x.sqlite"), study) as store:
        page = trial(Visits(study, store), {})
    assert isinstance(page.screen, TrialScreen)
    html = screens.page(page, study.plan)
    assert len(re.findall(r'<article class="reply"[^>]*><h3 dir="auto">[^<]*</h3><p dir="auto">', html)) == 2


def test_a_study_says_some_things_its_own_way() -> None:
    plan = plans.parse(in_language("de", '\n[words]\ntie = "gleich"\nplace = "{total}: {done}"\n'))
    assert plan.spoken["tie"] == "gleich"
    assert plan.spoken["bad"] == words.shipped("de")["bad"]
    assert plan.thanked == words.shipped("de")["thanks"]
    assert plans.parse(in_language("de-CH")).spoken == words.shipped("de")


def test_a_language_that_is_not_there_needs_all_words() -> None:
    told = "\n".join(f"{name} = '''{text}'''" for name, text in words.shipped("fr").items())
    plan = plans.parse(in_language("he", f"\n[words]\n{told}\n"))
    assert plan.spoken == words.shipped("fr")
    assert words.direction(plan.language) == "rtl"


WRONG = {
    "a language without words": (in_language("tlh"), "lacks 'waiting'"),
    "no language": (in_language("English"), "language"),
    "an unknown sentence": (in_language("de", '\n[words]\nfarewell = "Ade"\n'), "no sentence 'farewell'"),
    "a lost place": (in_language("de", '\n[words]\nplace = "{done}"\n'), "other places"),
    "a place of its own": (in_language("de", '\n[words]\ntie = "{x}"\n'), "other places"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_words_that_cannot_be_said_are_told(wrong: str) -> None:
    source, says = WRONG[wrong]
    with pytest.raises(InvalidInput, match=says):
        plans.parse(source)
