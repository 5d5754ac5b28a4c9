"""All charts of some measured points as one HTML page that needs no network. Pure: values in, text out."""

from collections.abc import Sequence
from html import escape

from plotly.offline import get_plotlyjs

from playground.cards import Point, SafeRange
from playground.measure import findings
from playground.measure.figures import drawn, heat_map, metric_curve, reward_against_kl
from playground.measure.findings import LABELS, as_text, sentence


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
        f"<section><h2>{escape(heading)}</h2><p>{escape(told)}</p>{drawn(figure, heading)}"
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
