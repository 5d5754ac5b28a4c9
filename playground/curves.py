"""Plotly figures from cards and measured points: any metric against alpha, control or KL.

Pure: values in, figure out. Colours are middle tones that read on light and dark paper alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from playground import findings
from playground.cards import Card, Estimate, Point, SafeRange
from playground.findings import LABELS, OTHER, Along, as_text, sentence
from playground.settings import SLIDER_RANGE

POSITIVE, NEGATIVE, BASE, UNSAFE = "#12908a", "#b8508f", "#7d838c", "#c98a1b"
"""One colour per meaning: towards the trained pole, towards the other, the base model, beyond the safe range."""

LINES = (POSITIVE, NEGATIVE, UNSAFE, "#5a7fc0", BASE)
"""Colours of several lines in one figure."""

MARGIN = {"l": 46, "r": 14, "t": 10, "b": 38}
"""Fixed, so that a line drawn over the figure meets its axis at every width."""

X_RANGE = (SLIDER_RANGE[0] - 0.1, SLIDER_RANGE[1] + 0.1)


@dataclass(frozen=True)
class Measured:
    """One reply's reward at one strength."""

    alpha: float
    reward: float
    current: bool = False


def hue(alpha: float) -> str:
    """The colour of a strength: grey at 0, one hue above it, its complement below."""
    return BASE if alpha == 0 else POSITIVE if alpha > 0 else NEGATIVE


def reward_curve(
    card: Card | None, points: Sequence[Measured] = (), alpha: float | None = None, height: int = 250
) -> go.Figure:
    """Reward against alpha: the card's mean and interval as backdrop, these points on top, `alpha` as a line.

    The axes depend on the card, not on where the slider stands, so nothing moves while it is dragged.
    """
    backdrop = mean_curve(card)
    low, high = _y_range(backdrop, points)
    figure = go.Figure(layout=_layout(low, high, height))
    for start, end in _beyond(card):
        figure.add_trace(_zone(start, end, low, high))
    if backdrop:
        for trace in _backdrop(backdrop):
            figure.add_trace(trace)
    if alpha is not None:
        figure.add_vline(x=min(max(alpha, X_RANGE[0]), X_RANGE[1]), line={"color": hue(alpha), "width": 1.5})
    if points:
        figure.add_trace(_points(points))
    return figure


def win_rates(points: Sequence[tuple[float, Estimate]], strength: str = "alpha", height: int = 250) -> go.Figure:
    """Share of pairs won against strength, with its intervals; one half is what chance would give."""
    figure = go.Figure(layout=_layout(0.0, 1.0, height))
    if points:
        room = max((points[-1][0] - points[0][0]) / 20, 0.05)
        figure.update_xaxes(range=[points[0][0] - room, points[-1][0] + room], dtick=None)
        for trace in _backdrop(points):
            figure.add_trace(trace)
    figure.update_xaxes(title_text=strength)
    figure.update_yaxes(title_text="share won", tickformat=".0%")
    figure.add_hline(y=0.5, line={"color": BASE, "width": 1, "dash": "dot"})
    return figure


def mean_curve(card: Card | None, metric: str = "reward") -> list[tuple[float, Estimate]]:
    """What the card measured of `metric` along alpha with control off, by rising alpha."""
    measured = card.curve if card is not None else ()
    along = [
        (point.alpha, point.metrics[metric]) for point in measured if not point.control and metric in point.metrics
    ]
    return sorted(along, key=lambda pair: pair[0])


def caption(card: Card | None) -> str:
    """One computed sentence on what the measured curve says."""
    backdrop = mean_curve(card)
    if card is None or not backdrop:
        return "No measured curve yet: the points are this prompt's own replies."
    low, high = card.safe_range.alpha
    bottom, top = min(backdrop)[1].mean, max(mean.mean for _, mean in backdrop)
    return (
        f"Over the axis's test prompts, mean reward rises from {bottom:.2g} to {top:.2g} "
        f"at alpha {card.rises_until:g}; replies stayed fluent from {low:g} to {high:g}."
    )


def _y_range(backdrop: Sequence[tuple[float, Estimate]], points: Sequence[Measured]) -> tuple[float, float]:
    """Room for the card's curve, widened in coarse steps so that a new point rarely moves the axis."""
    values = [end for _, estimate in backdrop for end in (estimate.low, estimate.high)]
    values += [point.reward for point in points if math.isfinite(point.reward)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    step = 10 ** math.floor(math.log10(max(high - low, 1e-3))) / 2
    return math.floor(low / step - 0.5) * step, math.ceil(high / step + 0.5) * step


def _beyond(card: Card | None) -> list[tuple[float, float]]:
    """The stretches of the alpha axis outside the card's safe range."""
    if card is None:
        return []
    low, high = card.safe_range.alpha
    return [ends for ends in ((X_RANGE[0], low), (high, X_RANGE[1])) if ends[0] < ends[1]]


def _zone(start: float, end: float, low: float, high: float) -> go.Scatter:
    return go.Scatter(
        x=[start, end, end, start, start],
        y=[low, low, high, high, low],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor="rgba(0,0,0,0)",
        hoveron="fills",
        name="beyond the safe range",
        text="beyond the safe range",
        hoverinfo="text",
        fillpattern={
            "shape": "/",
            "fgcolor": UNSAFE,
            "bgcolor": "rgba(0,0,0,0)",
            "size": 9,
            "solidity": 0.1,
            "fgopacity": 0.55,
        },
    )


def _backdrop(curve: Sequence[tuple[float, Estimate]]) -> list[go.Scatter]:
    """The card's interval as a band and its mean as a line, both calm."""
    alphas = [alpha for alpha, _ in curve]
    band = go.Scatter(
        x=alphas + alphas[::-1],
        y=[e.high for _, e in curve] + [e.low for _, e in reversed(curve)],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor="rgba(125,131,140,.18)",
        hoverinfo="skip",
        name="95 % interval",
    )
    mean = go.Scatter(
        x=alphas,
        y=[e.mean for _, e in curve],
        mode="lines",
        line={"color": BASE, "width": 1.5},
        name="measured mean",
        customdata=[(e.low, e.high) for _, e in curve],
        hovertemplate="alpha %{x:.2f}<br>measured mean %{y:.2f}"
        " (%{customdata[0]:.2f} to %{customdata[1]:.2f})<extra></extra>",
    )
    return [band, mean]


def _points(points: Sequence[Measured]) -> go.Scatter:
    """This prompt's own replies; the current one is the large one."""
    ordered = sorted(points, key=lambda point: point.alpha)
    return go.Scatter(
        x=[p.alpha for p in ordered],
        y=[p.reward for p in ordered],
        mode="markers",
        name="this prompt",
        marker={
            "color": [hue(p.alpha) for p in ordered],
            "size": [14 if p.current else 9 for p in ordered],
            "line": {"width": 2, "color": "rgba(255,255,255,.9)"},
        },
        hovertemplate="alpha %{x:.2f}<br>this prompt %{y:.2f}<extra></extra>",
    )


def _layout(low: float, high: float, height: int) -> go.Layout:
    grid = {"gridcolor": "rgba(125,131,140,.18)", "zeroline": False, "fixedrange": True, "tickfont": {"size": 12}}
    return go.Layout(
        height=height,
        margin=MARGIN,
        showlegend=False,
        hovermode="closest",
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "ui-sans-serif, system-ui, sans-serif", "size": 12, "color": BASE},
        xaxis={**grid, "range": list(X_RANGE), "dtick": 0.5, "title": {"text": "alpha", "standoff": 6}},
        yaxis={**grid, "range": [low, high], "nticks": 6, "title": {"text": "reward", "standoff": 4}},
    )


def metric_curve(
    points: Sequence[Point],
    metric: str,
    along: Along = "alpha",
    current: tuple[float, float] | None = None,
    safe: SafeRange | None = None,
    height: int = 320,
) -> go.Figure:
    """A metric against alpha or control: for each value of the other strength a line with its 95 % interval.

    `current` is the (alpha, control) that is drawn large; what lies beyond the axis's `safe` range is shaded. Each
    mark's customdata begins with the place of its point in `points`, by which whoever shows the figure finds the
    replies behind it.
    """
    figure = go.Figure(layout=chart_layout(along, LABELS.get(metric, metric), height))
    other = OTHER[along]
    lines = sorted({getattr(point, other) for point in points if metric in point.metrics})
    for number, at in enumerate(lines):
        marks = [mark for mark in _marks(points, along, metric) if getattr(mark.point, other) == at]
        colour = LINES[number % len(LINES)]
        strengths = [getattr(mark.point, along) for mark in marks]
        figure.add_trace(_band(strengths, [mark.estimate for mark in marks], colour))
        figure.add_trace(_line(strengths, marks, colour, f"{other} {at:g}", current))
    figure.update_layout(showlegend=len(lines) > 1)
    if safe is not None and lines:
        _shade(figure, [getattr(point, along) for point in points], getattr(safe, along))
    return figure


def _shade(figure: go.Figure, strengths: Sequence[float], safe: tuple[float, float]) -> None:
    """Mark where the strengths that were measured leave the safe range."""
    for start, end in ((min(strengths), safe[0]), (safe[1], max(strengths))):
        if start < end:
            note = {"annotation_text": "beyond the safe range", "annotation_font_size": 11}
            inside = {"x0": start, "x1": end, "fillcolor": UNSAFE, "opacity": 0.14, "line_width": 0, "layer": "below"}
            figure.add_vrect(**inside, **note, annotation_position="bottom left")


def heat_map(
    points: Sequence[Point], metric: str, current: tuple[float, float] | None = None, height: int = 320
) -> go.Figure:
    """A metric's means over alpha and control; strengths that were not measured together stay empty."""
    marks = _marks(points, "alpha", metric)
    alphas, controls = (sorted({getattr(mark.point, name) for mark in marks}) for name in ("alpha", "control"))
    cells = {(mark.point.alpha, mark.point.control): mark for mark in marks}
    grid = [[cells.get((alpha, control)) for alpha in alphas] for control in controls]
    figure = go.Figure(layout=chart_layout("alpha", "control", height))
    figure.add_trace(
        go.Heatmap(
            x=[f"{alpha:g}" for alpha in alphas],
            y=[f"{control:g}" for control in controls],
            z=[[mark and mark.estimate.mean for mark in row] for row in grid],
            customdata=[
                [(mark.place, mark.estimate.low, mark.estimate.high) if mark else None for mark in row] for row in grid
            ],
            colorscale=[[0, NEGATIVE], [0.5, "#e9e4da"], [1, POSITIVE]],
            colorbar={"title": {"text": LABELS.get(metric, metric).partition(",")[0]}, "thickness": 12},
            hoverongaps=False,
            hovertemplate="alpha %{x}, control %{y}<br>%{z:.3g}"
            " (%{customdata[1]:.3g} to %{customdata[2]:.3g})<extra></extra>",
        )
    )
    figure.update_xaxes(type="category")
    figure.update_yaxes(type="category")
    if current is not None and current in cells:
        alpha, control = current
        ring = {"size": 16, "color": "rgba(0,0,0,0)", "line": {"width": 2, "color": BASE}}
        here = {"x": [f"{alpha:g}"], "y": [f"{control:g}"], "name": "current", "hoverinfo": "skip"}
        figure.add_trace(go.Scatter(**here, mode="markers", marker=ring))
    return figure


def reward_against_kl(
    points: Sequence[Point], metric: str = "reward", current: tuple[float, float] | None = None, height: int = 320
) -> go.Figure:
    """What a nat buys: a metric against KL to the base, one way for each control, from low alpha to high."""
    figure = go.Figure(layout=chart_layout(LABELS["kl"], LABELS.get(metric, metric), height))
    marks = [mark for mark in _marks(points, "alpha", metric) if "kl" in mark.point.metrics]
    controls = sorted({mark.point.control for mark in marks})
    for number, control in enumerate(controls):
        way = [mark for mark in marks if mark.point.control == control]
        kl = [mark.point.metrics["kl"].mean for mark in way]
        figure.add_trace(_line(kl, way, LINES[number % len(LINES)], f"control {control:g}", current))
    figure.update_layout(showlegend=len(controls) > 1)
    return figure


class _Mark(NamedTuple):
    """A point to draw: its place among the points given, and what it is drawn at."""

    place: int
    point: Point
    estimate: Estimate


def _marks(points: Sequence[Point], along: Along, metric: str) -> list[_Mark]:
    marks = [_Mark(index, p, p.metrics[metric]) for index, p in enumerate(points) if metric in p.metrics]
    return sorted(marks, key=lambda mark: getattr(mark.point, along))


def _band(strengths: Sequence[float], estimates: Sequence[Estimate], colour: str) -> go.Scatter:
    return go.Scatter(
        x=[*strengths, *reversed(strengths)],
        y=[*(e.high for e in estimates), *(e.low for e in reversed(estimates))],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=colour,
        opacity=0.18,
        hoverinfo="skip",
        showlegend=False,
        name="95 % interval",
    )


def _line(
    x: Sequence[float], marks: Sequence[_Mark], colour: str, name: str, current: tuple[float, float] | None
) -> go.Scatter:
    return go.Scatter(
        x=list(x),
        y=[mark.estimate.mean for mark in marks],
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 2},
        marker={"size": [14 if (mark.point.alpha, mark.point.control) == current else 7 for mark in marks]},
        customdata=[
            (mark.place, mark.point.alpha, mark.point.control, mark.estimate.low, mark.estimate.high) for mark in marks
        ],
        hovertemplate="alpha %{customdata[1]:.4g}, control %{customdata[2]:.4g}<br>%{y:.3g}"
        " (%{customdata[3]:.3g} to %{customdata[4]:.3g})<extra></extra>",
    )


def chart_layout(x: str, y: str, height: int) -> go.Layout:
    """The look of every chart, on a page or in a report: quiet grid, no background, names of both axes."""
    grid = {"gridcolor": "rgba(125,131,140,.18)", "zeroline": False, "tickfont": {"size": 12}, "automargin": True}
    return go.Layout(
        height=height,
        margin={"l": 56, "r": 14, "t": 10, "b": 44},
        hovermode="closest",
        dragmode=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "ui-sans-serif, system-ui, sans-serif", "size": 12, "color": BASE},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={**grid, "title": {"text": x, "standoff": 6}},
        yaxis={**grid, "title": {"text": y, "standoff": 4}},
    )


def sheet(points: Sequence[Point], title: str, about: str = "", safe: SafeRange | None = None) -> str:
    """All charts of some points as one HTML page that needs no network, each with its sentence and as text."""
    along, at = findings.longest_line(points)
    metrics = findings.measured(points)
    told = {metric: sentence(points, metric, along, at) for metric in metrics}
    charts = [
        (f"{_heading(m)} against {along}", metric_curve(points, m, along, safe=safe), told[m], m) for m in metrics
    ]
    if all(len({getattr(p, name) for p in points}) > 1 for name in ("alpha", "control")):
        charts += [
            (f"{_heading(m)} over alpha and control", heat_map(points, m), findings.summit(points, m), m)
            for m in metrics
            if m in ("reward", "judge")
        ]
    if {"reward", "kl"} <= set(metrics):
        charts.append(("Reward against KL", reward_against_kl(points), findings.price(points), "reward"))
    parts = [
        f"<section><h2>{escape(heading)}</h2><p>{escape(told)}</p>{_html(figure)}"
        f"<details><summary>As text</summary><pre>{escape(as_text(points, metric))}</pre></details></section>"
        for heading, figure, told, metric in charts
    ]
    return _SHEET.format(title=escape(title), about=escape(about), plotly=get_plotlyjs(), charts="\n".join(parts))


_SHEET = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 ui-sans-serif, system-ui, sans-serif }}
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
section {{ margin: 2.5rem 0 }} h2 {{ margin: 0; font-size: 1.1rem }} p {{ margin: .2rem 0 .6rem }}
pre, code {{ white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem }}
</style>
<script>{plotly}</script></head>
<body><h1>{title}</h1><p><code>{about}</code></p>
{charts}
</body></html>
"""


def _heading(metric: str) -> str:
    label = LABELS[metric].partition(",")[0]
    return label[:1].upper() + label[1:]


def _html(figure: go.Figure) -> str:
    return figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True})
