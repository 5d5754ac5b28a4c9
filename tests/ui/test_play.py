"""The page's handlers without a browser: the newest inputs wins, sessions never meet, every error is a sentence."""

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from playground import presets
from playground.errors import InvalidInput, PlaygroundError
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.settings import Request, Strength
from playground.ui import app
from playground.ui.play import page as play
from playground.ui.play import present
from playground.ui.play.dial import Dial, marks
from playground.ui.play.mixer import Mixer, listed
from playground.ui.play.page import PlayPage
from playground.ui.play.updates import menu
from playground.ui.play.view import Inputs, View
from playground.ui.play.widgets import ASKED
from tests.ui.fake_player import FakePlayer, card, wish

T = TypeVar("T")


def person(name: str = "one") -> Any:
    return SimpleNamespace(session_hash=name)


def values(**change: Any) -> list[Any]:
    opened = wish(prompt="Describe a morning.", axis="extraversion", alpha=1.0, max_new_tokens=8)
    inputs = {**vars(opened), **opened.at.amounts, "positive": "", "negative": "", **change}
    return [inputs[name] for name in ASKED]


def page_of(player: FakePlayer) -> PlayPage:
    return inside_a_loop(lambda: PlayPage(player, presets.read_all()))


def inside_a_loop(build: Callable[[], T]) -> T:
    """Outside a running loop gradio leaves a new one behind, unclosed, for each Blocks."""

    async def built() -> T:
        with gr.Blocks(analytics_enabled=False):
            return build()

    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(lambda: asyncio.run(built())).result()


@pytest.fixture(autouse=True)
def _every_event_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "_REDRAW_S", 0.0)


@pytest.fixture
def page() -> PlayPage:
    return page_of(FakePlayer())


def last(page: PlayPage, updates: Iterator[dict]) -> tuple[View, dict]:
    """The view a run ends with, and everything it has put on the page."""
    shown: dict = {}
    for update in updates:
        shown |= update
    return shown.get(page.widgets.view, View()), shown


def run(page: PlayPage, view: View | None = None, who: str = "one", **change: Any) -> tuple[View, dict]:
    view = view or View()
    page.ask(person(who), view, *values(**change))
    return last(page, page.serve(person(who), view))


def test_run_fills_both_panes_the_strip_and_the_curve(page: PlayPage) -> None:
    view, shown = run(page)
    assert view.phase == "done"
    assert {page.widgets.base, page.widgets.steered, page.widgets.strip, page.widgets.curve} <= set(shown)
    assert len(page.player.requests) == 1  # type: ignore[attr-defined]


def test_the_same_wish_twice_is_answered_once(page: PlayPage) -> None:
    view, _ = run(page)
    _, shown = run(page, view)
    assert set(shown) == {page.widgets.status}
    assert len(page.player.requests) == 1  # type: ignore[attr-defined]


def test_a_newer_wish_ends_the_older_run_and_closes_its_stream(page: PlayPage) -> None:
    page.ask(person(), View(), *values())
    older = page.serve(person(), View())
    view = next(older)[page.widgets.view]
    next(older)
    page.moved(person(), view, *values(alpha=0.25))
    assert list(page.serve(person(), view)) == [gr.skip()], "one hand serves a session"
    view, _ = last(page, older)
    assert page.player.closed == 2  # type: ignore[attr-defined]
    assert view.phase == "done"
    assert view.inputs is not None
    assert view.inputs.at.alpha == 0.25


def test_a_dial_moved_before_the_first_run_asks_nothing(page: PlayPage) -> None:
    assert page.moved(person(), View(), *values(alpha=2.0)) == gr.skip()
    assert page.inbox.newest("one") is None


def test_a_dial_keeps_to_the_prompt_that_was_asked(page: PlayPage) -> None:
    view, _ = run(page)
    page.moved(person(), view, *values(alpha=0.4, prompt="Half a new pro"))
    inputs = page.inbox.newest("one")
    assert inputs is not None
    assert (inputs.prompt, inputs.at.alpha) == ("Describe a morning.", 0.4)


def test_stop_keeps_what_is_written(page: PlayPage) -> None:
    page.ask(person(), View(), *values())
    running = page.serve(person(), View())
    next(running)
    next(running)
    page.halt(person())
    view, shown = last(page, running)
    assert view.phase == "stopped"
    assert "Stopped at" in shown[page.widgets.status]
    view, _ = run(page, view)
    assert view.phase == "done"


def test_closing_the_page_closes_the_stream(page: PlayPage) -> None:
    page.ask(person(), View(), *values())
    running = page.serve(person(), View())
    next(running)
    next(running)
    running.close()
    assert page.player.closed == 1  # type: ignore[attr-defined]


def test_two_sessions_never_see_each_other(page: PlayPage) -> None:
    page.ask(person("one"), View(), *values(alpha=-1.0))
    page.ask(person("two"), View(), *values(alpha=2.0, prompt="Tell me more."))
    one, two = page.serve(person("one"), View()), page.serve(person("two"), View())
    next(one)
    next(two)
    (mine, _), (theirs, _) = last(page, one), last(page, two)
    for view, alpha, prompt in ((mine, -1.0, "Describe a morning."), (theirs, 2.0, "Tell me more.")):
        assert view.slots["steered"].strengths[0].alpha == alpha
        assert all(reply.row.messages[0].content == prompt for reply in view.replies.values())


def test_who_comes_second_is_told_how_many_are_before(page: PlayPage) -> None:
    page.ask(person("one"), View(), *values())
    told = page.ask(person("two"), View(), *values())
    assert "together with 1 other " in told[page.widgets.status]
    page.halt(person("one"))
    page.halt(person("two"))
    assert "before you" not in page.ask(person("6"), View(), *values())[page.widgets.status]


def test_a_move_belongs_to_what_was_asked_last(page: PlayPage) -> None:
    view, _ = run(page)
    page.ask(person(), view, *values(prompt="Tell me more."))
    page.moved(person(), view, *values(alpha=-0.5))
    view, _ = last(page, page.serve(person(), view))
    assert (view.prompt, view.slots["steered"].strengths[0].alpha) == ("Tell me more.", -0.5)


@pytest.mark.parametrize("edits", [False, True])
def test_a_follow_up_is_not_lost_to_a_dial_that_moves(page: PlayPage, edits: bool) -> None:
    view, _ = run(page)
    page.follow(person(), view, "And then?", edits, *values())
    page.moved(person(), view, *values(alpha=-0.5))
    view, _ = last(page, page.serve(person(), view))
    for alpha in (0.5, 0.75):  # each time it is sent once only
        page.moved(person(), view, *values(alpha=alpha))
        view, _ = last(page, page.serve(person(), view))
        assert (view.prompt, len(view.turns)) == ("And then?", 0 if edits else 1)
        assert view.slots["steered"].strengths[0].alpha == alpha


def test_an_empty_follow_up_leaves_all_as_it_was(page: PlayPage) -> None:
    view, _ = run(page)
    assert page.follow(person(), view, "  ", False, *values()) == gr.skip()
    page.moved(person(), view, *values(alpha=-0.5))
    view, _ = last(page, page.serve(person(), view))
    assert (view.phase, view.prompt) == ("done", "Describe a morning.")


def test_a_dial_that_moves_before_an_edited_turn_is_answered_keeps_the_edit(page: PlayPage) -> None:
    view, _ = run(page)
    page.follow(person(), view, "And before?", True, *values())
    begun = present.begin(view, replace(view.inputs or Inputs(), follow_up="And before?", edits=True))
    page.moved(person(), begun, *values(alpha=-0.5))
    view, _ = last(page, page.serve(person(), begun))
    assert (view.phase, view.prompt, view.turns) == ("done", "And before?", ())


def test_a_follow_up_continues_and_a_new_conversation_forgets(page: PlayPage) -> None:
    view, _ = run(page)
    page.follow(person(), view, "And then?", False, *values())
    view, _ = last(page, page.serve(person(), view))
    assert [turn.user for turn in view.turns] == ["Describe a morning."]
    page.follow(person(), view, "And then?", False, *values())
    view, _ = last(page, page.serve(person(), view))
    assert len(view.turns) == 2, "the same words again are another turn"
    assert page.clear(person(), "extraversion")[page.widgets.view] == View()


def test_a_new_conversation_is_left_alone_by_the_run_it_ends(page: PlayPage) -> None:
    page.ask(person(), View(), *values())
    running = page.serve(person(), View())
    next(running)
    page.clear(person(), "extraversion")
    assert list(running) == []
    assert "before you" not in page.ask(person("two"), View(), *values())[page.widgets.status]


def test_a_new_seed_answers_again(page: PlayPage) -> None:
    view, _ = run(page)
    assert page.reseed(person(), view, *values()) == gr.skip(), "at temperature 0 it would change nothing"
    seed = page.reseed(person(), view, *values(temperature=0.7))[page.widgets.seed]
    view, _ = last(page, page.serve(person(), view))
    assert {row.seed for row in view.slots.values()} == {seed}


def test_every_preset_fills_the_page_and_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "_REDRAW_S", 60.0)
    page = page_of(FakePlayer(axes=tuple(card(preset.axis) for preset in presets.read_all())))
    for index, preset in enumerate(page.presets):
        update = page.choose_preset(person(), index, View(), *values())
        assert update[page.widgets.prompt] == preset.prompt
        view, _ = last(page, page.serve(person(), View()))
        assert view.phase == "done"
        assert view.slots["steered"].strengths[0].axis == preset.axis


def test_another_axis_renames_the_poles(page: PlayPage) -> None:
    update = page.choose_axis(person(), View(), *values(axis="positivity"))
    assert update[page.widgets.dials["alpha"]].props["positive"] == "cheerful"


@pytest.mark.parametrize("change", [{"prompt": ""}, {"prompt": "word " * 3000}, {"max_new_tokens": None}, {"seed": -3}])
def test_bad_input_is_shown_as_a_sentence_and_the_next_run_works(page: PlayPage, change: dict) -> None:
    view, shown = run(page, **change)
    assert view.phase == "failed"
    assert "failed" in shown[page.widgets.status]
    assert run(page, view)[0].phase == "done"


def test_an_error_in_mid_stream_is_shown_beside_what_was_written(
    page: PlayPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = page.player.run

    def broken(request: Request, client: object) -> Iterator[Any]:
        for _, event in zip(range(9), whole(request), strict=False):
            yield event
        raise PlaygroundError("The weights went away.", "Start again.")

    monkeypatch.setattr(page.player, "run", broken)
    view, shown = run(page)
    assert view.phase == "failed"
    assert "The weights went away." in shown[page.widgets.status]
    assert view.tokens


def test_a_model_without_axes_answers_as_it_came_and_says_how_to_get_one() -> None:
    page = page_of(FakePlayer(axes=()))
    view, shown = run(page, axis=None)
    assert view.phase == "done"
    assert len(view.slots) == 1
    assert "two sentences describe" in shown[page.widgets.steered]


def test_the_dial_takes_any_finite_number_and_nothing_else() -> None:
    dial = Dial(0.0, name="alpha", hint="", **marks(card(), "alpha"))
    assert dial.preprocess(7) == 7.0
    for wrong in (None, "1", True):
        with pytest.raises(InvalidInput):
            dial.preprocess(wrong)


def test_a_taken_port_is_told_before_any_model_is_loaded() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InvalidInput, match="already in use"):
            app.serve(ServerSettings(model="tiny"), port=taken.getsockname()[1], open_browser=False)
    with pytest.raises(InvalidInput, match="not a port"):
        app.serve(ServerSettings(model="tiny"), port=99999, open_browser=False)


def test_tools_that_cannot_be_offered_are_told_before_any_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(InvalidInput, match="package mcp"):
        app.serve(ServerSettings(model="nowhere", mcp=True), port=0, open_browser=False)


def test_the_page_is_private_and_asks_nothing_of_the_outside() -> None:
    blocks = inside_a_loop(lambda: app.build(LimitedPlayer(FakePlayer(), ServerSettings())))
    look = app.appearance()
    assert not blocks.analytics_enabled
    assert (look["run_history"], look["ssr_mode"], look["pwa"], look["share"]) == (False, False, True, False)
    styles = [look["theme"]._get_theme_css(), *(path.read_text(encoding="utf-8") for path in look["css_paths"])]
    assert not look["theme"]._stylesheets
    assert not [style for style in styles if re.search(r"@import|url\([\"']?(https?:)?//", style)]


def test_only_so_many_may_wait_and_strangers_upload_nothing() -> None:
    hosting = ServerSettings(public=True, queue=3)
    assert inside_a_loop(lambda: app.build(LimitedPlayer(FakePlayer(), hosting)))._queue.max_size == 3
    assert (app.appearance(hosting)["max_file_size"], app.appearance()["max_file_size"]) == ("1kb", "200mb")


def opened(page: PlayPage, **query: str) -> tuple[View, dict]:
    page.opened(SimpleNamespace(session_hash="one", query_params=query))  # type: ignore[arg-type]
    return last(page, page.serve(person(), View()))


def test_a_link_fills_the_page_and_is_answered(page: PlayPage) -> None:
    first, _ = run(page, alpha=0.4, more=(Strength(axis="positivity", alpha=0.5),))
    assert first.inputs is not None
    taken = menu(first, page.player, page.model)
    view, _ = opened(page, **dict(parse_qsl(taken["link"])))
    assert view.inputs == first.inputs
    assert view.replies == first.replies


@pytest.mark.parametrize(
    ("query", "says"), [({"prompt": "Hi", "alpha": "much"}, "alpha"), ({"prompt": "Hi", "axis": "gone"}, "gone")]
)
def test_a_link_that_cannot_be_opened_says_why(page: PlayPage, query: dict[str, str], says: str) -> None:
    update = page.opened(SimpleNamespace(session_hash="one", query_params=query))  # type: ignore[arg-type]
    failed = update[page.widgets.view]
    assert failed.phase == "failed"
    assert says in next(iter(page.serve(person(), failed)))[page.widgets.status]


def opened_file(text: str, name: str = "mine.toml") -> Any:
    return SimpleNamespace(text=text, name=name)


def test_a_saved_preset_opens_to_what_was_saved(page: PlayPage) -> None:
    view, shown = run(page, prompt='Say "one"\nand two.', alpha=0.4, temperature=0.7, seed=3)
    saved = shown[page.widgets.reuse]["preset"]
    other, _ = run(page, View(), prompt="Something else.")
    update = page.open_preset(opened_file(saved), person(), other, *values(prompt="Something else."))
    assert update[page.widgets.prompt] == 'Say "one"\nand two.'
    again, _ = last(page, page.serve(person(), other))
    assert (again.inputs, again.replies[next(iter(view.replies))]) == (view.inputs, next(iter(view.replies.values())))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<b>no</b>", "not valid TOML"),
        ('title = "x"', "prompt"),
        ('title = "x"\nprompt = "y"\naxis = "gone"', "gone"),
        ('title = "x"\nprompt = "y"\npath = "/etc"', "path"),
    ],
)
def test_a_preset_that_cannot_be_opened_says_why_and_changes_nothing(
    page: PlayPage, monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda message, title: warned.append(message))
    view, _ = run(page)
    assert page.open_preset(opened_file(text, "<i>.toml"), person(), view, *values()) == gr.skip()
    [message] = warned
    assert says in message and "<" not in message
    assert page.inbox.newest("one") == view.inputs


def test_a_page_opened_without_a_link_is_left_as_it_is(page: PlayPage) -> None:
    request: Any = SimpleNamespace(session_hash="one", query_params={"__theme": "dark"})
    assert page.opened(request) == gr.skip()


def test_what_is_shown_can_be_taken_along(page: PlayPage) -> None:
    view, _ = run(page)
    taken = menu(view, page.player, page.model)
    assert taken["live"]
    assert "playground generate" in taken["command"]
    assert all(taken[name] for name in ("link", "python", "preset", "comparator"))
    mixed, _ = run(page, view, more=(Strength(axis="positivity", alpha=0.5),))
    assert "--axis positivity=0.5" in menu(mixed, page.player, page.model)["command"]
    assert menu(View(), page.player, page.model) == {}


def test_the_mixer_takes_strengths_and_nothing_else() -> None:
    mixer = Mixer((Strength(axis="positivity", alpha=0.5),), axes=listed({"positivity": card()}, None))
    assert mixer.preprocess(mixer.postprocess((Strength(axis="a", control=1),))) == (Strength(axis="a", control=1),)
    for wrong in (None, "a", [1], [{"axis": ""}]):
        with pytest.raises(InvalidInput):
            mixer.preprocess(wrong)


def test_an_emptied_page_stands_in_nobodys_way(page: PlayPage) -> None:
    run(page)
    page.clear(person("one"), "extraversion")
    assert "together" not in page.ask(person("two"), View(), *values())[page.widgets.status]


def test_a_stream_that_breaks_off_ends_the_run(page: PlayPage, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = page.player.run
    monkeypatch.setattr(page.player, "run", lambda request, client: (event for event in list(whole(request))[:5]))
    view, _ = run(page)
    assert view.tokens == 1
