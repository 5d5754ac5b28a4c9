"""What measured points say, in words and numbers: a sentence, a table, the strength that reaches a target. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from playground.cards import Estimate, Point
from playground.errors import InvalidInput
from playground.settings import MAIN, SLIDERS, UNSTEERED, Sliders

LABELS = {
    "reward": "reward",
    "judge": "judge's score",
    "win_rate": "win rate over the base",
    "kl": "KL to the base, nats per token",
    "perplexity": "perplexity under the base",
    "diversity": "diversity",
    "coherence": "coherence with the prompt",
    "relevance": "relevance: fits its own prompt best",
    "length": "length in tokens",
}
"""Metrics with a chart, in this order, and what they are called there."""

BREAKING = 2.0
"""Perplexity over the base's own at which a text is told to break."""


class Target(NamedTuple):
    """The strengths at which a metric's mean has a value, the nearest to 0 first, and the same as a sentence."""

    strengths: tuple[float, ...]
    sentence: str


def measured(points: Sequence[Point]) -> list[str]:
    """The metrics with a chart that all of these points have."""
    return [name for name in LABELS if points and all(name in point.metrics for point in points)]


def line(points: Sequence[Point], along: str = MAIN, at: Sliders = UNSTEERED) -> list[Point]:
    """The points whose other sliders stand as `at` tells, in order of this one."""
    others = at.without(along)
    return sorted((p for p in points if p.without(along) == others), key=lambda p: p.amounts[along])


def longest_line(points: Sequence[Point]) -> tuple[str, Sliders]:
    """Along which slider, and where the others stand, most was measured; the first at 0 of the others if it is even."""
    nearest = sorted(points, key=lambda p: [abs(amount) for amount in p.order])
    counts = Counter((along, point.without(along)) for along in SLIDERS for point in nearest)
    return max(counts, key=counts.__getitem__, default=(MAIN, UNSTEERED))


def varied(points: Sequence[Point]) -> list[str]:
    """The sliders at which points stand differently."""
    return [name for name in SLIDERS if len({point.amounts[name] for point in points}) > 1]


def others_of(points: Sequence[Point], along: str) -> list[str]:
    """The sliders that tell the lines along one apart: those that vary, or all others where none does."""
    others = [name for name in SLIDERS if name != along]
    return [name for name in others if name in varied(points)] or others


def lines(points: Sequence[Point], along: str = MAIN) -> list[Sliders]:
    """Where the other sliders stand on each line of points along one, in order."""
    return sorted({point.without(along) for point in points}, key=lambda at: at.order)


def target(points: Sequence[Point], metric: str, value: float, along: str = MAIN, at: Sliders = UNSTEERED) -> Target:
    """Where along a line of points a metric's mean has a value, straight between neighbours.

    Raises InvalidInput for a metric that these points do not have.
    """
    on_line = line(points, along, at)
    if not on_line or any(metric not in point.metrics for point in on_line):
        known = ", ".join(on_line[0].metrics) if on_line else "none"
        raise InvalidInput(f"{metric} was not measured along {along}.", f"Measured there: {known}.")
    where = [(point.amounts[along], point.metrics[metric].mean) for point in on_line]
    found = {strength for strength, mean in where if mean == value}
    for (left, low), (right, high) in pairwise(where):
        if min(low, high) < value < max(low, high):
            found.add(left + (right - left) * (value - low) / (high - low))
    strengths = tuple(sorted(found, key=lambda strength: (abs(strength), strength)))
    label = f"{_name(metric)} {value:g}"
    if strengths:
        places = " and ".join(f"{strength:.2f}" for strength in strengths)
        return Target(strengths, f"{_capital(label)} is reached at {along} {places}.")
    means = [mean for _, mean in where]
    lowest, highest = (figure(mean, digits(means)) for mean in (min(means), max(means)))
    return Target(
        (),
        f"No measured {along} gives {label}: from {along} {where[0][0]:g} to {where[-1][0]:g} "
        f"it lies between {lowest} and {highest}.",
    )


def sentence(points: Sequence[Point], metric: str, along: str = MAIN, at: Sliders = UNSTEERED) -> str:
    """What a metric does along a line of points, and where the texts break if they do."""
    on_line = [point for point in line(points, along, at) if metric in point.metrics]
    if len(on_line) < 2:
        return f"{_capital(_name(metric))} was measured at fewer than two strengths of {along}."
    where = f"at {at.in_words(others_of(points, along))} " if len(lines(points, along)) > 1 else ""
    course = _course([(p.amounts[along], p.metrics[metric]) for p in on_line], along)
    told = _capital(f"{where}{_name(metric)} {course}")
    breaks = _breaks(on_line, along) if metric in ("reward", "judge", "win_rate") else []
    if breaks:
        places = " and ".join(f"{strength:g}" for strength in breaks)
        told += f"; perplexity reaches {BREAKING:g} times the base's at {along} {places}"
    return told + "."


def _course(where: Sequence[tuple[float, Estimate]], along: str) -> str:
    """How estimates go along rising strengths: flat, up, down, over a top or through a bottom."""
    means = [estimate.mean for _, estimate in where]
    places = digits(means)
    (first, begin), (last, end) = where[0], where[-1]
    top, bottom = max(range(len(where)), key=means.__getitem__), min(range(len(where)), key=means.__getitem__)
    if where[top][1].low <= where[bottom][1].high:
        around = sum(means) / len(means)
        return f"hardly changes from {along} {first:g} to {last:g}: all intervals meet, around {figure(around, places)}"

    def turn(index: int) -> str:
        return f"{figure(means[index], places)} at {along} {where[index][0]:g}"

    def clearly(higher: Estimate, lower: Estimate) -> bool:
        return higher.low > lower.high

    def side(index: int) -> str:
        return f"{figure(means[index], places)} at {where[index][0]:g}"

    peak, ends = where[top][1], len(where) - 1
    if clearly(peak, begin) and clearly(peak, end):
        return f"rises from {side(0)} to {turn(top)}, then falls to {side(ends)}"
    low = where[bottom][1]
    if clearly(begin, low) and clearly(end, low):
        return f"is lowest, {turn(bottom)}, and rises to {side(0)} and {side(ends)}"
    if top > bottom:
        more = f", then stays there up to {last:g}" if top < ends else ""
        return f"rises from {side(bottom)} to {turn(top)}{more}"
    more = f", then stays there up to {last:g}" if bottom < ends else ""
    return f"falls from {side(top)} to {turn(bottom)}{more}"


def _breaks(on_line: Sequence[Point], along: str) -> list[float]:
    """The nearest strength to either side of 0 at which perplexity is far above the base's."""
    base = next((p for p in on_line if not p.steers), None)
    if base is None or "surprise" not in base.metrics:
        return []
    limit = base.metrics["surprise"].mean + math.log(BREAKING)
    broken = [p.amounts[along] for p in on_line if p.metrics["surprise"].mean > limit]
    return [
        *sorted((strength for strength in broken if strength < 0), reverse=True)[:1],
        *sorted(strength for strength in broken if strength > 0)[:1],
    ]


def summit(points: Sequence[Point], metric: str) -> str:
    """Where over all strengths a metric's mean is highest and lowest."""
    known = [point for point in points if metric in point.metrics]
    if not known:
        return f"{_capital(_name(metric))} was not measured."
    ordered = sorted(known, key=lambda p: p.metrics[metric].mean)
    places = digits([point.metrics[metric].mean for point in known])
    lowest, highest = (f"{figure(p.metrics[metric].mean, places)} at {p.in_words()}" for p in (ordered[0], ordered[-1]))
    return f"{_capital(_name(metric))} is highest, {highest}, and lowest, {lowest}."


def price(points: Sequence[Point], metric: str = "reward") -> str:
    """What each line's way from the base to its highest mean costs in KL, as sentences."""
    base = next((p for p in points if not p.steers), None)
    if base is None or not {metric, "kl"} <= set(base.metrics):
        return "The base was not measured, so a gain cannot be told."
    told: list[str] = []
    for at in lines(points):
        best = max(line(points, MAIN, at), key=lambda p: p.metrics[metric].mean)
        gain = best.metrics[metric].mean - base.metrics[metric].mean
        nats = best.metrics["kl"].mean
        each = f", {gain / nats:.2g} a nat" if nats > 0 else ""
        told.append(
            f"At {at.in_words(others_of(points, MAIN))} {_name(metric)} is highest at {best.in_words([MAIN])}: "
            f"{gain:+.2g} for {nats:.2g} nats per token{each}."
        )
    return " ".join(told)


def as_text(points: Sequence[Point], metric: str) -> str:
    """A chart in words, for whoever cannot see it: each strength with its mean and interval, a line each."""
    told = [f"{_capital(LABELS.get(metric, metric))}, mean and 95 % interval:"]
    places = digits([point.metrics[metric].mean for point in points if metric in point.metrics])
    for point in sorted(points, key=lambda p: p.order):
        if metric in point.metrics:
            found = point.metrics[metric]
            mean, low, high = (figure(value, places) for value in (found.mean, found.low, found.high))
            span = f"{mean}, {low} to {high}"
            told.append(f"{point.in_words()}: {span}")
    return "\n".join(told)


def digits(values: Sequence[float]) -> int:
    """How many digits stand behind the point in all of these values, so that the largest shows three figures."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 2 if largest == 0 else min(max(2 - math.floor(math.log10(largest)), 0), 4)


def figure(value: float, places: int) -> str:
    """A number with so many digits behind the point, and never as a power of ten or as a negative nothing."""
    text = f"{value:,.{places}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text


def _name(metric: str) -> str:
    return LABELS.get(metric, metric).partition(",")[0]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
