"""The Curves page's pure half: a form becomes a plan, points become charts, words and links."""

import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from playground import cards, places, presets
from playground.errors import InvalidInput
from playground.events import Progress
from playground.measure.plan import SweepPlan
from playground.settings import Sliders
from playground.training.pairs import is_development, load_prompts
from playground.ui import share
from playground.ui.curves import present
from playground.ui.curves.present import Measurement
from tests.measure.test_findings import point
from tests.ui.fake_player import card

LINE = tuple(point(alpha, reward=alpha, kl=alpha * alpha, surprise=2.0) for alpha in (-1.0, 0.0, 1.0, 2.0))
GRID = tuple(point(a, c, reward=a + c, kl=1.0, surprise=2.0) for a in (0.0, 1.0) for c in (0.0, 0.5, 1.0))
PLAN = SweepPlan(
    axis="cheer", alphas=(-1.0, 0.0, 1.0, 2.0), prompts=("Hello.", "Who are you?"), seed=7, temperature=0.7
)
FOUND = Measurement(PLAN, "tiny", LINE, 2, phase="done")
BOTH = SweepPlan(axis="cheer", alphas=(0.0, 1.0), controls=(0.0, 0.5, 1.0), prompts=("Hello.",))
CARD = next(one for one in cards.shipped().values() if one.name == "extraversion")


def form(**change: object) -> dict:
    start = {"axis": "cheer", "grids": ("0:1:0.5", "0"), "prompts": ["Hello."], "seeds": 1, "seed": 0}
    return {**start, "temperature": 0.7, "max_new_tokens": 16, **change}


def drawn(figure: object) -> dict:
    return json.loads(figure.to_json())  # type: ignore[attr-defined]


def test_a_form_becomes_a_plan_whose_batches_are_a_prompt_or_two() -> None:
    plan = present.plan(**form(grids=("0:3:0.1", "0"), prompts=["a", "b", "c"]))
    assert len(plan.strengths()) == 31
    assert [len(batch) for batch in plan.batches()] == [31, 31, 31]
    assert present.plan(**form(seeds=None, seed=None)).seeds == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"axis": None}, "no axis to measure"),
        ({"prompts": []}, "no prompts"),
        ({"grids": ("one", "0")}, "neither a number"),
        ({"temperature": 0, "seeds": 2}, "the same for every seed"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
    ],
)
def test_a_form_that_cannot_be_measured_is_told_why(change: dict, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        present.plan(**form(**change))


def test_prompts_are_unseen_ones_the_presets_or_ones_own(tmp_path: Path) -> None:
    few, more = (present.prompts_of(present.UNSEEN, count, "", None) for count in (3, 6))
    assert len(few) == 3 and more[:3] == few, "more prompts begin with the same ones"
    assert set(present.prompts_of(present.FROM_PRESETS, None, "", None)) == {one.prompt for one in presets.read_all()}
    file = tmp_path / "mine.txt"
    file.write_text("Third.\nFirst.\n")
    own = present.prompts_of(present.OWN, None, " First.\n\nSecond.\n", str(file))
    assert own == ["First.", "Second.", "Third."]


@pytest.mark.parametrize("share", [0.05, 0.15, 0.5])
def test_what_is_new_to_an_axis_is_what_its_own_training_set_aside(share: float) -> None:
    axis = card("calm").model_copy(update={"recipe": {"development_share": share}})
    found = present.prompts_of(present.UNSEEN, 1000, "", None, axis)
    assert found
    assert all(is_development(prompt, share) for prompt in found)
    assert len(found) == sum(is_development(prompt, share) for prompt in load_prompts(places.PRESETS / "prompts.jsonl"))


def test_an_axis_that_learnt_from_all_prompts_has_none_that_are_new() -> None:
    axis = card("calm").model_copy(update={"recipe": {"development_share": 1e-9}})
    with pytest.raises(InvalidInput, match="None of the shipped prompts is new"):
        present.prompts_of(present.UNSEEN, 5, "", None, axis)


def test_the_work_is_told_before_it_is_done() -> None:
    plan = present.plan(**form(prompts=["a", "b"], seeds=3))
    assert present.size(plan) == ("alpha 0, 0.5, 1; control 0: 3 strengths × 2 prompts × 3 seeds = 18 replies")


@pytest.mark.parametrize("kind", present.KINDS)
@pytest.mark.parametrize(
    "found",
    [
        Measurement(),
        FOUND,
        Measurement(BOTH, "tiny", GRID),
        Measurement(PLAN, "tiny", LINE[:1]),
        Measurement(card=CARD),
    ],
)
def test_every_chart_of_any_points_can_be_drawn_and_told(kind: str, found: Measurement) -> None:
    assert drawn(present.chart(found, "reward", kind, Sliders(alpha=0.3)))["layout"]
    told = present.told(found, "reward", kind)
    assert "caption" in told
    assert ("As text" in told) == bool(found.shown)


def test_the_cards_curve_is_there_before_anything_is_measured() -> None:
    found = Measurement(card=CARD)
    names = {trace["name"] for trace in drawn(present.chart(found, "reward"))["data"]}
    assert names == {"measured mean", "95 % interval", "outside the tested range"}
    assert "Measured for the axis" in present.told(found, "reward")
    assert "Measured for the axis" not in present.told(replace(FOUND, card=CARD), "reward")


@pytest.mark.parametrize("kind", present.KINDS[:2])
def test_what_is_measured_is_added_to_the_cards_curve_on_the_same_axes(kind: str) -> None:
    alone, added = (
        drawn(present.chart(f, "reward", kind)) for f in (Measurement(card=CARD), replace(FOUND, card=CARD))
    )
    names = [trace["name"] for trace in added["data"]]
    assert "measured mean" in names[:-1] and names[-1] in ("this run", "control 0")
    assert added["layout"]["showlegend"] and not alone["layout"]["showlegend"]
    if kind == present.KINDS[0]:
        assert [added["layout"][axis]["range"] for axis in ("xaxis", "yaxis")] == [
            alone["layout"][axis]["range"] for axis in ("xaxis", "yaxis")
        ]


def test_a_map_of_one_row_is_not_offered_and_comes_as_a_line() -> None:
    assert present.kinds_of(Measurement(BOTH)) == present.KINDS
    for found in (Measurement(), Measurement(card=CARD), FOUND):
        assert present.kinds_of(found) == present.KINDS[:2]
        types = {trace["type"] for trace in drawn(present.chart(found, "reward", "Heat map"))["data"]}
        assert types <= {"scatter"}


@pytest.mark.parametrize(
    ("found", "kind", "name"),
    [
        (FOUND, present.KINDS[0], "cheer-reward-against-strength"),
        (FOUND, present.KINDS[1], "cheer-reward-against-kl"),
        (Measurement(BOTH, "tiny", GRID), present.KINDS[2], "cheer-reward-heat-map"),
        (FOUND, present.KINDS[2], "cheer-reward-against-strength"),
        (Measurement(card=CARD), present.KINDS[0], f"{CARD.name}-reward-against-strength"),
    ],
)
def test_a_charts_picture_is_named_after_what_it_shows(found: Measurement, kind: str, name: str) -> None:
    assert drawn(present.chart(found, "reward", kind))["layout"]["meta"] == {"file": name}


def test_a_target_is_found_on_the_cards_curve_before_anything_is_measured() -> None:
    told = present.target(Measurement(model="tiny", card=CARD), "reward", 0.0)
    (link,) = re.findall(r'href="\?([^"]+)"', told)[:1]
    opened = share.decode(link.replace("&amp;", "&"))
    assert opened is not None and (opened.preset.axis, opened.model) == (CARD.name, "tiny")


def test_plays_strength_is_marked_where_it_lies_on_the_chart() -> None:
    def marks(current: Sliders) -> list:
        return drawn(present.chart(FOUND, "reward", current=current))["layout"].get("shapes", [])

    assert [line["x0"] for line in marks(Sliders(alpha=0.3))] == [0.3]
    assert marks(Sliders(alpha=2.5)) == []


def test_a_chart_without_points_says_so_and_keeps_its_axes() -> None:
    assert "press Run" in present.told(Measurement(), "reward")
    assert drawn(present.chart(Measurement(), "reward"))["layout"]["xaxis"]["range"] == [-1, 3]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Measurement(), "Ready to measure."),
        (Measurement(phase="waiting"), "another measurement"),
        (Measurement(phase="measuring"), "Starting"),
        (
            Measurement(phase="measuring", progress=Progress("sweep", 4, 8, "replies", 1.0, 30.2)),
            "Measuring: 4 of 8 replies, about 31 s left",
        ),
        (Measurement(phase="measuring", progress=Progress("sweep", 4, 8, "replies", 1.0, 300.0)), "about 5 min left"),
        (
            Measurement(phase="stopped", progress=Progress("sweep", 4, 8)),
            "Stopped at 4 of 8 replies. Run resumes here.",
        ),
        (Measurement(phase="done", prompts=2, progress=Progress("sweep", 8, 8)), "means over 2 prompts"),
        (Measurement(phase="failed", problem="It broke."), "It broke."),
    ],
)
def test_how_far_it_is_is_one_line(found: Measurement, words: str) -> None:
    assert words in re.sub("<[^>]*>", "", present.standing(found))


def test_a_target_comes_with_a_link_that_plays_it() -> None:
    told = present.target(FOUND, "reward", 1.5)
    links = re.findall(r'href="\?([^"]+)"', told)
    assert len(links) == 1
    opened = share.decode(links[0].replace("&amp;", "&"))
    assert opened is not None
    assert (opened.preset.axis, opened.preset.alpha, opened.preset.prompt, opened.preset.seed) == (
        "cheer",
        1.5,
        "Hello.",
        7,
    )
    assert parse_qs(urlparse(f"?{links[0]}").query)
    assert "href" not in present.target(FOUND, "reward", 9.0)
    for found, value, complaint in ((Measurement(), 0.5, "Nothing is measured"), (FOUND, None, "no number")):
        with pytest.raises(InvalidInput, match=complaint):
            present.target(found, "reward", value)
