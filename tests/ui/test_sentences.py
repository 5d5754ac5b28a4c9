"""Two sentences on the page are an axis: typed, from the gallery or by a link, told of until they steer."""

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from playground import descriptions
from playground.errors import InvalidInput
from playground.events import Progress, Started
from playground.settings import MAIN, Strength
from playground.ui import axis_menu, share
from playground.ui.play import captions, present
from playground.ui.play import page as play
from playground.ui.play.mixer import listed
from playground.ui.play.page import PlayPage
from playground.ui.play.view import Inputs, View
from tests.ui.fake_player import FakePlayer, card, wish
from tests.ui.test_play import last, page_of, person, values

PIRATE, CLERK = "a swashbuckling pirate of the seven seas", "a dull accountant of few words"
NAME = f"{PIRATE} | {CLERK}"
TYPED: dict[str, Any] = {"axis": axis_menu.TWO_SENTENCES, "positive": PIRATE, "negative": CLERK}


@pytest.fixture(autouse=True)
def _every_event_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "_REDRAW_S", 0.0)


@pytest.fixture
def page() -> PlayPage:
    return page_of(FakePlayer())


def test_menu_and_boxes_tell_the_axis_and_the_axis_tells_both() -> None:
    assert axis_menu.chosen("extraversion", PIRATE, CLERK) == "extraversion"
    assert axis_menu.chosen(axis_menu.TWO_SENTENCES, f" {PIRATE} ", CLERK) == NAME
    assert axis_menu.chosen(axis_menu.TWO_SENTENCES, PIRATE, "  ") == ""
    assert axis_menu.chosen(None, "", "") == ""
    assert axis_menu.shown(NAME) == axis_menu.shown("") == axis_menu.TWO_SENTENCES
    assert axis_menu.shown("extraversion") == "extraversion"
    assert descriptions.parts(NAME) == (PIRATE, CLERK)


@pytest.mark.parametrize("name", sorted(descriptions.gallery()))
def test_a_shipped_axis_goes_by_its_name_however_it_came_into_the_boxes(name: str) -> None:
    parts = descriptions.parts(name)
    assert parts is not None
    assert axis_menu.chosen(axis_menu.TWO_SENTENCES, *parts) == name
    assert axis_menu.shown(name) == axis_menu.TWO_SENTENCES


def test_both_sentences_steer_at_once_and_the_way_there_is_told(page: PlayPage) -> None:
    page.describe(person(), View(), *values(**TYPED))
    told, shown = [], {}
    for update in page.serve(person(), View()):
        shown |= update
        told.append(str(shown.get(page.widgets.status, "")))
    assert any("Calibrating the axis of your sentences, 50 %" in line for line in told)
    view = shown[page.widgets.view]
    assert view.phase == "done" and view.calibrated is None
    (asked,) = page.player.requests  # type: ignore[attr-defined]
    assert {one.axis for row in asked.rows for one in row.strengths} == {NAME}
    assert shown[page.widgets.dials[MAIN]]["positive"] == PIRATE, "once it is calibrated, the dial's ends are known"
    page.describe(person(), view, *values(**TYPED, alpha=0.5))
    again, _ = last(page, page.serve(person(), view))
    assert again.phase == "done"


def test_the_ends_are_told_though_calibrating_took_no_time(page: PlayPage) -> None:
    """As where an earlier run of the program kept it: no step of it is ever drawn."""
    page.player.prepare = lambda names, client: (
        page.player.calibrated.update(  # type: ignore[attr-defined]
            {name: page.player.axes["extraversion"] for name in names if name}
        )
        or iter(())
    )
    page.describe(person(), View(), *values(**TYPED))
    _, shown = last(page, page.serve(person(), View()))
    assert page.widgets.curve in shown and shown[page.widgets.dials[MAIN]]["positive"] == "outgoing"


def test_one_sentence_asks_nothing(page: PlayPage) -> None:
    assert page.describe(person(), View(), *values(**TYPED | {"negative": ""})) == gr.skip()
    update = page.choose_axis(person(), View(), *values(**TYPED | {"negative": "", "positive": ""}))
    assert update[page.widgets.sentences].visible
    assert update[page.widgets.axis] == axis_menu.TWO_SENTENCES
    assert page.inbox.newest("one") is None


def test_newer_sentences_end_an_older_calibration(page: PlayPage) -> None:
    page.describe(person(), View(), *values(**TYPED))
    older = page.serve(person(), View())
    view = next(older)[page.widgets.view]
    next(older)
    page.describe(person(), view, *values(**TYPED | {"negative": "a shy poet"}))
    view, _ = last(page, older)
    assert view.phase == "done" and view.inputs is not None and view.inputs.axis == f"{PIRATE} | a shy poet"
    (asked,) = page.player.requests  # type: ignore[attr-defined]
    assert {one.axis for row in asked.rows for one in row.strengths} == {view.inputs.axis}, "the older asked no more"


def test_the_gallery_fills_both_boxes(page: PlayPage) -> None:
    name = next(iter(descriptions.gallery()))
    update = page.take(person(), name, View(), *values())
    assert (update[page.widgets.positive], update[page.widgets.negative]) == descriptions.parts(name)
    assert update[page.widgets.axis] == axis_menu.TWO_SENTENCES
    inputs = page.inbox.newest("one")
    assert inputs is not None and inputs.axis == name
    assert page.take(person(), "no such", View(), *values()) == gr.skip()


def test_a_link_carries_both_sentences(page: PlayPage) -> None:
    preset = present.preset_of(wish(prompt="Hello?", axis=NAME, alpha=0.5))
    shared = share.decode(share.encode(preset))
    assert shared is not None and shared.preset.axis == NAME
    person_by_link: Any = person()
    person_by_link.query_params = {"prompt": "Hello?", "axis": NAME, MAIN: "0.5"}
    update = page.opened(person_by_link)
    assert (update[page.widgets.positive], update[page.widgets.negative]) == (PIRATE, CLERK)
    assert update[page.widgets.axis] == axis_menu.TWO_SENTENCES and update[page.widgets.sentences].visible
    view, _ = last(page, page.serve(person_by_link, View()))
    assert view.phase == "done"


def test_a_link_with_an_unknown_axis_is_still_refused(page: PlayPage) -> None:
    by_link: Any = person()
    by_link.query_params = {"prompt": "Hello?", "axis": "no such axis"}
    assert page.opened(by_link)[page.widgets.view].error is not None


def test_the_mixer_keeps_two_sentences_that_are_mixed_in(page: PlayPage) -> None:
    found = listed({"positivity": card("positivity", "gloomy", "cheerful")}, "extraversion", [NAME])
    assert [one["name"] for one in found] == ["positivity", NAME]
    update = page.drawing.filled(wish(Inputs(axis="extraversion"), more=(Strength(axis=NAME, alpha=0.5),)))
    assert NAME in [one["name"] for one in update[page.widgets.more].props["axes"]]


def test_progress_is_told_until_the_request_begins() -> None:
    view = replace(present.begin(View(), wish(prompt="Hello?")), phase="reading")
    view = present.fold(view, Progress("calibrating", 30, 120))
    assert "25 %" in captions.status(view)
    view = present.fold(view, Started((3,) * len(view.asked_slots)))
    assert view.calibrated is None and "Calibrating" not in captions.status(view)


@pytest.mark.parametrize(("positive", "negative"), [("x" * 301, "b"), ("a", "a"), ("a|b", "c")])
def test_unfit_sentences_are_told_in_the_status(page: PlayPage, positive: str, negative: str) -> None:
    page.describe(person(), View(), *values(**TYPED | {"positive": positive, "negative": negative}))
    view, shown = last(page, page.serve(person(), View()))
    assert view.phase == "failed" and isinstance(view.error, InvalidInput)
    assert page.widgets.status in shown
