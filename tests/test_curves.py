"""The figures say what was measured and keep still while a person looks at them."""

import json

import pytest
from plotly.graph_objects import Figure

from playground import curves
from playground.curves import Measured
from tests.ui.fake_player import card


def traces(figure: Figure) -> dict[str, dict]:
    return {trace["name"]: trace for trace in json.loads(figure.to_json() or "")["data"]}


def layout(figure: Figure) -> dict:
    return json.loads(figure.to_json() or "")["layout"]


def test_the_backdrop_is_the_cards_mean_with_its_interval() -> None:
    figure = traces(curves.reward_curve(card()))
    assert {"measured mean", "95 % interval", "beyond the safe range"} <= set(figure)
    assert figure["measured mean"]["x"] == [point.alpha for point in card().curve]


def test_points_wear_the_colour_of_their_side_and_the_current_one_is_larger() -> None:
    figure = traces(curves.reward_curve(card(), [Measured(1, 2.0, current=True), Measured(-1, -1.0), Measured(0, 0.0)]))
    marker = figure["this prompt"]["marker"]
    assert figure["this prompt"]["x"] == [-1, 0, 1]
    assert marker["color"] == [curves.NEGATIVE, curves.BASE, curves.POSITIVE]
    assert marker["size"][2] > marker["size"][0]


def test_the_axes_do_not_move_while_alpha_or_an_ordinary_point_does() -> None:
    layouts = [layout(curves.reward_curve(card(), [Measured(a, a, current=True)], alpha=a)) for a in (-1.0, 0.3, 1.4)]
    assert len({(*one["xaxis"]["range"], *one["yaxis"]["range"]) for one in layouts}) == 1


def test_alpha_is_a_line_that_stays_on_the_paper() -> None:
    for alpha in (0.5, 40.0, -40.0):
        [line] = layout(curves.reward_curve(card(), alpha=alpha))["shapes"]
        assert curves.X_RANGE[0] <= line["x0"] == line["x1"] <= curves.X_RANGE[1]
    assert "shapes" not in layout(curves.reward_curve(card()))


def test_every_point_is_on_the_paper() -> None:
    low, high = layout(curves.reward_curve(card(), [Measured(1, 55.0), Measured(0, -70.0)]))["yaxis"]["range"]
    assert low < -70 < 55 < high


def test_the_zone_begins_where_the_safe_range_ends() -> None:
    data = json.loads(curves.reward_curve(card()).to_json() or "")["data"]
    zones = [trace for trace in data if trace["name"] == "beyond the safe range"]
    assert [zone["x"][:2] for zone in zones] == [[curves.X_RANGE[0], -1.0], [2.0, curves.X_RANGE[1]]]
    assert all(zone["fillpattern"]["fgcolor"] == curves.UNSAFE for zone in zones)


@pytest.mark.parametrize("points", [(), (Measured(1, 0.5),)])
def test_without_a_card_there_is_still_a_figure(points: tuple[Measured, ...]) -> None:
    assert len(traces(curves.reward_curve(None, points))) == len(points)
    assert "No measured curve" in curves.caption(None)


def test_the_caption_is_computed_from_the_card() -> None:
    assert curves.caption(card()) == (
        "Over the axis's test prompts, mean reward rises from -1.9 to 3.5 at alpha 2; "
        "replies stayed fluent from -1 to 2."
    )
