"""Plotly figures from cards and measured points: reward against alpha, with what is known about the axis behind it.

Pure: values in, figure out. Colours are middle tones that read on light and dark paper alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from playground.cards import Card, Estimate
from playground.settings import SLIDER_RANGE

POSITIVE, NEGATIVE, BASE, UNSAFE = "#12908a", "#b8508f", "#7d838c", "#c98a1b"
"""One colour per meaning: towards the trained pole, towards the other, the base model, beyond the safe range."""

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
