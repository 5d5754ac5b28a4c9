"""The figures of a study's report. Pure."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from scipy.special import expit

from playground.cards import Estimate
from playground.measure.charts import BASE, LINES, NEGATIVE, POSITIVE, UNSAFE, band, chart_layout
from playground.study.analysis import Analysis, Findings
from playground.study.described import VERDICTS, Result
from playground.study.differences import Differences

_VERDICTS = {
    "weak": ("too weak", LINES[3]),
    "right": ("just right", POSITIVE),
    "strong": ("too strong", UNSAFE),
    "broken": ("makes no sense", NEGATIVE),
}


def win_rates(analysis: Analysis, found: Findings) -> go.Figure | None:
    """The share of its pairs each strength won."""
    if not found.won.value:
        return None
    figure = _figure(analysis.method, "share of pairs won", share=True)
    figure.add_trace(_dots([(at.strength, at.estimate) for at in found.won.value], POSITIVE, "won", line=True))
    figure.add_hline(y=0.5, line={"color": BASE, "width": 1, "dash": "dot"})
    return figure


def liking(analysis: Analysis, found: Findings) -> go.Figure | None:
    """The leading curve as the chance to be preferred to the reference, and utilities strength by strength."""
    fitted = found.preference.value
    if fitted is None:
        return None
    figure = _figure(analysis.method, f"chance to be preferred to {fitted.reference:g}", share=True, legend=True)
    camps = found.differ.value.camps if found.differ.value else ()
    tops = [camp.preferred for camp in camps] or ([fitted.preferred] if fitted.preferred else [])
    for top in tops if fitted.has_top else ():
        figure.add_vrect(x0=top.low, x1=top.high, fillcolor=POSITIVE, opacity=0.12, line_width=0, layer="below")
        figure.add_vline(x=top.mean, line={"color": POSITIVE, "width": 1.5})
    if fitted.curve:
        for trace in _curve(fitted.rising, f"{fitted.curve}, over people"):
            figure.add_trace(trace)
    chances = [(at, _chance(one)) for at, one in fitted.utilities]
    figure.add_trace(_dots(chances, NEGATIVE, "strength by strength, the median person"))
    return figure


def shares(analysis: Analysis, found: Findings) -> go.Figure | None:
    """The share of people who like each strength best."""
    if not found.differ.value:
        return None
    figure = _figure(analysis.method, "share of people", share=True)
    figure.add_trace(_bars([*found.differ.value.shares]))
    return _by_category(figure)


def compared(analysis: Analysis, compared: Result[Differences]) -> go.Figure | None:
    """The preferred strength by topic, condition or group."""
    known = [(name, one) for name, one in compared.value.preferred.items() if one] if compared.value else []
    if not known:
        return None
    figure = _figure(analysis.method, "", height=90 + 36 * len(known))
    figure.add_trace(
        go.Scatter(
            x=[one.mean for _, one in known],
            y=[name for name, _ in known],
            error_x=_error([one for _, one in known]),
            mode="markers",
            marker={"color": POSITIVE, "size": 9},
        )
    )
    return figure.update_yaxes(type="category", range=[-0.5, len(known) - 0.5])


def too_strong(analysis: Analysis, found: Findings) -> go.Figure | None:
    """The share of replies called too strong at each strength, and the fitted curve."""
    fitted = found.too_strong.value
    if fitted is None:
        return None
    figure = _figure(analysis.method, "share called too strong", share=True, legend=True)
    for at, dash in ((fitted.half, "solid"), (fitted.three_quarters, "dash")):
        if at is not None:
            figure.add_vline(x=at.mean, line={"color": UNSAFE, "width": 1.5, "dash": dash})
    for trace in _curve(fitted.rising, "fitted, over people"):
        figure.add_trace(trace)
    said = [(one.strength, one.shares["strong"] + one.shares["broken"], one.answers) for one in found.said]
    figure.add_trace(
        go.Scatter(
            x=[at for at, _, _ in said],
            y=[share for _, share, _ in said],
            customdata=[answers for _, _, answers in said],
            mode="markers",
            marker={"color": BASE, "size": [6 + min(14.0, answers**0.5) for _, _, answers in said]},
            name="answered, larger for more answers",
            hovertemplate="%{x:g}: %{y:.0%} of %{customdata}<extra></extra>",
        )
    )
    return figure


def measured(analysis: Analysis, found: Findings) -> go.Figure | None:
    """Preference and reward over one axis of strengths: log-odds on the left, mean reward on the right."""
    fitted = found.preference.value
    means = [(at, one["reward"]) for at, one in found.measures.means if "reward" in one]
    if fitted is None or not means:
        return None
    figure = _figure(analysis.method, "preference, log-odds", legend=True)
    figure.add_trace(_dots(list(fitted.utilities), POSITIVE, "preference", line=True, share=False))
    figure.add_trace(
        go.Scatter(
            x=[at for at, _ in means],
            y=[value for _, value in means],
            mode="lines+markers",
            line={"color": UNSAFE, "width": 1.5, "dash": "dash"},
            marker={"color": UNSAFE, "size": 9, "symbol": "diamond"},
            name="mean reward",
            yaxis="y2",
        )
    )
    return figure.update_layout(
        yaxis2={"title": {"text": "reward"}, "overlaying": "y", "side": "right", "showgrid": False, "fixedrange": True}
    )


def verdicts(analysis: Analysis, found: Findings) -> go.Figure | None:
    """The shares of the four verdicts at each strength."""
    if not found.said:
        return None
    figure = _figure(analysis.method, "share of answers", share=True, legend=True)
    for verdict in VERDICTS:
        name, colour = _VERDICTS[verdict]
        figure.add_trace(
            go.Bar(
                x=[f"{one.strength:g}" for one in found.said],
                y=[one.shares[verdict] for one in found.said],
                name=name,
                marker={"color": colour},
                hovertemplate=f"%{{x}}: {name} %{{y:.0%}}<extra></extra>",
            )
        )
    return _by_category(figure.update_layout(barmode="stack"))


def slider(analysis: Analysis, found: Findings) -> go.Figure | None:
    """How often the slider was left at each strength."""
    fitted = found.slider.value
    if fitted is None:
        return None
    figure = _figure(analysis.method, "sliders left there")
    figure.add_trace(
        go.Bar(
            x=[f"{at:g}" for at, _ in fitted.ends],
            y=[count for _, count in fitted.ends],
            marker={"color": POSITIVE},
        )
    )
    return _by_category(figure)


def _figure(x: str, y: str, share: bool = False, legend: bool = False, height: int = 320) -> go.Figure:
    figure = go.Figure(layout=chart_layout(x, y, height))
    figure.update_layout(showlegend=legend).update_xaxes(fixedrange=True).update_yaxes(fixedrange=True)
    return figure.update_yaxes(tickformat=".0%", range=[0, 1]) if share else figure


def _by_category(figure: go.Figure) -> go.Figure:
    return figure.update_xaxes(type="category")


def _dots(
    points: Sequence[tuple[float, Estimate]], colour: str, name: str, line: bool = False, share: bool = True
) -> go.Scatter:
    form = ":.0%" if share else ":.2f"
    return go.Scatter(
        x=[at for at, _ in points],
        y=[one.mean for _, one in points],
        error_y=_error([one for _, one in points]),
        mode="lines+markers" if line else "markers",
        line={"color": colour, "width": 1.5},
        marker={"color": colour, "size": 9},
        name=name,
        customdata=[(one.low, one.high) for _, one in points],
        hovertemplate=f"%{{x:g}}: %{{y{form}}} (%{{customdata[0]{form}}} to %{{customdata[1]{form}}})<extra></extra>",
    )


def _bars(points: Sequence[tuple[float, Estimate]]) -> go.Bar:
    return go.Bar(
        x=[f"{at:g}" for at, _ in points],
        y=[one.mean for _, one in points],
        error_y=_error([one for _, one in points]),
        marker={"color": POSITIVE},
        hovertemplate="%{x}: %{y:.0%}<extra></extra>",
    )


def _error(found: Sequence[Estimate]) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, one.high - one.mean) for one in found],
        "arrayminus": [max(0.0, one.mean - one.low) for one in found],
        "thickness": 1.5,
        "width": 4,
        "color": BASE,
    }


def _curve(rising: Sequence[tuple[float, Estimate]], name: str) -> list[go.Scatter]:
    along = [at for at, _ in rising]
    line = go.Scatter(
        x=along, y=[one.mean for _, one in rising], mode="lines", line={"color": BASE, "width": 2}, name=name
    )
    return [band(along, [one for _, one in rising], BASE), line]


def _chance(score: Estimate) -> Estimate:
    """Log-odds as a chance."""
    mean, low, high = (float(expit(one)) for one in (score.mean, score.low, score.high))
    return Estimate(mean=mean, low=low, high=high)
