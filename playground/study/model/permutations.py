"""Tests by permutation: they hold their level with few people, whatever the model misses. Pure functions of arrays.

Each compares the scores of a fitted parabola (what each answer says of its slope and curvature) between labels, and
then between labels dealt anew: among a person's own answers, among people, or among prompts.
"""

from collections.abc import Callable
from math import factorial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from playground.study.model.multilevel import Fit
from playground.study.model.ordinal import Array, Places
from playground.study.model.pairs import TooLittleError

TIMES = 1999
_Label = TypeVar("_Label", Array, Places)
_FEWEST_DEALS = 20


def within_people(fit: Fit, label: Places) -> float:
    """The chance of answers differing so much between labels [N], dealt anew among each person's answers."""
    if len(np.unique(label)) < 2:
        raise TooLittleError("Comparing takes two groups at least.")
    scores = _whitened(fit.by_answer[:, fit.layout.inner])
    person, rng = fit.design.person, np.random.default_rng(0)

    def deal() -> Places:
        return label[np.lexsort((rng.random(len(label)), person))]

    return _chance(lambda one: _between(scores, one), label, deal)


def within_people_trend(fit: Fit, value: Array) -> float:
    """The same for a number that goes with each answer, [N]: as it grows, do answers change?"""
    scores = _whitened(fit.by_answer[:, fit.layout.inner])
    person, rng = fit.design.person, np.random.default_rng(0)
    if np.ptp(value) == 0:
        raise TooLittleError("It is the same for every answer.")

    def deal() -> Array:
        return value[np.lexsort((rng.random(len(value)), person))]

    return _chance(lambda one: float(((scores.T @ one) ** 2).sum()), value - value.mean(), deal)


def among_people(fit: Fit, value: Array, kept: NDArray[np.bool_]) -> float:
    """The chance of people differing so much along what those `kept` [P] said of themselves, [K, C] dealt anew."""
    scores = _whitened(fit.by_person[kept][:, fit.layout.inner])
    rng = np.random.default_rng(0)
    if np.ptp(value, axis=0).max() == 0:
        raise TooLittleError("All of them answered the same.")
    columns = _whitened(value)
    return _chance(lambda one: float(((scores.T @ one) ** 2).sum()), columns, lambda: rng.permutation(columns))


def among_prompts(tops: Array, label: Places) -> float:
    """The chance of prompts' tops [Q] differing so much between labels [Q], dealt anew among prompts."""
    counts = np.bincount(label)
    counts = counts[counts > 0]
    deals = factorial(len(label))
    for count in counts:
        deals //= factorial(int(count))
    if len(counts) < 2 or deals < _FEWEST_DEALS:
        raise TooLittleError("There are too few prompts in each topic to compare topics in general.")
    rng = np.random.default_rng(0)

    def deal() -> Places:
        return rng.permutation(label)

    return _chance(lambda one: _between(tops[:, None] - tops.mean(), one), label, deal)


def _whitened(scores: Array) -> Array:
    """Scores with mean 0 whose columns do not hang together."""
    centred = scores - scores.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = values > values.max() * 1e-9
    return centred @ (vectors[:, kept] / np.sqrt(values[kept]))


def _between(scores: Array, label: Places) -> float:
    """How far the means of labels lie apart: the sum over labels of squared totals by their number."""
    count = np.bincount(label)
    totals = np.stack([np.bincount(label, column) for column in scores.T])
    return float((totals**2 / np.maximum(count, 1)).sum())


def _chance(statistic: Callable[[_Label], float], label: _Label, deal: Callable[[], _Label]) -> float:
    """The share of deals, the true one among them, that differ as much."""
    found = statistic(label) * (1 - 1e-9)
    return (1 + sum(statistic(deal()) >= found for _ in range(TIMES))) / (1 + TIMES)
