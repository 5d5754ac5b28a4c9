"""What the Curves page measures and says: a form becomes a plan, points become charts and sentences.

Pure but for the files it reads; no gradio.
"""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import plotly.graph_objects as go
from markupsafe import Markup

from playground import places, presets
from playground.cards import Card, Point
from playground.errors import InvalidInput
from playground.events import Progress, Waiting
from playground.measure import charts, figures, findings
from playground.measure.findings import LABELS
from playground.presets import Preset
from playground.settings import SLIDER_RANGE, SLIDERS, Sliders
from playground.templates import macros
from playground.texts import is_blank
from playground.ui import markup, share
from playground.ui.numerals import figure, minus, side

if TYPE_CHECKING:
    from playground.measure.plan import SweepPlan
    from playground.measure.sweep import MeasuredReply

_PARTS = macros("ui/curves/present.html")

Kind = Literal["Against strength", "Against KL", "Heat map"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""How a chart is drawn; a heat map is drawn over two sliders."""

_FINE, _COARSE, _FEW = "-1:2:0.25", "-1:2:0.5", "0,0.5,1"


def grids_for(vary: str) -> tuple[str, ...]:
    """The grid that is suggested for each slider, where one of `VARY` is to vary."""
    if vary in SLIDERS:
        return tuple("0" if name != vary else _COARSE if place else _FINE for place, name in enumerate(SLIDERS))
    return tuple((_COARSE, _FEW)[place] if place < _TOGETHER else "0" for place in range(len(SLIDERS)))


_TOGETHER = 2  # sliders that vary with each other: what a heat map shows

VARY = (*SLIDERS, "both")
"""What may vary: one slider, or the first two with each other."""

UNSEEN, FROM_PRESETS, OWN = "Held-out prompts", "Presets' prompts", "My prompts"
PROMPTS = (UNSEEN, FROM_PRESETS, OWN)

SHOWN = 8
"""Replies shown behind a point; the files hold all."""

_MOST_LINES = 100_000  # of prompts that are typed
_FURTHEST_VALUE = 1e300  # of a metric that is asked for
_ROWS = 16  # in a batch: a prompt or two, so that the chart grows every few seconds

Phase = Literal["empty", "waiting", "calibrating", "measuring", "stopped", "done", "failed"]


@dataclass(frozen=True)
class Measurement:
    """What was measured so far, and how far that is."""

    plan: "SweepPlan | None" = None
    model: str = ""
    points: tuple[Point, ...] = ()
    prompts: int = 0
    progress: Progress | None = None
    phase: Phase = "empty"
    before: int | None = None
    """How many measurings are let in before this one, where that is known."""
    problem: str = ""
    command: str = ""
    card: Card | None = None
    """The axis's card; what it measured is shown until there are points, and behind them from then on."""

    @property
    def shown(self) -> tuple[Point, ...]:
        """What there is to read: the points measured here, else the card's."""
        return self.points or (self.card.curve if self.card is not None else ())


def plan(
    axis: str | None,
    grids: Sequence[str],
    prompts: Sequence[str],
    seeds: float | None,
    seed: float | None,
    temperature: float | None,
    max_new_tokens: float | None,
    most: int = 20_000,
) -> "SweepPlan":
    """The plan a form describes, `grids` in the order of the sliders; at most so many replies. Raises InvalidInput."""
    from playground.measure.plan import GRID, SweepPlan, check_size, parse_grid

    if not axis:
        raise InvalidInput("There is no axis to measure.", "Make or load one on the Axes page.")
    if not prompts:
        raise InvalidInput("There are no prompts.", "Type some, one a line.")
    grid = {name: parse_grid(text) for name, text in zip(SLIDERS, grids, strict=True)}
    check_size(grid, prompts, 1 if seeds is None else seeds, most, "this page")
    size = max(_ROWS, math.prod(len(set(strengths)) for strengths in grid.values()) + 1)
    numbers = {"seeds": seeds, "seed": seed, "temperature": temperature, "max_new_tokens": max_new_tokens}
    given: dict[str, Any] = {name: value for name, value in numbers.items() if value is not None}
    given |= {GRID.format(name): strengths for name, strengths in grid.items()}
    return SweepPlan(axis=axis, prompts=tuple(prompts), batch=size, **given)


def prompts_of(source: str, count: float | None, own: str, file: str | None, card: Card | None = None) -> list[str]:
    """The prompts a form names, for the axis of this card. Raises InvalidInput when a file holds something else.

    New to an axis is what its training set aside, whichever prompts it was given: that depends on the text alone.
    """
    from playground.training.pairs import is_development, load_prompts
    from playground.training.recipe import Recipe

    if source == FROM_PRESETS:
        return list(dict.fromkeys(preset.prompt for preset in presets.read_all()))
    if source == OWN:
        if own.count("\n") > _MOST_LINES:
            raise InvalidInput(f"These are more than {_MOST_LINES} lines.", "Take fewer prompts.")
        typed = [line.strip() for line in own.split("\n") if not is_blank(line)]
        return list(dict.fromkeys([*typed, *(load_prompts(Path(file)) if file else ())]))
    known = load_prompts(places.PRESETS / "prompts.jsonl")
    share = (card.development_share if card else None) or Recipe().development_share
    unseen = [prompt for prompt in known if is_development(prompt, share)]
    if not unseen:
        raise InvalidInput("None of the shipped prompts is new to this axis.", "Take the presets' or your own.")
    wanted = int(count) if count and count >= 1 else 1
    return sorted(unseen, key=lambda prompt: hashlib.sha256(prompt.encode()).hexdigest())[:wanted]


def size(plan: "SweepPlan") -> str:
    """What a plan measures and how much work that is, in words."""
    return minus(plan.in_words())


def folder_name(identity: dict[str, Any]) -> str:
    """The name of the folder of what is measured: the same again finds what is there and goes on."""
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]


# --- charts -----------------------------------------------------------------------------------------------------------


def metrics_of(points: Sequence[Point]) -> list[tuple[str, str]]:
    """(label, name) of the metrics that can be drawn."""
    return [(LABELS[name], name) for name in (findings.measured(points) or LABELS)]


def kinds_of(found: Measurement) -> tuple[Kind, ...]:
    """The kinds of charts that what was found can be drawn as: a map needs rows and columns."""
    plan = found.plan
    return KINDS if plan is not None and sum(len(grid) > 1 for grid in plan.grids.values()) > 1 else KINDS[:2]


def chart(found: Measurement, metric: str, kind: str = KINDS[0], current: Sliders | None = None) -> go.Figure:
    """A metric of what was found over the card's curve, with the `current` strength of Play marked.

    A kind that it cannot be drawn as becomes a line along the strength.
    """
    points, card = found.points, found.card
    measured = card.curve if card is not None else ()
    if kind == "Against KL":
        figure = figures.reward_against_kl(points, metric, current, measured)
    elif kind in kinds_of(found)[2:]:
        figure = figures.heat_map(points, metric, current)
    else:
        kind, way = KINDS[0], findings.longest_line(found.shown)[0]
        safe = card.safe_range if card is not None else None
        figure = figures.metric_curve(points, metric, way, current, safe, measured)
        _mark(figure, [point.amounts[way] for point in found.shown], way, current)
    return figure.update_layout(meta={"file": _file_name(found, metric, kind)})


def _mark(figure: go.Figure, strengths: Sequence[float], way: str, current: Sliders | None) -> None:
    """A line where Play's strength lies among these."""
    here = None if current is None else current.amounts[way]
    if not strengths:
        figure.update_xaxes(range=list(SLIDER_RANGE))
        figure.update_yaxes(range=[0, 1], showticklabels=False)
    elif here is not None and min(strengths) <= here <= max(strengths):
        line = {"color": charts.BASE, "width": 1.5, "dash": "dot"}
        figure.add_vline(x=here, line=line, annotation_text="Play", annotation_position="top right")


def _file_name(found: Measurement, metric: str, kind: str) -> str:
    """What a chart's picture is called as a file, without its suffix."""
    axis = found.plan.axis if found.plan is not None else found.card.name if found.card is not None else ""
    words = f"{axis} {metric.replace('_', ' ')} {kind}"
    return re.sub(r"\W+", "-", words.lower()).strip("-")


def told(found: Measurement, metric: str, kind: str = KINDS[0]) -> Markup:
    """A chart's sentence and, folded below it, the chart as text."""
    points = found.shown
    if not points:
        return markup.caption("Nothing is measured yet. Choose what to measure, then press Run.")
    way, at = findings.longest_line(points)
    if kind == "Against KL":
        sentence = findings.price(points, metric)
    elif kind in kinds_of(found)[2:]:
        sentence = findings.summit(points, metric)
    else:
        sentence = findings.sentence(points, metric, way, at)
    of = "" if found.points else "Measured for the axis: "
    return _PARTS.told(markup.caption(of + sentence), minus(findings.as_text(points, metric)))


def behind(points: Sequence[Point], replies: Sequence["MeasuredReply"], prompts: Sequence[str]) -> Markup:
    """The replies behind each point; the page's script shows one point's at a time."""
    if not points:
        return markup.paragraph("hint", "Press Run, and the replies behind each point appear here.")
    base = next((at for at, point in enumerate(points) if not point.steers), 0)
    return _PARTS.behind([_place(point, replies, prompts) for point in points], base)


def _place(point: Point, replies: Sequence["MeasuredReply"], prompts: Sequence[str]) -> dict[str, Any]:
    """What is shown of a point: its strengths in short and in words, and its first replies."""
    here = [one for one in replies if one.reply.at == point.at]
    return {
        "towards": side(point.leading),
        "at": _at(point),
        "label": minus(point.in_words()),
        "replies": [_one(one, prompts) for one in here[:SHOWN]],
        "more": len(here) - SHOWN,
    }


def _at(point: Point) -> str:
    first, *others = point.amounts.values()
    return minus(" · ".join(f"{amount:g}" for amount in (first, *(others if any(others) else ()))))


def _one(one: "MeasuredReply", prompts: Sequence[str]) -> tuple[str, str, list[tuple[str, str]]]:
    """A reply's prompt, its text, and its numbers by name."""
    numbers = one.reading.numbers
    kinds = (("reward", "reward"), ("judge", "judge"), ("kl", "KL"))
    chips = [(name, figure(numbers[key])) for key, name in kinds if key in numbers]
    return prompts[one.reading.prompt], one.reply.text, chips


def further(found: Measurement, event: Waiting | Progress) -> Measurement:
    """How things stand after one more event that tells of no points."""
    if isinstance(event, Waiting):
        return replace(found, phase="waiting", before=event.before)
    return replace(found, phase="calibrating" if event.stage == "calibrating" else "measuring", progress=event)


def standing(found: Measurement) -> Markup:
    """One line on how far things are, with a bar."""
    if found.phase == "failed":
        return markup.paragraph("status failed", found.problem)
    progress = found.progress
    share_done = progress.done / progress.total if progress and progress.total else 0.0
    count = f"{progress.done:g} of {progress.total:g} replies" if progress else ""
    words = {
        "empty": "Ready to measure.",
        "waiting": "Waiting for another measurement to end …" if found.before is None else markup.in_line(found.before),
        "calibrating": markup.calibrating(round(100 * share_done)),
        "measuring": f"Measuring: {count}{_left(progress)}" if progress else "Starting …",
        "stopped": f"Stopped at {count}. Run resumes here.",
        "done": f"Done: {count}, means over {found.prompts} prompts.",
    }[found.phase]
    line = markup.paragraph(f"status {found.phase}", words)
    return line if found.phase in ("empty", "waiting") else line + _PARTS.progress(f"{share_done:.4f}")


def _left(progress: Progress | None) -> str:
    left = progress.seconds_left if progress else None
    if left is None:
        return ""
    return f", about {math.ceil(left)} s left" if left < 90 else f", about {math.ceil(left / 60)} min left"


# --- the strength that reaches a target -------------------------------------------------------------------------------


def target(found: Measurement, metric: str, value: float | None) -> Markup:
    """Where a metric has a value, with a link that opens Play there. Raises InvalidInput where that cannot be told."""
    if not found.shown:
        raise InvalidInput("Nothing is measured yet.", "Run first; the target is found on the curve.")
    if not isinstance(value, int | float) or not -_FURTHEST_VALUE <= value <= _FURTHEST_VALUE:
        raise InvalidInput("The target is no number.", "Type one such as 0.5.")
    way, at = findings.longest_line(found.shown)
    reached = findings.target(found.shown, metric, value, way, at)
    links = [(_link(found, way, at, x), figure(x)) for x in reached.strengths]
    return markup.caption(reached.sentence) + (_PARTS.links(links) if links else "")


def _link(found: Measurement, way: str, at: Sliders, strength: float) -> str:
    """The link that opens Play at a strength: with the first prompt that was measured, or the axis's first preset's."""
    sliders = {**at.amounts, way: round(strength, 4)}
    if found.plan is not None:
        same = ("axis", "temperature", "seed", "max_new_tokens")
        asked: dict[str, Any] = {"prompt": found.plan.prompts[0], **{name: getattr(found.plan, name) for name in same}}
    else:
        assert found.card is not None
        asked = {"prompt": presets.prompt_for(found.card.name), "axis": found.card.name}
    return share.encode(Preset(title="Target", **dict[str, Any](asked, **sliders)), found.model)
