"""Numbers about replies, and what a strength does on average: means with bootstrap intervals. Pure functions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from playground import bootstrap
from playground.cards import Estimate, Point, SafeRange
from playground.errors import InvalidInput
from playground.events import Finished
from playground.rewards import Reward, wins
from playground.settings import SLIDERS, Message, Sliders

LEAST_ON_A_LINE = 3
"""Fewer points than this have no rank correlation worth a name."""


@dataclass(frozen=True)
class ReplyMetrics:
    """The numbers of one reply by metric name; prompts are told apart by any number."""

    prompt: int
    seed: int
    numbers: Mapping[str, float]


def read(
    prompts: Sequence[Sequence[Message]],
    numbers: Sequence[int],
    replies: Sequence[Finished],
    scores: Mapping[str, Reward],
) -> list[ReplyMetrics]:
    """Conversations, the number of each, the replies to them -> their readings, scored by each of `scores`."""
    texts = [reply.text for reply in replies]
    scored = {name: score(prompts, texts).tolist() for name, score in scores.items()} if texts else {}
    return [
        ReplyMetrics(number, reply.seed, {**{name: column[at] for name, column in scored.items()}, **own(reply)})
        for at, (number, reply) in enumerate(zip(numbers, replies, strict=True))
    ]


def own(reply: Finished) -> dict[str, float]:
    """What a reply tells by itself: KL in nats per token, perplexity and its log (surprise), diversity, length."""
    return {
        "kl": reply.kl,
        "perplexity": reply.perplexity,
        "surprise": math.log(reply.perplexity),
        "diversity": diversity(reply.token_ids),
        "length": float(len(reply.token_ids)),
    }


def diversity(ids: Sequence[int]) -> float:
    """Product over n = 2, 3, 4 of (1 - rep_n), rep_n the share of repeated n-grams among a reply's tokens; 0 to 1."""
    product = 1.0
    for n in (2, 3, 4):
        grams = [tuple(ids[start : start + n]) for start in range(len(ids) - n + 1)]
        if grams:
            product *= len(set(grams)) / len(grams)
    return product


def against(readings: Sequence[ReplyMetrics], base: Sequence[ReplyMetrics]) -> list[ReplyMetrics]:
    """Readings with `win_rate`: whether the judge prefers each to the base's of the same prompt and seed, ties half.

    Unchanged where there is no judge.
    """
    theirs = {(reading.prompt, reading.seed): reading.numbers.get("judge") for reading in base}
    compared: list[ReplyMetrics] = []
    for our in readings:
        their = theirs[our.prompt, our.seed]
        won = {} if their is None else {"win_rate": wins(our.numbers["judge"], their)}
        compared.append(replace(our, numbers={**our.numbers, **won}))
    return compared


def point(at: Sliders, readings: Sequence[ReplyMetrics]) -> Point:
    """The means over prompts of one strength's readings, seeds averaged within a prompt first.

    Raises InvalidInput where a reply could not be measured.
    """
    columns = {name: [reading.numbers[name] for reading in readings] for name in readings[0].numbers}
    for name, column in columns.items():
        if not all(map(math.isfinite, column)):
            raise InvalidInput(
                f"Replies at {at.in_words()} have no finite {name}.",
                "Try strengths nearer to 0; while training, a smaller --set learning_rate.",
            )
    prompts = [reading.prompt for reading in readings]
    means = {name: estimate(_means(column, prompts)) for name, column in columns.items()}
    return Point(**at.amounts, metrics=means)


class Ratios(NamedTuple):
    """Perplexity and diversity of a point over the base's own.

    Perplexities are averaged as surprise (their logs, nats per token): else a single odd reply would decide.
    """

    perplexity: float
    diversity: float


def ratios(at: Point, base: Point) -> Ratios:
    """How fluent and varied a point is beside the base."""
    surprise, diversity = at.metrics["surprise"].mean, at.metrics["diversity"].mean
    return Ratios(math.exp(surprise - base.metrics["surprise"].mean), diversity / base.metrics["diversity"].mean)


def safe_range(points: Sequence[Point], most_perplexity: float, least_diversity: float) -> SafeRange:
    """From 0 outwards as far as perplexity and diversity hold beside the base's, along each slider by itself."""
    base = next(at for at in points if not at.steers)

    def holds(at: Point) -> bool:
        perplexity, diversity = ratios(at, base)
        return perplexity <= most_perplexity and diversity >= least_diversity

    def ends(along: Mapping[float, Point]) -> tuple[float, float]:
        low = high = 0.0
        for strength in sorted(s for s in along if s > 0):
            if not holds(along[strength]):
                break
            high = strength
        for strength in sorted((s for s in along if s < 0), reverse=True):
            if not holds(along[strength]):
                break
            low = strength
        return low, high

    lines = {name: [at for at in points if not at.without(name).steers] for name in SLIDERS}
    return SafeRange(**{name: ends({at.amounts[name]: at for at in line}) for name, line in lines.items()})


def _means(values: Sequence[float], groups: Sequence[int]) -> list[float]:
    """The mean of each group, in order of first appearance."""
    gathered: dict[int, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        gathered.setdefault(group, []).append(value)
    return [sum(group) / len(group) for group in gathered.values()]


def estimate(values: Sequence[float], seed: int = 0, resamples: int = bootstrap.TIMES) -> Estimate:
    """The mean of one value per prompt, with a 95 % interval from resampling prompts."""
    array = np.asarray(values, dtype=np.float64)
    low, high = bootstrap.interval(array[bootstrap.picks(len(array), seed, resamples)].mean(1))
    return Estimate(mean=float(array.mean()), low=low, high=high)


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation, ties sharing their mean rank; 0 where either is constant or shorter than 2."""
    ranks = np.stack([_ranks(first), _ranks(second)])
    if ranks.shape[1] < 2 or not ranks.std(axis=1).all():
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: Sequence[float]) -> np.ndarray:
    _, place, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]


def correlations(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Spearman's rank correlation of mean reward and mean judge with each slider, at each setting of the others."""
    found: list[dict[str, Any]] = []
    for along in SLIDERS:
        for others in sorted({at.without(along) for at in points}, key=lambda at: at.order):
            line = [at for at in points if at.without(along) == others]
            if len(line) < LEAST_ON_A_LINE:
                continue
            strengths = [at.amounts[along] for at in line]
            means = {
                name: spearman(strengths, [at.metrics[name].mean for at in line])
                for name in ("reward", "judge")
                if name in line[0].metrics
            }
            fixed = {name: amount for name, amount in others.amounts.items() if name != along}
            found.append({"along": along, **fixed, "from": min(strengths), "to": max(strengths), **means})
    return found
