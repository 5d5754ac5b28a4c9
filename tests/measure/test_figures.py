"""The figures say what was measured and keep still while a person looks at them."""

import json
import re
from html import unescape

import pytest
from plotly.graph_objects import Figure

from playground.cards import Point, SafeRange
from playground.measure import charts, figures, findings
from playground.measure.figures import ReplyReward
from playground.measure.sheet import sheet
from playground.settings import Sliders
from tests.measure.test_findings import point
from tests.ui.fake_player import card


def traces(figure: Figure) -> dict[str, dict]:
    return {trace["name"]: trace for trace in json.loads(figure.to_json() or "")["data"]}


def layout(figure: Figure) -> dict:
    return json.loads(figure.to_json() or "")["layout"]


def test_the_backdrop_is_the_cards_mean_with_its_interval() -> None:
    figure = traces(figures.reward_curve(card()))
    assert {"measured mean", "95 % interval", "outside the tested range"} <= set(figure)
    assert figure["measured mean"]["x"] == [point.alpha for point in card().curve]


def test_points_wear_the_colour_of_their_side_and_the_current_one_is_larger() -> None:
    figure = traces(
        figures.reward_curve(card(), [ReplyReward(1, 2.0, current=True), ReplyReward(-1, -1.0), ReplyReward(0, 0.0)])
    )
    marker = figure["this prompt"]["marker"]
    assert figure["this prompt"]["x"] == [-1, 0, 1]
    assert marker["color"] == [charts.NEGATIVE, charts.BASE, charts.POSITIVE]
    assert marker["size"][2] > marker["size"][0]


def test_the_axes_do_not_move_while_alpha_or_an_ordinary_point_does() -> None:
    layouts = [
        layout(figures.reward_curve(card(), [ReplyReward(a, a, current=True)], here=a)) for a in (-1.0, 0.3, 1.4)
    ]
    assert len({(*one["xaxis"]["range"], *one["yaxis"]["range"]) for one in layouts}) == 1


def test_alpha_is_a_line_that_stays_on_the_paper() -> None:
    for alpha in (0.5, 40.0, -40.0):
        [line] = layout(figures.reward_curve(card(), here=alpha))["shapes"]
        assert figures.X_RANGE[0] <= line["x0"] == line["x1"] <= figures.X_RANGE[1]
    assert "shapes" not in layout(figures.reward_curve(card()))


def test_every_point_is_on_the_paper() -> None:
    low, high = layout(figures.reward_curve(card(), [ReplyReward(1, 55.0), ReplyReward(0, -70.0)]))["yaxis"]["range"]
    assert low < -70 < 55 < high


def test_the_zone_begins_where_the_safe_range_ends() -> None:
    data = json.loads(figures.reward_curve(card()).to_json() or "")["data"]
    zones = [trace for trace in data if trace["name"] == "outside the tested range"]
    assert [zone["x"][:2] for zone in zones] == [[figures.X_RANGE[0], -1.0], [2.0, figures.X_RANGE[1]]]
    assert all(zone["fillpattern"]["fgcolor"] == charts.UNSAFE for zone in zones)


@pytest.mark.parametrize("points", [(), (ReplyReward(1, 0.5),)])
def test_without_a_card_there_is_still_a_figure(points: tuple[ReplyReward, ...]) -> None:
    assert len(traces(figures.reward_curve(None, points))) == len(points)
    assert "No measured curve" in figures.caption(None)


def test_the_caption_is_computed_from_the_card() -> None:
    assert figures.caption(card()) == (
        "Over the axis's test prompts, mean reward rises from -1.9 to 3.5 at alpha 2; "
        "replies stayed fluent from -1 to 2."
    )


# --- charts of a sweep ----------------------------------------------------------------------------------------------

GRID = [
    point(alpha, control, reward=alpha + control, judge=alpha, kl=abs(alpha) + control)
    for alpha in (1.0, -1.0, 0.0)
    for control in (0.0, 1.0)
]


def shown(figure: Figure, name: str) -> list[Point]:
    """The points that a trace's marks lead back to."""
    return [GRID[mark[0]] for mark in traces(figure)[name]["customdata"]]


@pytest.mark.parametrize("along", ["alpha", "control"])
def test_each_line_holds_its_own_points_in_order(along: str) -> None:
    figure = figures.metric_curve(GRID, "reward", along, current=Sliders(alpha=1.0))
    other = "control" if along == "alpha" else "alpha"
    for at in {getattr(p, other) for p in GRID}:
        trace = traces(figure)[f"{other} {at:g}"]
        expected = findings.line(GRID, along, Sliders(**{other: at}))
        assert shown(figure, f"{other} {at:g}") == expected
        assert trace["x"] == [getattr(p, along) for p in expected]
        assert trace["y"] == [p.metrics["reward"].mean for p in expected]
        large = [p for p, size in zip(expected, trace["marker"]["size"], strict=True) if size > 7]
        assert large == [p for p in expected if (p.alpha, p.control) == (1.0, 0.0)]


def test_intervals_surround_the_means() -> None:
    figure = figures.metric_curve([p for p in GRID if p.control == 0], "reward")
    band = traces(figure)["95 % interval"]
    assert band["x"] == [-1, 0, 1, 1, 0, -1]
    assert band["y"] == pytest.approx([-0.9, 0.1, 1.1, 0.9, -0.1, -1.1])


@pytest.mark.parametrize(
    ("safe", "hatched"),
    [((-0.5, 0.5), [(-1.1, -0.5), (0.5, 1.1)]), ((-0.5, 3.0), [(-1.1, -0.5)]), ((-1.0, 1.0), [])],
)
def test_what_was_measured_outside_the_tested_range_is_hatched_as_on_play(
    safe: tuple[float, float], hatched: list[tuple[float, float]]
) -> None:
    figure = figures.metric_curve(GRID, "reward", safe=SafeRange(alpha=safe, control=(0.0, 1.0)))
    zones = [trace for trace in json.loads(figure.to_json() or "")["data"] if trace["name"] == charts.OUTSIDE]
    assert [tuple(zone["x"][:2]) for zone in zones] == hatched
    ours = json.loads(figures.reward_curve(card()).to_json() or "")["data"]
    style = next(trace["fillpattern"] for trace in ours if trace["name"] == charts.OUTSIDE)
    assert all(zone["fillpattern"] == style for zone in zones)
    assert "shapes" not in layout(figure)


def test_a_point_that_is_added_to_a_cards_curve_moves_neither_axis() -> None:
    measured = card().curve
    axes = [layout(figures.metric_curve(points, "reward", backdrop=measured)) for points in ((), GRID)]
    assert len({(*one["xaxis"]["range"], *one["yaxis"]["range"]) for one in axes}) == 1


def test_surprise_is_drawn_on_a_scale_that_takes_a_text_that_breaks() -> None:
    line = [point(alpha, perplexity=5.0 * 10**alpha) for alpha in (0.0, 1.0, 2.0)]
    axis = layout(figures.metric_curve(line, "perplexity"))["yaxis"]
    assert axis["type"] == "log" and axis["range"][0] < 0.7 < 2.69 < axis["range"][1]


@pytest.mark.parametrize(("means", "digits"), [((-0.202, 2.78), 2), ((13.2, 0.1), 1), ((0.0123,), 4), ((), 2)])
def test_all_numbers_of_a_chart_have_as_many_digits(means: tuple[float, ...], digits: int) -> None:
    line = [point(float(at), reward=mean) for at, mean in enumerate(means)]
    hover = [trace.get("hovertemplate") for trace in traces(figures.metric_curve(line, "reward")).values()]
    assert all(f":.{digits}f}}" in text and "3g" not in text for text in hover if text)
    places = {len(number.partition(".")[2]) for number in re.findall(r"-?\d+\.\d+", findings.as_text(line, "reward"))}
    assert places <= {digits}


def test_a_heat_map_leaves_empty_what_was_not_measured() -> None:
    figure = figures.heat_map(GRID[:-1], "reward", current=Sliders(alpha=1.0, control=1.0))
    [heat, ring] = json.loads(figure.to_json() or "")["data"]
    assert (heat["x"], heat["y"]) == (["-1", "0", "1"], ["0", "1"])
    assert heat["z"] == [[-1, 0, 1], [0, None, 2]]
    assert GRID[heat["customdata"][1][2][0]] == next(p for p in GRID if (p.alpha, p.control) == (1, 1))
    assert (ring["x"], ring["y"]) == (["1"], ["1"])


def test_reward_against_kl_goes_from_low_alpha_to_high() -> None:
    figure = figures.reward_against_kl(GRID)
    trace = traces(figure)["control 1"]
    assert (trace["x"], trace["y"]) == ([2, 1, 2], [0, 1, 2])
    assert [p.alpha for p in shown(figure, "control 1")] == [-1, 0, 1]


def test_the_sheet_is_the_same_each_time_and_no_two_charts_share_an_id() -> None:
    page = sheet(GRID, "cheer", "playground sweep")
    assert page.encode() == sheet(GRID, "cheer", "playground sweep").encode()
    ids = re.findall(r'<div id="([^"]+)"', page)
    assert len(set(ids)) == len(ids) > 4


def test_the_sheet_needs_no_network_and_says_it_in_words_too() -> None:
    page = sheet(GRID, "cheer on <tiny>", "playground sweep --axis cheer")
    assert "cheer on &lt;tiny&gt;" in page and "<tiny>" not in page
    assert "playground sweep --axis cheer" in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    for heading in (
        "Reward against alpha",
        "Judge",
        "KL to the base",
        "Reward over alpha and control",
        "Reward against KL",
    ):
        assert heading in page
    assert findings.sentence(GRID, "reward") in unescape(page)
    assert findings.as_text(GRID, "kl") in unescape(page)


def test_a_logarithmic_axis_writes_its_numbers_out() -> None:
    assert charts._ticks(3.2, 61.0) == [5, 10, 20, 50]
    assert charts._ticks(0.9, 1.1) == [1]
