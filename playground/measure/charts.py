"""The look of every chart, on a page or in a report: colours, quiet grid, intervals as bands, what is untested hatched.

Colours are middle tones that read on light and dark paper alike.
"""

import math
import re
from collections.abc import Iterable, Sequence

import plotly.graph_objects as go
from markupsafe import Markup

from playground import palette
from playground.cards import Estimate

POSITIVE, NEGATIVE, BASE, UNSAFE = (palette.colour(f"{name}-mark") for name in ("toward", "away", "plain", "unsafe"))
"""One colour per meaning: towards the trained pole, towards the other, the base model, outside the tested range."""

LINES = (POSITIVE, NEGATIVE, UNSAFE, palette.colour("fourth-mark"), BASE)
"""Colours of several lines in one figure."""

OUTSIDE = "outside the tested range"

LOGARITHMIC = ("perplexity",)
"""Metrics drawn on a logarithmic axis: a text that breaks is a hundred times as surprising as one that does not."""


def hue(amount: float) -> str:
    """The colour of a strength: grey at 0, one hue above it, its complement below."""
    return BASE if amount == 0 else POSITIVE if amount > 0 else NEGATIVE


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


def room(values: Sequence[float]) -> tuple[float, float]:
    """Room for these values, widened in coarse steps so that a new point rarely moves the axis."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    step = 10 ** math.floor(math.log10(max(high - low, 1e-3))) / 2
    return math.floor(low / step - 0.5) * step, math.ceil(high / step + 0.5) * step


def fix_axes(figure: go.Figure, metric: str, x: tuple[float, float], values: Sequence[float]) -> tuple[float, float]:
    """Fix both axes, so that a point that is added to a curve moves neither; returns the lowest and highest value."""
    figure.update_xaxes(range=list(x))
    if metric not in LOGARITHMIC:
        low, high = room(values)
        figure.update_yaxes(range=[low, high])
        return low, high
    low, high = min(values) / 1.25, max(values) * 1.25
    ticks = _ticks(low, high)
    names = [f"{tick:g}" for tick in ticks]
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=names, range=[math.log10(low), math.log10(high)])
    return low, high


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between two numbers above 0. Plotly's own would tell the digits alone."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in (1, 2, 5) if low <= step * 10.0**power <= high]


def interval_ends(estimates: Iterable[Estimate]) -> list[float]:
    """Where the intervals begin and end."""
    return [end for estimate in estimates for end in (estimate.low, estimate.high)]


def band(strengths: Sequence[float], estimates: Sequence[Estimate], colour: str) -> go.Scatter:
    """The intervals of a line as an area behind it."""
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


def zones(x: tuple[float, float], safe: tuple[float, float], y: tuple[float, float]) -> list[go.Scatter]:
    """The stretches of a strength's axis outside the `safe` range, hatched over the whole height."""
    return [_zone(start, end, *y) for start, end in ((x[0], safe[0]), (safe[1], x[1])) if start < end]


def _zone(start: float, end: float, low: float, high: float) -> go.Scatter:
    return go.Scatter(
        x=[start, end, end, start, start],
        y=[low, low, high, high, low],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor="rgba(0,0,0,0)",
        hoveron="fills",
        name=OUTSIDE,
        text=OUTSIDE,
        hoverinfo="text",
        showlegend=False,
        fillpattern={
            "shape": "/",
            "fgcolor": UNSAFE,
            "bgcolor": "rgba(0,0,0,0)",
            "size": 9,
            "solidity": 0.1,
            "fgopacity": 0.55,
        },
    )


def drawn(figure: go.Figure, heading: str) -> Markup:
    """A figure as HTML, the same each time; its id comes from the heading it stands under, which no other has."""
    drawing = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        config={"displayModeBar": False, "responsive": True},
        div_id=re.sub(r"\W+", "-", heading).strip("-").lower(),
    )
    return Markup(drawing)
