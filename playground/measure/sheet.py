"""All charts of some measured points as one HTML page that needs no network. Pure: values in, text out."""

from collections.abc import Sequence

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from playground.cards import Point, SafeRange
from playground.measure import findings
from playground.measure.charts import drawn
from playground.measure.figures import heat_map, heat_map_sliders, metric_curve, reward_against_kl
from playground.measure.findings import LABELS, as_text, sentence
from playground.templates import html


def sheet(points: Sequence[Point], title: str, about: str = "", safe: SafeRange | None = None) -> str:
    """All charts of some points as one HTML page that needs no network, each with its sentence and as text."""
    along, at = findings.longest_line(points)
    metrics = findings.measured(points)
    told = {metric: sentence(points, metric, along, at) for metric in metrics}
    charts = [
        (f"{_heading(m)} against {along}", metric_curve(points, m, along, safe=safe), told[m], m) for m in metrics
    ]
    if len(findings.varied(points)) > 1:
        across = " and ".join(heat_map_sliders(points))
        charts += [
            (f"{_heading(m)} over {across}", heat_map(points, m), findings.summit(points, m), m)
            for m in metrics
            if m in ("reward", "judge")
        ]
    if {"reward", "kl"} <= set(metrics):
        charts.append(("Reward against KL", reward_against_kl(points), findings.price(points), "reward"))
    shown = [
        (heading, told, drawn(figure, heading), as_text(points, metric)) for heading, figure, told, metric in charts
    ]
    return html("measure/sheet.html", title=title, about=about, plotly=Markup(get_plotlyjs()), charts=shown)


def _heading(metric: str) -> str:
    label = LABELS[metric].partition(",")[0]
    return label[:1].upper() + label[1:]
