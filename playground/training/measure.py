"""Measured points: replies to development prompts at chosen strengths, and what they say about an axis.

From points come the calibrated step size, where reward stops rising, and the tested range.
"""

import hashlib
import json
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import NamedTuple

from playground import metrics
from playground.cards import Point
from playground.engine.methods import Steering
from playground.events import Progress
from playground.measure.gather import Gathering, gather
from playground.metrics import ReplyMetrics
from playground.rewards import Reward
from playground.settings import MAIN, UNSTEERED, Request, Row, Sampling, Strength, conversation
from playground.training.recipe import Recipe
from playground.training.run import Run

TOGETHER = 4
"""Strengths that a prompt is answered at side by side: they share what they read, and what they write alike.

The first of them are measured whatever the time.
"""


def wanted_strengths(axis: str, recipe: Recipe) -> list[Strength]:
    """What an axis's card is measured at, in the order in which it matters should time end.

    First the base, both sliders at 1 and the other end; then the alpha that `recipe.room` was left for, without which
    the tested range would end at 1; then the rest outwards. An axis that was not trained at its other end is not
    measured there, and its tested range begins at 0.
    """
    lowest = -math.inf if recipe.opposite else 0.0
    ends = [(MAIN, -1.0)] if recipe.opposite else []
    always = [
        UNSTEERED,
        *(UNSTEERED.to(name, amount) for name, amount in [*((one, 1.0) for one in recipe.grids), *ends]),
    ]
    others = {UNSTEERED.to(name, amount) for name, grid in recipe.grids.items() for amount in grid} - set(always)
    room = UNSTEERED.to(MAIN, recipe.room)
    rest = sorted(others, key=lambda at: (at != room, sum(map(abs, at.order)), at.order))
    asked = [*always, *(at for at in rest if min(at.order) >= lowest)]
    return [Strength(axis=axis, **at.amounts) for at in asked]


class PointRow(NamedTuple):
    """A row to be answered, and which strength and prompt it is of."""

    row: Row
    strength: int
    prompt: int


def rows_at(strengths: Sequence[Strength], prompts: Sequence[str], seed: int) -> list[PointRow]:
    """One row for each strength and prompt; a prompt keeps its noise at all strengths.

    A few strengths after the other, all prompts at each few: where time ends, the first have been asked of all prompts.
    """
    return [
        PointRow(Row(messages=conversation(prompt), strengths=(strengths[at],), seed=seed + index), at, index)
        for first in range(0, len(strengths), TOGETHER)
        for index, prompt in enumerate(prompts)
        for at in range(first, min(first + TOGETHER, len(strengths)))
    ]


class Grid(NamedTuple):
    """The strengths to measure, the base's first, and the prompts that are answered at each."""

    strengths: Sequence[Strength]
    prompts: Sequence[str]


def measure(
    run: Run, axes: Mapping[str, Steering], scores: Mapping[str, Reward], grid: Grid, to: Gathering
) -> Generator[Progress, None, list[list[ReplyMetrics]]]:
    """Answer the prompts at each strength: at the first few always, at the others as the deadline allows.

    Returns the readings of the strengths that all prompts were answered at.
    """
    strengths, prompts = grid
    rows = rows_at(strengths, prompts, run.recipe.seed)
    request = Request(
        rows=tuple(asked.row for asked in rows),
        sampling=Sampling(temperature=run.recipe.measured_temperature),
        max_new_tokens=run.recipe.measured_tokens,
    )
    least = len(prompts) * min(len(strengths), TOGETHER)
    replies = yield from gather(run.model, axes, request, replace(to, least=least))
    # All in one call: a few by themselves may have other bits, and a card is to be the same each time.
    yield Progress(to.stage, len(replies), len(rows), "replies", note="scoring them")
    answered = [rows[reply.row] for reply in replies]
    read = metrics.read(
        [asked.row.messages for asked in answered], [asked.prompt for asked in answered], replies, scores
    )
    readings: list[list[ReplyMetrics]] = [[] for _ in strengths]
    for asked, reading in zip(answered, read, strict=True):
        readings[asked.strength].append(reading)
    return list(takewhile(lambda found: len(found) == len(prompts), readings))


def points(strengths: Sequence[Strength], readings: Sequence[Sequence[ReplyMetrics]]) -> list[Point]:
    """One point for each strength that has readings. The first strength is the base: others win or lose against it."""
    return [
        metrics.point(strength.at, metrics.against(found, readings[0]))
        for strength, found in zip(strengths, readings, strict=False)
    ]


def best_step_size(sizes: Sequence[float], points: Sequence[Point], base: Point, recipe: Recipe) -> float:
    """The step size with the highest reward among those whose replies stay fluent and varied (the paper's rule).

    Where none passes the guard, those count that stay in the tested range; where none does, the smallest is taken.
    """
    found = [
        (at.metrics["reward"].mean, size, metrics.ratios(at, base)) for size, at in zip(sizes, points, strict=False)
    ]
    for perplexity, diversity in (
        (recipe.most_perplexity, recipe.least_diversity),
        (recipe.safe_perplexity, recipe.safe_diversity),
    ):
        within = [
            (reward, size) for reward, size, at in found if at.perplexity <= perplexity and at.diversity >= diversity
        ]
        if within:
            return max(within)[1]
    return min(sizes)


def rises_until(points: Sequence[Point]) -> float:
    """Where along the first slider, with the others at 0, mean reward is highest."""
    return max((at.metrics["reward"].mean, at.amounts[MAIN]) for at in points if not at.without(MAIN).steers)[1]


def store(stage: str, what: object) -> str:
    """The file a stage keeps its replies in: by what they depend on, so that nothing stale is taken up again."""
    return f"{stage}-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]}.jsonl"
