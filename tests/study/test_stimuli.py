"""Replies are made once and never change: coupled noise, digests that prove them, and a build that goes on."""

import json
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from playground.errors import InvalidInput
from playground.events import Event, Finished, exhaust, finished
from playground.settings import Request
from playground.study import backup, building, export, stimuli
from playground.study import plan as plans
from playground.study.database import sqlite_url
from playground.study.parts import Condition
from playground.study.store import Store
from playground.study.visit import Visits
from playground.study.web import screens
from tests.study.made import BASE, PLAN, FakePlayer, make_study, plan, walk


def test_every_prompt_is_answered_at_every_strength_with_one_noise(tmp_path: Path) -> None:
    player = FakePlayer()
    study = make_study(tmp_path, PLAN.replace("seed = 3", "seed = 3\nseeds = [4, 9]"), player)
    assert len(player.asked) == 4 * 2
    for request in player.asked:
        assert [row.strengths[0].alpha for row in request.rows] == [-1, 0, 1, 2, 9]
        assert len({row.seed for row in request.rows}) == 1
        assert len({row.messages for row in request.rows}) == 1
    assert len(study.stimuli) == 4 * 2 * 5
    assert study.at("home", 9, 2.0).reply.startswith("Describe your home. Seed 9,")


def test_control_is_steered_where_the_plan_says_so(tmp_path: Path) -> None:
    player = FakePlayer()
    study = make_study(tmp_path, PLAN.replace("seed = 3", 'seed = 3\nmethod = "control"'), player)
    assert [row.strengths[0].control for row in player.asked[0].rows] == [-1, 0, 1, 2, 9]
    assert all(row.strengths[0].alpha == 0 for row in player.asked[0].rows)
    assert (study.at("home", 0, 2.0).slider, study.at("home", 0, 2.0).strength) == ("control", 2.0)


def test_the_folder_tells_how_the_replies_came_about(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    manifest = json.loads((tmp_path / stimuli.MANIFEST).read_text())
    assert manifest["model"] == BASE.model_dump()
    assert manifest["axis_files"] == {"identity_layer.safetensors": "f"}
    assert manifest["decoding"]["max_new_tokens"] == plan().max_new_tokens
    table = pd.read_parquet(tmp_path / stimuli.TABLE)
    assert {"alpha", "control", "seed", "reward", "kl", "tokens", "sha256"} <= set(table.columns)
    assert all(stimuli.sha256(row["reply"]) == row["sha256"] for _, row in table.iterrows())
    assert stimuli.load(tmp_path) == study


def test_a_build_goes_on_after_a_stop_with_the_same_replies(tmp_path: Path) -> None:
    whole = make_study(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        make_study(tmp_path / "cut", player=FakePlayer(fails_after=2))
    with pytest.raises(InvalidInput, match="study file"):
        stimuli.load(tmp_path / "cut")
    rest = FakePlayer()
    assert make_study(tmp_path / "cut", player=rest) == whole
    assert len(rest.asked) == 2


def test_a_build_whose_replies_come_from_elsewhere_is_the_same(tmp_path: Path) -> None:
    whole = make_study(tmp_path / "whole")

    def build(player: FakePlayer) -> None:
        def elsewhere(_: Condition, requests: Iterable[Request]) -> Generator[list[Finished], None, None]:
            yield from (finished(player.run(request)) for request in requests)

        exhaust(building.build(plan(), PLAN, lambda _: FakePlayer(), tmp_path / "cut", elsewhere))

    with pytest.raises(KeyboardInterrupt):
        build(FakePlayer(fails_after=2))
    rest = FakePlayer()
    build(rest)
    assert len(rest.asked) == 2
    assert stimuli.load(tmp_path / "cut") == whole
    for path in (tmp_path / "whole").rglob("*.jsonl"):
        assert (tmp_path / "cut" / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()


def test_two_builds_at_once_in_one_folder_are_refused(tmp_path: Path) -> None:
    first = building.build(plan(), PLAN, lambda _: FakePlayer(), tmp_path)
    next(first)
    with pytest.raises(InvalidInput, match="Another process"):
        next(building.build(plan(), PLAN, lambda _: FakePlayer(), tmp_path))
    first.close()
    make_study(tmp_path)


def test_a_change_of_wording_makes_no_reply_anew_and_a_change_of_sampling_makes_all(tmp_path: Path) -> None:
    make_study(tmp_path)
    again = FakePlayer()
    make_study(tmp_path, PLAN.replace("A made study", "Another title"), again)
    assert again.asked == []
    make_study(tmp_path, PLAN + "\n[sampling]\ntemperature = 0.5\n", again)
    assert len(again.asked) == 4


def test_a_reply_that_was_changed_is_found_out(tmp_path: Path) -> None:
    make_study(tmp_path)
    table = pd.read_parquet(tmp_path / stimuli.TABLE)
    table.loc[3, "reply"] = "Something else."
    table.to_parquet(tmp_path / stimuli.TABLE)
    with pytest.raises(InvalidInput, match="not those that were made"):
        stimuli.load(tmp_path)
    table.loc[3, "sha256"] = stimuli.sha256("Something else.")
    table.to_parquet(tmp_path / stimuli.TABLE)
    with pytest.raises(InvalidInput, match="not those that were made"):
        stimuli.load(tmp_path)


def test_a_plan_that_asks_for_other_replies_is_found_out(tmp_path: Path) -> None:
    make_study(tmp_path)
    (tmp_path / plans.FILE_NAME).write_text(PLAN.replace("2.0]", "3.0]"))
    with pytest.raises(InvalidInput, match="its plan asks for"):
        stimuli.load(tmp_path)


def test_a_folder_without_replies_and_an_unknown_axis_are_told(tmp_path: Path) -> None:
    (tmp_path / plans.FILE_NAME).write_text(PLAN)
    with pytest.raises(InvalidInput, match=stimuli.MANIFEST):
        stimuli.load(tmp_path)
    with pytest.raises(InvalidInput, match="nosuch"):
        building.check_axis(plans.parse(PLAN.replace("extraversion", "nosuch")))
    building.check_axis(plan())
    building.check_axis(plans.parse(PLAN.replace("extraversion", "a pirate | a clerk")))
    with pytest.raises(InvalidInput):
        building.check_axis(plans.parse(PLAN.replace("extraversion", "a pirate | ")))


def test_people_see_that_a_reply_was_cut(tmp_path: Path) -> None:
    whole = next(iter(make_study(tmp_path).stimuli.values()))
    assert whole.shown == whole.reply
    assert replace(whole, finish_reason="length").shown == f"{whole.reply} …"


def test_replies_that_read_the_same_are_counted(tmp_path: Path) -> None:
    # The made replies tell strengths apart by whole numbers only.
    study = make_study(tmp_path, PLAN.replace("[-1.0, 0.0, 1.0, 2.0]", "[0.0, 0.1, 1.0]"))
    assert stimuli.identical_pairs(study) == 3


class Separating(FakePlayer):
    """Answers with every separator that some program takes for the end of a line."""

    def run(self, request: Request) -> Generator[Event, None, None]:
        for event in super().run(request):
            yield replace(event, text=f"{event.text}{LINE_ENDS}end.") if isinstance(event, Finished) else event


LINE_ENDS = "\u2028one\u2029two\x85three\x1cfour\x0bfive\x0csix\r\nseven\rnine\n"


def test_a_reply_may_hold_any_separator(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", player=Separating())
    assert all(one.reply.endswith(f"{LINE_ENDS}end.") for one in study.stimuli.values())
    assert make_study(tmp_path / "s", player=FakePlayer(fails_after=0)) == study  # it goes on from what is kept
    with Store.open(sqlite_url(tmp_path / "x.sqlite"), study) as store:
        page = screens.page(Visits(study, store).arrive({}), study.plan)
        assert page
        walk(store, store.enrol("form-0001").code)
        export.write(study, store, tmp_path / "data")
    backup.write(sqlite_url(tmp_path / "x.sqlite"), tmp_path / "b.zip")
    assert backup.read(tmp_path / "b.zip", sqlite_url(tmp_path / "y.sqlite"), study) > 0
