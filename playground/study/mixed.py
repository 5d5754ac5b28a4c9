"""Logistic regression in which each person has a slope of their own, by maximum likelihood. Pure functions of arrays.

    P(won = 1) = sigmoid(columns @ fixed + slope * columns[:, 1]),   slope ~ N(0, deviation^2) for each person

`columns` are [N, K], `won` [N] lies from 0 to 1, `person` [N] counts people from 0.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Places = NDArray[np.int64]

_RIDGE = 1e-3  # on coefficients of columns scaled to [-1, 1]: keeps a unanimous sample finite, else unfelt
_STEPS = 25
_LOG_DEVIATION = (-5.0, 3.0)
_NODES, _WEIGHTS = (
    part / norm for part, norm in zip(np.polynomial.hermite_e.hermegauss(11), (1, math.sqrt(2 * math.pi)), strict=True)
)


class Mixed(NamedTuple):
    """A fitted model: estimates in row 0, then resamples.

    `fixed` [R, K] are the coefficients, `deviation` [R] that of the slopes, `own` [people] each person's own, from 0.
    """

    fixed: Array
    deviation: Array
    own: Array


def chance(gain: Array) -> Array:
    """Log-odds as probabilities."""
    return 1 / (1 + np.exp(-np.clip(gain, -30, 30)))


def over_people(gain: Array, strewn: Array) -> Array:
    """The chance, averaged over people whose log-odds are `gain`, give or take `strewn` (a standard deviation)."""
    return np.tensordot(_WEIGHTS, chance(gain + np.multiply.outer(_NODES, strewn)), axes=1)


def logistic(columns: Array, won: Array) -> Array:
    """Logistic regression by Newton's method: [N, K], [N] -> [K]."""
    fitted = np.zeros(columns.shape[1])
    for _ in range(_STEPS):
        likely = chance(columns @ fitted)
        slope = (won - likely) @ columns - _RIDGE * fitted
        bend = columns.T @ (columns * (likely * (1 - likely))[:, None]) + _RIDGE * np.eye(len(fitted))
        step = np.clip(np.linalg.solve(bend, slope), -3, 3)
        fitted += step
        if np.abs(step).max() < 1e-8:
            break
    return fitted


def fit(columns: Array, won: Array, person: Places, people: int, weights: Array) -> Mixed:
    """Fit it by Gauss-Hermite quadrature over each person's slope; each row of `weights` [R, people] is a resample.

    A resample is one step of Newton's method away from the estimate: by the gradients of the people drawn, and the
    curvature of everybody, which is the bootstrap of a sandwich estimate of the variance. With few people the steps are
    lengthened as is usual for few clusters (Cameron and Miller 2015, doi 10.3368/jhr.50.2.317).
    """
    from scipy.optimize import minimize
    from scipy.stats import t

    def loss(at: Array) -> tuple[float, Array]:
        log, gradient, _, _ = by_person(at, columns, won, person, people)
        fixed = np.append(at[:-1], 0.0)
        return _RIDGE / 2 * fixed @ fixed - log.sum(), _RIDGE * fixed - gradient.sum(axis=0)

    start = np.append(logistic(columns, won), math.log(0.5))
    bounds = [(None, None)] * columns.shape[1] + [_LOG_DEVIATION]
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    _, gradient, bend, own = by_person(best, columns, won, person, people)
    whole = bend.sum(axis=0) + _RIDGE * np.eye(len(best))
    few = math.sqrt(people / max(people - len(best), 1)) * float(t.ppf(0.975, people - 1)) / 1.96
    step = few * (weights - 1) @ np.linalg.solve(whole, gradient.T).T
    moved = best + step
    return Mixed(moved[:, :-1], np.exp(np.clip(moved[:, -1], *_LOG_DEVIATION)), own)


def by_person(at: Array, columns: Array, won: Array, person: Places, people: int) -> tuple[Array, Array, Array, Array]:
    """Each person's log-likelihood [P], gradient [P, D], curvature [P, D, D] (Louis 1982) and expected slope [P].

    `at` [D] are the coefficients and the logarithm of the slopes' deviation.
    """
    fixed, deviation = at[:-1], math.exp(at[-1])
    size, nodes = len(at), len(_NODES)
    slopes = deviation * _NODES
    gain = np.clip((columns @ fixed)[:, None] + columns[:, [1]] * slopes, -30, 30)  # [N, nodes]
    likely = chance(gain)
    log_won = won[:, None] * gain - np.logaddexp(0, gain)
    order = np.argsort(person, kind="stable")
    first = np.searchsorted(person[order], np.arange(people))

    def total(values: Array) -> Array:
        return np.add.reduceat(values[order], first, axis=0)

    joint = total(log_won) + np.log(_WEIGHTS)  # [P, nodes]
    log = np.logaddexp.reduce(joint, axis=1)
    weight = np.exp(joint - log[:, None])
    wide = np.empty((len(won), nodes, size))
    wide[:, :, :-1] = columns[:, None, :]
    wide[:, :, -1] = columns[:, [1]] * slopes
    off = won[:, None] - likely
    score = total(off[:, :, None] * wide)  # [P, nodes, D]
    gradient = (weight[:, :, None] * score).sum(axis=1)
    products = (wide[:, :, :, None] * wide[:, :, None, :]) * (likely * (1 - likely))[:, :, None, None]
    known = total(products.reshape(len(won), -1)).reshape(people, nodes, size, size)
    known[:, :, -1, -1] -= total(off * wide[:, :, -1])
    missing = score[:, :, :, None] * score[:, :, None, :]
    bend = (weight[:, :, None, None] * (known - missing)).sum(axis=1) + gradient[:, :, None] * gradient[:, None, :]
    return log, gradient, bend, weight @ slopes
