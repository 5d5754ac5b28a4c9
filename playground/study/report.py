"""A study's findings as one HTML page: sentences, figures and tables, everything in it, no network. Pure."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from playground.cards import Estimate
from playground.measure.figures import BASE, NEGATIVE, POSITIVE, UNSAFE, chart_layout, drawn
from playground.study import sentences
from playground.study.analysis import VERDICTS, Analysis, Findings, Found
from playground.study.results import wilson
from playground.study.sentences import both

_VERDICTS = {
    "weak": ("too weak", "#5a7fc0"),
    "right": ("just right", POSITIVE),
    "strong": ("too strong", UNSAFE),
    "broken": ("makes no sense", NEGATIVE),
}
_PART = "<section><h2>{heading}</h2><p>{told}</p>{figure}{table}</section>"


def page(analysis: Analysis, title: str, about: Sequence[tuple[str, str]] = ()) -> str:
    """The whole report. `about` are pairs of a name and a value told at its end: digests, models, the command."""
    kept = analysis.kept
    parts = [
        _part("Which strength wins", sentences.won(analysis, kept), win_rates(analysis, kept), _rates(kept)),
        _part("Which strength is liked best", sentences.preferred(analysis, kept), liking(analysis, kept)),
        _part("Do people differ?", sentences.people(analysis, kept), shares(analysis, kept)),
        _part("Do topics differ?", sentences.topics(analysis, kept), topics(analysis, kept)),
        _part("How much is too much", sentences.too_strong(analysis, kept), too_strong(analysis, kept)),
        _part("What single replies were called", _verdicts_told(kept), verdicts(analysis, kept)),
        _part("Where people left the slider", sentences.slider(analysis, kept), slider(analysis, kept)),
        _part("Length", sentences.length(analysis, kept)),
        _part("Sides", sentences.side(kept)),
        _part("Agreement", sentences.agreement(kept)),
        _part("How long answers took", _times_told(kept), table=_times(kept)),
        _part("Who was excluded", sentences.excluded(analysis), table=_excluded(analysis)),
        _part("With and without the excluded", "The main numbers for both.", table=_with_and_without(analysis)),
        _part("How this was computed", _METHODS),
        _part("Where it comes from", "", table=_table(("", ""), about)) if about else "",
    ]
    short = "".join(f"<li>{escape(line)}</li>" for line in sentences.summary(analysis))
    return _PAGE.format(title=escape(title), short=short, parts="\n".join(parts), plotly=get_plotlyjs())


def win_rates(analysis: Analysis, found: Findings) -> go.Figure | None:
    """The share of its pairs each strength won."""
    if not found.won.value:
        return None
    figure = _figure(analysis.method, "share of pairs won", share=True)
    figure.add_trace(_dots([(at.strength, at.estimate) for at in found.won.value], POSITIVE, "won", line=True))
    figure.add_hline(y=0.5, line={"color": BASE, "width": 1, "dash": "dot"})
    return figure


def liking(analysis: Analysis, found: Findings) -> go.Figure | None:
    """The quadratic utility as the chance to be preferred to the reference, and Bradley-Terry's scores beside it."""
    fitted = found.preference.value
    if fitted is None:
        return None
    figure = _figure(analysis.method, f"chance to be preferred to {fitted.reference:g}", share=True, legend=True)
    figure.add_vrect(
        x0=fitted.preferred.low, x1=fitted.preferred.high, fillcolor=POSITIVE, opacity=0.12, line_width=0, layer="below"
    )
    figure.add_vline(x=fitted.preferred.mean, line={"color": POSITIVE, "width": 1.5})
    for trace in _curve(fitted.rising, "quadratic utility"):
        figure.add_trace(trace)
    if found.scores.value:
        chances = [(at.strength, _chance(at.estimate)) for at in found.scores.value]
        figure.add_trace(_dots(chances, NEGATIVE, "Bradley-Terry, strength by strength"))
    return figure


def shares(analysis: Analysis, found: Findings) -> go.Figure | None:
    """The share of people who like each strength best."""
    if not found.shares.value:
        return None
    figure = _figure(analysis.method, "share of people", share=True)
    figure.add_trace(_bars([(one.strength, one.share) for one in found.shares.value]))
    return _by_category(figure)


def topics(analysis: Analysis, found: Findings) -> go.Figure | None:
    """The preferred strength by topic."""
    known = [(topic, one.value) for topic, one in found.topics.preferred.items() if one.value]
    if not known:
        return None
    figure = _figure(analysis.method, "", height=90 + 36 * len(known))
    figure.add_trace(
        go.Scatter(
            x=[one.mean for _, one in known],
            y=[topic for topic, _ in known],
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
    figure.add_trace(
        go.Scatter(
            x=[at for at, _ in fitted.rising],
            y=[chance for _, chance in fitted.rising],
            mode="lines",
            line={"color": UNSAFE, "width": 2},
            name="fitted",
        )
    )
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


def _rates(found: Findings) -> str:
    scores = {at.strength: at.estimate for at in found.scores.value or ()}
    rows = [
        (f"{at.strength:g}", str(at.answers), sentences.percent(at.estimate), both(Found(scores.get(at.strength))))
        for at in found.won.value or ()
    ]
    return _table(("strength", "shown", "won", "Bradley-Terry, log-odds"), rows) if rows else ""


def _times(found: Findings) -> str:
    rows = [
        (
            sentences.TASKS[one.task],
            str(one.answers),
            f"{one.median:.1f}",
            f"{one.low:.1f} to {one.high:.1f}",
            f"{one.too_fast:.0%}",
        )
        for one in found.times
    ]
    return _table(("", "answers", "median, s", "middle half, s", "too fast"), rows) if rows else ""


def _times_told(found: Findings) -> str:
    return "By the browser's clock, from shown to answered." if found.times else "Nobody has answered yet."


def _verdicts_told(found: Findings) -> str:
    if not found.said:
        return "No single replies were shown."
    # A strength that few replies were shown at may not win by chance: the lower end of its interval counts.
    best = max(found.said, key=lambda one: wilson(one.shares["right"] * one.answers, one.answers)[0])
    return f"Replies at {best.strength:g} were called just right by most: {best.shares['right']:.0%} of {best.answers}."


def _excluded(analysis: Analysis) -> str:
    rows = [(str(one.person), ", ".join(one.flags), str(one.answers)) for one in analysis.excluded]
    return _table(("person", "for", "answers"), rows) if rows else ""


def _with_and_without(analysis: Analysis) -> str:
    groups = (analysis.kept, analysis.everyone)
    numbers: list[tuple[str, Callable[[Findings], str]]] = [
        ("people", lambda found: str(found.people)),
        ("answers", lambda found: str(found.answers)),
        (f"preferred {analysis.method}", lambda found: both(_of(found.preference, "preferred"))),
        ("the same, at equal length", lambda found: both(_of(found.with_length, "preferred"))),
        ("people's standard deviation", lambda found: both(_of(found.preference, "deviation"))),
        ("half too strong at", lambda found: both(_of(found.too_strong, "half"))),
        ("slider left at", lambda found: both(_of(found.slider, "mean"))),
        ("left won", lambda found: both(found.left)),
        ("agreement on pairs", lambda found: both(found.agreement["pairs"])),
    ]
    return _table(("", "without them", "everyone"), [(name, *map(tell, groups)) for name, tell in numbers])


def _of(found: Found[Any], name: str) -> Found[Estimate]:
    return Found(getattr(found.value, name) if found.value is not None else None)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th scope=col>{escape(one)}</th>" for one in heads) if any(heads) else ""
    body = "".join(f"<tr>{''.join(f'<td>{escape(one)}</td>' for one in row)}</tr>" for row in rows)
    return f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _part(heading: str, told: str, figure: go.Figure | None = None, table: str = "") -> str:
    chart = drawn(figure, heading) if figure is not None else ""
    return _PART.format(heading=escape(heading), told=escape(told), figure=chart, table=table)


def _figure(x: str, y: str, share: bool = False, legend: bool = False, height: int = 320) -> go.Figure:
    figure = go.Figure(layout=chart_layout(x, y, height))
    figure.update_layout(showlegend=legend).update_xaxes(fixedrange=True).update_yaxes(fixedrange=True)
    return figure.update_yaxes(tickformat=".0%", range=[0, 1]) if share else figure


def _by_category(figure: go.Figure) -> go.Figure:
    return figure.update_xaxes(type="category")


def _dots(points: Sequence[tuple[float, Estimate]], colour: str, name: str, line: bool = False) -> go.Scatter:
    return go.Scatter(
        x=[at for at, _ in points],
        y=[one.mean for _, one in points],
        error_y=_error([one for _, one in points]),
        mode="lines+markers" if line else "markers",
        line={"color": colour, "width": 1.5},
        marker={"color": colour, "size": 9},
        name=name,
        customdata=[(one.low, one.high) for _, one in points],
        hovertemplate="%{x:g}: %{y:.0%} (%{customdata[0]:.0%} to %{customdata[1]:.0%})<extra></extra>",
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
    band = go.Scatter(
        x=[*along, *reversed(along)],
        y=[*(one.high for _, one in rising), *(one.low for _, one in reversed(rising))],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor="rgba(125,131,140,.18)",
        hoverinfo="skip",
        showlegend=False,
    )
    line = go.Scatter(
        x=along, y=[one.mean for _, one in rising], mode="lines", line={"color": BASE, "width": 2}, name=name
    )
    return [band, line]


def _chance(score: Estimate) -> Estimate:
    """Log-odds as a chance."""
    mean, low, high = (1 / (1 + 2.718281828459045**-one) for one in (score.mean, score.low, score.high))
    return Estimate(mean=mean, low=low, high=high)


_METHODS = (
    "Intervals hold 95 % and come from resampling whole people. Win rates count a tie as half a win and both bad "
    "as none; the models take both as no preference. Bradley-Terry scores are evalica's, with half a tie added "
    "between any two strengths. The preferred strength is the top of a quadratic utility between the lowest and "
    "the highest strength, in a logistic model with a term for the side and a normally distributed slope for each "
    "person, fitted by quadrature; its resamples are steps by people's gradients, lengthened for few people. "
    "People's own strengths are drawn towards the mean where answers are few; that they differ is tested against "
    "answers simulated as if they did not. Topics are compared by a Wald test in generalised estimating equations "
    "(statsmodels). Too strong is a cumulative normal curve with lapses. Agreement is Krippendorff's alpha of "
    "ordinal answers, resampled over questions."
)

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.55 ui-sans-serif, system-ui, sans-serif }}
body {{ max-width: 52rem; margin: 2rem auto 4rem; padding: 0 1rem }}
h1 {{ font-size: 1.6rem; line-height: 1.25 }} h2 {{ margin: 0 0 .3rem; font-size: 1.15rem }}
section {{ margin: 2.6rem 0 }} p {{ margin: 0 0 .6rem; max-width: 44rem }} li {{ margin: .35rem 0; max-width: 44rem }}
.wide {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem }}
th, td {{ padding: .3rem 1.2rem .3rem 0; text-align: left; border-bottom: 1px solid #8883; white-space: nowrap }}
th {{ font-weight: 600 }}
</style>
<script>{plotly}</script></head>
<body><main><h1>{title}</h1><ul>{short}</ul>
{parts}
</main></body></html>
"""
