"""The Curves page's handlers on a tiny model: what is measured grows, stops, goes on, and can be taken away."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from playground import calibration, places
from playground.measure.sweep import replies_in
from playground.player import Player
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.ui import axis_menu
from playground.ui.curves import present
from playground.ui.curves.page import CurvesPage
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis
from tests.ui.test_play import inside_a_loop

ME = SimpleNamespace(session_hash="me")
CHOICES = ("reward", present.KINDS[0], "kl")


@pytest.fixture(scope="module")
def player(tiny_folder: FolderOf, tmp_path_factory: pytest.TempPathFactory) -> Player:
    player = Player.open(str(tiny_folder()))
    player.axis(str(make_tiny_axis(tmp_path_factory.mktemp("axis"), tiny_folder())))
    return player


@pytest.fixture(autouse=True)
def _own_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def page_of(player: Player, **hosting: Any) -> CurvesPage:
    return inside_a_loop(lambda: CurvesPage(LimitedPlayer(player, ServerSettings(model="tiny", **hosting))))


def form(**change: Any) -> list[Any]:
    values = {
        "axis": "cheer", "positive": "", "negative": "", "alphas": "-1,0,1", "controls": "0",
        "source": present.OWN, "count": 1, "own": "Hello.\nWho are you?", "file": None, "seeds": 2, "seed": 0,
        "temperature": 0.7, "length": 5,
    }  # fmt: skip
    return list((values | change).values())


def run(page: CurvesPage, **change: Any) -> Iterator[dict]:
    page.asked(ME)  # type: ignore[arg-type]
    yield from page.measure(ME, *CHOICES, *form(**change))  # type: ignore[arg-type]


def phases(page: CurvesPage, updates: list[dict]) -> list[str]:
    return [update[page.found].phase for update in updates if page.found in update]


def test_it_grows_batch_by_batch_and_ends_with_charts_replies_and_files(player: Player) -> None:
    page = page_of(player)
    updates = list(run(page, alphas="-1:2:0.5"))
    told = phases(page, updates)
    assert told[-1] == "done" and told.count("measuring") >= 2
    last = {key: value for update in updates for key, value in update.items()}
    found = last[page.found]
    assert [one.alpha for one in found.points] == [-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
    assert found.prompts == 2
    assert last[page.behind].count("<article>") == 28
    assert json.loads(last[page.chart].to_json())["data"]
    files = [Path(last[button]["value"]) for button in page.downloads]
    assert [file.name for file in files] == [
        "points.csv", "points.parquet", "replies.parquet", "prompts.txt", "llm-comparator.json",
    ]  # fmt: skip
    assert len(pd.read_csv(files[0])) == 7
    assert len(pd.read_parquet(files[2])) == 28
    assert files[3].read_text() == "Hello.\nWho are you?\n"
    compared = json.loads(files[4].read_text())
    assert len(compared["examples"]) == 4 and {"models", "metadata"} <= set(compared)


def test_stop_keeps_what_is_done_and_run_goes_on_there(player: Player) -> None:
    page = page_of(player)
    running = run(page, alphas="-1:2:0.5", seeds=3)
    update = next(running)
    while page.found not in update or not update[page.found].points:
        update = next(running)
    page.halt(ME)  # type: ignore[arg-type]
    rest = list(running)
    assert phases(page, rest) == ["stopped"]
    (folder,) = (places.data_directory() / "sweeps").iterdir()
    kept = replies_in(folder)
    assert 0 < len(kept) < 42
    again = list(run(page, alphas="-1:2:0.5", seeds=3))
    assert phases(page, again)[-1] == "done"
    assert replies_in(folder)[: len(kept)] == kept, "nothing is measured twice"


def test_stop_drops_the_prompt_in_work_and_says_how_many_replies_are_kept(player: Player) -> None:
    page = page_of(player)
    running = run(page, own="Hello.", seeds=1, length=40)
    while next(running).get(page.found) is None:
        pass
    page.halt(ME)  # type: ignore[arg-type]
    (last,) = [update[page.found] for update in running if page.found in update]
    assert (last.phase, last.points, last.progress.done) == ("stopped", (), 0)
    assert phases(page, list(run(page, own="Hello.", seeds=1, length=40)))[-1] == "done"


def test_a_chart_that_is_chosen_while_it_measures_stays_chosen(player: Player) -> None:
    page = page_of(player)
    running = run(page, alphas="-1:2:0.5", seeds=3)
    update = next(running)
    while page.found not in update:
        update = next(running)
    page.redraw(ME, update[page.found], "length", present.KINDS[0], "diversity")  # type: ignore[arg-type]
    assert all("length" in update[page.chart].to_json() for update in running if page.chart in update)


def test_another_axis_is_shown_by_its_card(player: Player) -> None:
    page = page_of(player)
    shown = page.choose(ME, "cheer", "", "", *CHOICES)
    assert shown[page.found].card == player.axes["cheer"].card
    assert "measured mean" in shown[page.chart].to_json()
    assert not page.choose(ME, "grace", "", "", *CHOICES)[page.found].shown


def test_an_axis_that_is_chosen_while_another_is_measured_is_drawn_last(player: Player) -> None:
    page = page_of(player)
    running = run(page, alphas="-1:2:0.5", seeds=3)
    while page.found not in next(running):
        pass
    with ThreadPoolExecutor(1) as other_hand:
        chosen = other_hand.submit(page.choose, ME, "cheer", "", "", *CHOICES)  # type: ignore[arg-type]
        while not page._watched["me"].stopping:
            assert not chosen.done(), "what the run draws next would come after it"
        assert phases(page, list(running)) == ["stopped"]
        shown = chosen.result()
    assert shown[page.found].phase == "empty" and not shown[page.downloads[0]].interactive


def test_an_axis_of_two_sentences_is_calibrated_in_view_and_kept_by_none_that_keeps_nothing(
    player: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "PROMPTS", calibration.PROMPTS[:3])
    monkeypatch.setattr(calibration, "TOKENS", 10)
    monkeypatch.setattr(player, "calibrations", tmp_path / "instant")
    monkeypatch.setattr(player, "keep", False)
    page = page_of(player, public=True)
    described = {"axis": axis_menu.TWO_SENTENCES, "positive": "a calm cook", "negative": "a loud judge"}
    updates = list(run(page, alphas="0,1", seeds=1, **described))
    told = [update[page.standing] for update in updates if page.standing in update]
    assert "Calibrating the axis" in told[2] and "Done" in told[-1]
    assert not player.calibrations.exists()


def test_whoever_stops_while_waiting_measures_nothing(player: Player) -> None:
    page = page_of(player)
    page.asked(ME)  # type: ignore[arg-type]
    page.left(ME)  # type: ignore[arg-type]
    updates = list(page.measure(ME, *CHOICES, *form()))  # type: ignore[arg-type]
    assert len(updates) == 1 and "Ready" in updates[0][page.standing]
    assert not places.data_directory().exists()


def test_two_people_stop_only_their_own(player: Player) -> None:
    page = page_of(player)
    running = run(page)
    next(running)
    page.left(SimpleNamespace(session_hash="somebody else"))  # type: ignore[arg-type]
    assert phases(page, list(running))[-1] == "done"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [({"alphas": "far"}, "neither a number"), ({"own": " "}, "no prompts"), ({"axis": "grace"}, "no axis named")],
)
def test_what_cannot_be_measured_is_said_and_run_is_free_again(player: Player, change: dict, complaint: str) -> None:
    page = page_of(player)
    last = list(run(page, **change))[-1]
    assert complaint in last[page.standing]
    assert page.run in last


def test_the_form_says_how_much_it_asks_for_and_by_which_command(player: Player) -> None:
    page = page_of(player)
    told = page.describe(*form())
    assert "3 strengths × 2 prompts × 2 seeds = 12 replies" in told[page.size]
    assert "--model tiny" in told[page.command] and "--alphas=-1,0,1" in told[page.command]
    assert page.command not in page.describe(*form(alphas="far"))


def test_a_public_page_keeps_its_limits_and_leaves_no_trace(player: Player, tmp_path: Path) -> None:
    page = page_of(player, public=True, max_replies=12)
    assert phases(page, list(run(page)))[-1] == "done"
    assert not places.data_directory().exists()
    over = list(run(page, seeds=3))[-1]
    assert "more than the 12" in over[page.standing]
    (tmp_path / "mine.txt").write_text("Hello.")
    assert "switched off" in list(run(page, file=str(tmp_path / "mine.txt")))[-1][page.standing]


def test_where_nothing_can_be_kept_it_measures_all_the_same(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/dev/null")
    page = page_of(player)
    assert phases(page, list(run(page)))[-1] == "done"
    assert list((page.scratch / "sweeps").iterdir())


def test_a_chart_of_another_metric_is_of_the_same_points(player: Player) -> None:
    page = page_of(player)
    found = [update[page.found] for update in run(page, seeds=1) if page.found in update][-1]
    shown = page.redraw(ME, found, "length", "Against KL", "diversity")  # type: ignore[arg-type]
    assert "length" in shown[page.chart].to_json()
    assert "is reached at" in page.aim(found, "kl", 0.0) or "No measured" in page.aim(found, "kl", 0.0)
    assert "Nothing is measured" in page.aim(present.Measurement(), "kl", 0.5)
