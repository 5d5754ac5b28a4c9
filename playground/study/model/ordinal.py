"""The cumulative logit model of an ordered answer, with thresholds that lie symmetrically around 0. Pure.

    P(answer = k) = F(t[k + 1] - eta) - F(t[k] - eta),   F logistic, t[0] = -inf, t[K] = inf

With three categories this is Rao and Kupper's model of ties (1967, doi 10.1080/01621459.1967.10482901), with two plain
logistic regression. Written as F(a) - F(b) = F(a) F(-b) (1 - exp(b - a)), so nothing cancels.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]
Places = NDArray[np.int64]

_LEAST = float(np.exp(-700.0))


class Cuts(NamedTuple):
    """The thresholds around each answer [N]; `gap` is log(1 - exp(low - high)), `slack` its slope on `high`."""

    low: Array
    high: Array
    gap: Array
    slack: Array


def thresholds(steps: Array, categories: int) -> Array:
    """The K - 1 thresholds from logarithms of the steps outward from the middle: [(K - 1) // 2] -> [K - 1]."""
    up = np.cumsum(np.exp(steps))
    return np.concatenate([-up[::-1], [0.0] if categories % 2 == 0 else [], up])


def turning(steps: Array, categories: int) -> Array:
    """The derivatives of `thresholds` on the logarithms of the steps, [K - 1, (K - 1) // 2]."""
    up = np.tril(np.ones((len(steps), len(steps)))) * np.exp(steps)
    return np.vstack([-up[::-1], *([np.zeros((1, len(steps)))] if categories % 2 == 0 else []), up])


def cuts(steps: Array, categories: int, answer: Places) -> Cuts:
    """What the likelihood of each answer [N] takes of the thresholds."""
    ends = np.concatenate([[-np.inf], thresholds(steps, categories), [np.inf]])
    low, high = ends[:-1], ends[1:]
    with np.errstate(over="ignore"):
        gap, slack = np.log(-np.expm1(low - high)), 1 / np.expm1(high - low)
    return Cuts(low[answer], high[answer], gap[answer], slack[answer])


class Chances(NamedTuple):
    """The chance to stay `below` the upper threshold of each answer, and `above` the lower one, [N, Q] each.

    From them: the slope of the log-likelihood on eta is below - above, its curvature -(F (1 - F)) of both, its slope
    on the upper threshold 1 - below + slack, on the lower above - 1 - slack.
    """

    below: Array
    above: Array


def chances(eta: Array, cut: Cuts) -> Chances:
    """What the likelihood and its slopes are made of, for log-odds [N, Q]."""
    return Chances(expit(cut.high[:, None] - eta), expit(eta - cut.low[:, None]))


def log_of(found: Chances, cut: Cuts) -> Array:
    """The logarithm of each answer's probability, [N, Q]; one below e^-700 counts as e^-700."""
    return np.log(np.maximum(found.below * found.above, _LEAST)) + cut.gap[:, None]
