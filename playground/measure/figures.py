"""Plotly figures from cards and measured points: any metric against a slider or KL.

Pure: values in, figure out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import plotly.graph_objects as go

from playground import palette
from playground.cards import Card, Estimate, Point, SafeRange
from playground.measure import findings
from playground.measure.charts import (
    BASE,
    LINES,
    NEGATIVE,
    POSITIVE,
    band,
    chart_layout,
    fix_axes,
    hue,
    interval_ends,
    room,
    zones,
)
from playground.measure.findings import LABELS
from playground.settings import MAIN, SLIDER_RANGE, SLIDERS, Sliders

MARGIN = {"l": 46, "r": 14, "t": 10, "b": 38}
"""Fixed, so that a line drawn over the figure meets its axis at every width."""

X_RANGE = (SLIDER_RANGE[0] - 0.1, SLIDER_RANGE[1] + 0.1)


@dataclass(frozen=True)
class ReplyReward:
    """One reply's reward at an amount of the first slider."""

    at: float
    reward: float
    current: bool = False


def reward_curve(
    card: Card | None, points: Sequence[ReplyReward] = (), here: float | None = None, height: int = 250
) -> go.Figure:
    """Reward against the first slider: the card's mean and interval behind, these points on top, `here` as a line.

    The axes depend on the card, not on where the slider stands, so nothing moves while it is dragged.
    """
    backdrop = mean_curve(card)
    low, high = room(interval_ends(mean for _, mean in backdrop) + [point.reward for point in points])
    figure = go.Figure(layout=_layout(low, high, height))
    figure.add_traces(zones(X_RANGE, card.safe_range.of(MAIN) if card else X_RANGE, (low, high)))
    if backdrop:
        for trace in _backdrop(backdrop):
            figure.add_trace(trace)
    if here is not None:
        figure.add_vline(x=min(max(here, X_RANGE[0]), X_RANGE[1]), line={"color": hue(here), "width": 1.5})
    if points:
        figure.add_trace(_points(points))
    return figure


def mean_curve(card: Card | None, metric: str = "reward") -> list[tuple[float, Estimate]]:
    """What the card measured of `metric` along the first slider with the others at 0, in order."""
    measured = findings.line(card.curve) if card is not None else ()
    return [(point.amounts[MAIN], point.metrics[metric]) for point in measured if metric in point.metrics]


def caption(card: Card | None) -> str:
    """One computed sentence on what the measured curve says."""
    backdrop = mean_curve(card)
    if card is None or not backdrop:
        return "No measured curve yet: the points are this prompt's own replies."
    low, high = card.safe_range.of(MAIN)
    ends = min(backdrop)[1].mean, max(mean.mean for _, mean in backdrop)
    bottom, top = (findings.figure(end, max(findings.digits(ends) - 1, 0)) for end in ends)
    return (
        f"Over the axis's test prompts, mean reward rises from {bottom} to {top} "
        f"at {MAIN} {card.rises_until:g}; replies stayed fluent from {low:g} to {high:g}."
    )


def _backdrop(curve: Sequence[tuple[float, Estimate]], strength: str = MAIN, digits: int = 2) -> list[go.Scatter]:
    """The card's interval as a band and its mean as a line, both calm."""
    amounts = [amount for amount, _ in curve]
    mean = go.Scatter(
        x=amounts,
        y=[e.mean for _, e in curve],
        mode="lines",
        line={"color": BASE, "width": 1.5},
        name="measured mean",
        customdata=[(e.low, e.high) for _, e in curve],
        hovertemplate=f"{strength} %{{x:.2f}}<br>measured mean %{{y:.{digits}f}}"
        f" (%{{customdata[0]:.{digits}f}} to %{{customdata[1]:.{digits}f}})<extra></extra>",
    )
    return [band(amounts, [e for _, e in curve], BASE), mean]


def _points(points: Sequence[ReplyReward]) -> go.Scatter:
    """This prompt's own replies; the current one is the large one."""
    ordered = sorted(points, key=lambda point: point.at)
    return go.Scatter(
        x=[p.at for p in ordered],
        y=[p.reward for p in ordered],
        mode="markers",
        name="this prompt",
        marker={
            "color": [hue(p.at) for p in ordered],
            "size": [14 if p.current else 9 for p in ordered],
            "line": {"width": 2, "color": "rgba(255,255,255,.9)"},
        },
        hovertemplate=f"{MAIN} %{{x:.2f}}<br>this prompt %{{y:.2f}}<extra></extra>",
    )


def _layout(low: float, high: float, height: int) -> go.Layout:
    """One that stays as it is while a slider is dragged."""
    still = {"fixedrange": True, "automargin": False}
    return chart_layout(MAIN, "reward", height).update(
        margin=MARGIN,
        showlegend=False,
        xaxis={**still, "range": list(X_RANGE), "dtick": 0.5},
        yaxis={**still, "range": [low, high], "nticks": 6},
    )


def metric_curve(
    points: Sequence[Point],
    metric: str,
    along: str = MAIN,
    current: Sliders | None = None,
    safe: SafeRange | None = None,
    backdrop: Sequence[Point] = (),
    height: int = 320,
) -> go.Figure:
    """A metric against one slider: for each setting of the others a line with its 95 % interval.

    `backdrop` is what the axis's card measured, drawn calm behind the points where all sliders but this one are at 0.
    `current` is the strength that is drawn large; what lies outside the axis's `safe` range is hatched. Each
    mark's customdata begins with the place of its point in `points`, by which whoever shows the figure finds the
    replies behind it.
    """
    figure = go.Figure(layout=chart_layout(along, LABELS.get(metric, metric), height))
    behind = [(p.amounts[along], p.metrics[metric]) for p in findings.line(backdrop, along) if metric in p.metrics]
    known = [point for point in points if metric in point.metrics]
    estimates = [*(point.metrics[metric] for point in known), *(estimate for _, estimate in behind)]
    strengths = [*(point.amounts[along] for point in known), *(strength for strength, _ in behind)]
    digits = findings.digits([estimate.mean for estimate in estimates])
    if strengths:
        x = min(strengths) - 0.1, max(strengths) + 0.1
        y = fix_axes(figure, metric, x, interval_ends(estimates))
        if safe is not None:
            low, high = safe.of(along)
            edges = x[0] if min(strengths) < low else low, x[1] if max(strengths) > high else high
            figure.add_traces(zones(edges, (low, high), y))
    lines, others = findings.lines(known, along), findings.others_of(known, along)
    if behind:
        figure.add_traces(_backdrop(behind, along, digits))
    for number, at in enumerate(lines):
        marks = [mark for mark in _marks(points, along, metric) if mark.point.without(along) == at]
        colour = LINES[number % len(LINES)]
        figure.add_trace(band([m.point.amounts[along] for m in marks], [mark.estimate for mark in marks], colour))
        x_of = [mark.point.amounts[along] for mark in marks]
        name = at.in_words(others) if len(lines) > 1 or not behind else "this run"
        figure.add_trace(_line(x_of, marks, colour, name, current, digits))
    return figure.update_layout(showlegend=bool(lines) and len(lines) + bool(behind) > 1)


def heat_map_sliders(points: Sequence[Point]) -> tuple[str, str]:
    """The sliders that a heat map is drawn over, across and up: the first two that vary."""
    across, up = sorted(SLIDERS, key=lambda name: name not in findings.varied(points))[:2]
    return across, up


def heat_map(points: Sequence[Point], metric: str, current: Sliders | None = None, height: int = 320) -> go.Figure:
    """A metric's means over two sliders; strengths that were not measured together stay empty."""
    across, up = heat_map_sliders(points)
    marks = _marks(points, across, metric)
    others = Counter(mark.point.without(across).without(up) for mark in marks).most_common(1)
    marks = [mark for mark in marks if mark.point.without(across).without(up) == others[0][0]]
    columns, rows = (sorted({mark.point.amounts[name] for mark in marks}) for name in (across, up))
    cells = {(mark.point.amounts[across], mark.point.amounts[up]): mark for mark in marks}
    grid = [[cells.get((x, y)) for x in columns] for y in rows]
    digits = findings.digits([mark.estimate.mean for mark in marks])
    figure = go.Figure(layout=chart_layout(across, up, height))
    figure.add_trace(
        go.Heatmap(
            x=[f"{x:g}" for x in columns],
            y=[f"{y:g}" for y in rows],
            z=[[mark and mark.estimate.mean for mark in row] for row in grid],
            customdata=[
                [(mark.place, mark.estimate.low, mark.estimate.high) if mark else None for mark in row] for row in grid
            ],
            colorscale=[[0, NEGATIVE], [0.5, palette.colour("middle-mark")], [1, POSITIVE]],
            colorbar={"title": {"text": LABELS.get(metric, metric).partition(",")[0]}, "thickness": 12},
            hoverongaps=False,
            hovertemplate=f"{across} %{{x}}, {up} %{{y}}<br>%{{z:.{digits}f}}"
            f" (%{{customdata[1]:.{digits}f}} to %{{customdata[2]:.{digits}f}})<extra></extra>",
        )
    )
    figure.update_xaxes(type="category")
    figure.update_yaxes(type="category")
    if current is not None and (here := (current.amounts[across], current.amounts[up])) in cells:
        ring = {"size": 16, "color": "rgba(0,0,0,0)", "line": {"width": 2, "color": BASE}}
        x, y = ([f"{amount:g}"] for amount in here)
        figure.add_trace(go.Scatter(x=x, y=y, name="current", hoverinfo="skip", mode="markers", marker=ring))
    return figure


def reward_against_kl(
    points: Sequence[Point],
    metric: str = "reward",
    current: Sliders | None = None,
    backdrop: Sequence[Point] = (),
    height: int = 320,
) -> go.Figure:
    """What a nat buys: a metric against KL to the base, one way for each line, from low to high.

    `backdrop` is what the axis's card measured along the first slider, drawn calm behind.
    """
    figure = go.Figure(layout=chart_layout(LABELS["kl"], LABELS.get(metric, metric), height))
    marks = [mark for mark in _marks(points, MAIN, metric) if "kl" in mark.point.metrics]
    behind = [p.metrics for p in findings.line(backdrop) if {"kl", metric} <= set(p.metrics)]
    digits = findings.digits([mark.estimate.mean for mark in marks] + [found[metric].mean for found in behind])
    if behind:
        figure.add_traces(_backdrop([(found["kl"].mean, found[metric]) for found in behind], "KL", digits)[1:])
    known = [mark.point for mark in marks]
    lines, others = findings.lines(known), findings.others_of(known, MAIN)
    for number, at in enumerate(lines):
        way = [mark for mark in marks if mark.point.without(MAIN) == at]
        kl = [mark.point.metrics["kl"].mean for mark in way]
        figure.add_trace(_line(kl, way, LINES[number % len(LINES)], at.in_words(others), current, digits))
    return figure.update_layout(showlegend=bool(lines) and len(lines) + bool(behind) > 1)


class _Mark(NamedTuple):
    """A point to draw: its place among the points given, and what it is drawn at."""

    place: int
    point: Point
    estimate: Estimate


def _marks(points: Sequence[Point], along: str, metric: str) -> list[_Mark]:
    marks = [_Mark(index, p, p.metrics[metric]) for index, p in enumerate(points) if metric in p.metrics]
    return sorted(marks, key=lambda mark: mark.point.amounts[along])


def _line(
    x: Sequence[float],
    marks: Sequence[_Mark],
    colour: str,
    name: str,
    current: Sliders | None,
    digits: int,
) -> go.Scatter:
    told = ", ".join(f"{name} %{{customdata[{place}]:.4g}}" for place, name in enumerate(SLIDERS, start=1))
    ends = len(SLIDERS) + 1
    return go.Scatter(
        x=list(x),
        y=[mark.estimate.mean for mark in marks],
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 2},
        marker={"size": [14 if mark.point.at == current else 7 for mark in marks]},
        customdata=[
            (mark.place, *mark.point.amounts.values(), mark.estimate.low, mark.estimate.high) for mark in marks
        ],
        hovertemplate=f"{told}<br>%{{y:.{digits}f}} (%{{customdata[{ends}]:.{digits}f}}"
        f" to %{{customdata[{ends + 1}]:.{digits}f}})<extra></extra>",
    )
