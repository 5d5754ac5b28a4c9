"""The staff's page: how the study stands, who is flagged, what is liked so far, pause, and the answers to take away."""

import tempfile
import time
import zipfile
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from playground.cards import Estimate
from playground.measure import figures as charts
from playground.study import export, results
from playground.study.parts import Condition
from playground.study.records import Records, StudyCounts
from playground.study.stimuli import Study
from playground.study.store import Store

_EVERY_S = 5
_BARE: dict[str, Any] = {"padding": False, "apply_default_css": False}
_ALONE: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_limit": None,
}

_PRESS = "() => setTimeout(() => document.querySelector('a#answers-file, #answers-file a, #answers-file').click(), 100)"
_SHOWN = {
    "person": "Participant",
    "flags": "Flags",
    "answered": "Answered",
    "trials": "Of",
    "checks_failed": "Attention checks failed",
    "repeats_differ": "Inconsistent repeats",
    "too_fast": "Too fast",
    "hidden": "Left the page",
    "left_share": "Chose left",
}


def staff_page(study: Study, store: Store, scratch: Path) -> gr.Blocks:
    """The page, ready to launch behind a password; what is downloaded lies in `scratch` for a while.

    It reads the database every few seconds while it is open.
    """

    def look() -> tuple[Any, ...]:
        table, people = results.main_data(results.long_table(store, study), results.people_table(store, study))
        standing = store.progress()
        return (
            _figures(standing, study.plan.recruiting.hours_away),
            "Go on" if standing.paused else "Pause",
            _flagged(people),
            *(_curve(table, condition) for condition in study.plan.compared),
        )

    def turn() -> None:
        store.pause(not store.paused())

    def take() -> str:
        return str(archive(study, store, scratch))

    with gr.Blocks(title=f"Staff: {study.plan.title}", analytics_enabled=False, delete_cache=(600, 600)) as blocks:
        gr.HTML(f'<header class="masthead"><h1>{escape(study.plan.title)}</h1><p>staff</p></header>', **_BARE)
        figures = gr.HTML(**_BARE)
        with gr.Row():
            pause = gr.Button("Pause")
            download = gr.Button("Download the answers")
            file = gr.DownloadButton(visible="hidden", elem_id="answers-file")
        gr.HTML(
            '<p class="note">Share of pairs won by strength, a tie as half a win, with 95 % intervals. A first look: '
            "the same people answer many pairs, which the analysis takes into account and this curve does not.</p>",
            **_BARE,
        )
        curves = [gr.Plot(label=one.id, show_label=bool(one.id)) for one in study.plan.compared]
        people = gr.HTML(**_BARE)
        shown = [figures, pause, people, *curves]
        gr.on([blocks.load, gr.Timer(_EVERY_S).tick], look, None, shown, **_ALONE)
        pause.click(turn, None, None, **_ALONE).then(look, None, shown, **_ALONE)
        # A DownloadButton gives what it held before the click, so a hidden one is pressed once it holds the answers.
        download.click(take, None, file, **_ALONE).then(None, None, None, js=_PRESS)
    return blocks


def _curve(table: pd.DataFrame, condition: Condition) -> Any:
    """How often each strength of a condition won its pairs."""
    won = results.liked(results.of_condition(table, condition.id))
    points = [(one.strength, Estimate(mean=one.rate, low=one.low, high=one.high)) for one in won]
    return charts.win_rates(points, str(condition.method))


def archive(study: Study, records: Records, scratch: Path) -> Path:
    """All that `playground study export` writes, in one file below `scratch`."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    path = folder / f"{study.plan.name}-{time.strftime('%Y%m%d-%H%M')}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in export.write(study, records, folder / "files"):
            archive.write(file, file.name)
    return path


def _figures(standing: StudyCounts, hours: float) -> str:
    """The counts, one after another."""
    running = standing.consented - standing.finished - standing.abandoned
    counts = {
        "Started": standing.consented,
        "In progress": running,
        "Completed": standing.finished - standing.failed - standing.screened,
        "Failed checks": standing.failed,
        "Screened out": standing.screened,
        "Dropped out": standing.abandoned,
        "Withdrew": standing.withdrawn,
        "Declined": standing.declined,
        "Pilot": standing.pilots,
        "Answers": standing.answers,
    }
    chips = "".join(f'<div class="figure"><b>{count}</b><span>{name}</span></div>' for name, count in counts.items())
    left = ", ".join(f"{people} after {answers}" for answers, people in standing.left_at.items())
    gone = f'<p class="note">Dropped out (not seen for {hours:g} hours): {left} answers.</p>' if left else ""
    paused = '<p class="note warning">The study is paused.</p>' if standing.paused else ""
    return f'<div class="figures">{chips}</div>{paused}{gone}'


def _flagged(people: Any) -> str:
    """A table of the people with a flag."""
    rows = people.loc[people["flags"] != "", list(_SHOWN)].to_dict("records")
    if not rows:
        return '<p class="note">No participant is flagged.</p>'
    head = "".join(f'<th scope="col">{name}</th>' for name in _SHOWN.values())
    body = "".join(f"<tr>{''.join(f'<td>{_cell(name, row[name])}</td>' for name in _SHOWN)}</tr>" for row in rows)
    return (
        f'<h2>Flagged participants</h2><div class="wide" tabindex="0"><table class="plain">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(name: str, value: Any) -> str:
    if name == "left_share":
        return "" if pd.isna(value) else f"{value:.0%}"
    return escape(str(value).replace(" ", ", ").replace("_", " "))
