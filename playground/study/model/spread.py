"""How far people's own tops lie apart: their deviation, two camps, and the share of people by strength. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from playground import bootstrap
from playground.study.model import inference, multilevel, pairs, utility
from playground.study.model.design import Layout, Shape
from playground.study.model.multilevel import Fit
from playground.study.model.ordinal import Array
from playground.study.model.pairs import Pairs, Scale
from playground.study.model.utility import Utility

_TOLERANCE = 0.02
_ENDS = (0.008, 15.0)
_FEWEST_IN_CAMPS = 20
_RESAMPLES = 500


def fitted(data: Pairs, scale: Scale, careless: bool | None = None) -> Fit:
    """The parabola of these people, careless ones among them or not; None: if that is likelier (one-sided 5 %)."""
    design, shape = pairs.design(data, scale, pairs.quadratic(data, scale)), Shape(careless=True)
    plain = multilevel.fit(design, Shape())
    if careless is False:
        return plain
    mixed = multilevel.fit(design, shape, multilevel.start_near(plain, design, shape, plain.at[plain.layout.inner]))
    likelier = 2 * (mixed.log_likelihood - plain.log_likelihood) > _one_sided()
    return mixed if careless or likelier else plain


@dataclass(frozen=True)
class Deviation:
    """The standard deviation of people's own tops, scaled: by likelihood, with the profile's interval.

    `at_most` is its one-sided 95 % bound, `chance` the probability of such differences if all had one top.
    """

    value: float
    low: float
    high: float
    at_most: float
    chance: float


def deviation(found: Utility) -> Deviation:
    """From a parabola. The chance is half that of a chi square: under the null, the deviation lies at its bound."""
    from scipy.stats import chi2

    fitted = found.fit
    alike = without_own_tops(fitted)
    ratio = max(0.0, 2 * (fitted.log_likelihood - alike.log_likelihood))
    two, one = float(chi2.ppf(inference.LEVEL, 1)), _one_sided()
    value = _top_of(fitted)
    drop = _profile(found)
    high, at_most = (_end(drop, value, wanted, upwards=True) for wanted in (two, one))
    low = 0.0 if ratio < two else _end(drop, value, two, upwards=False)
    value = 0.0 if ratio == 0 else value
    return Deviation(value, low, max(high, value), max(at_most, value), chance(fitted, alike))


def without_own_tops(fitted: Fit) -> Fit:
    """The same model of people who all have one top."""
    shape = Shape(False, fitted.shape.sharpness, fitted.shape.careless)
    start = multilevel.start_near(fitted, fitted.design, shape, fitted.at[fitted.layout.inner])
    return multilevel.fit(fitted.design, shape, start)


def chance(fitted: Fit, alike: Fit) -> float:
    """The probability of people differing so much in their tops if all had one."""
    from scipy.stats import chi2

    ratio = 2 * (fitted.log_likelihood - alike.log_likelihood)
    return 0.5 * float(chi2.sf(ratio, 1)) if ratio > 0 else 1.0


def _one_sided() -> float:
    from scipy.stats import chi2

    return float(chi2.ppf(2 * inference.LEVEL - 1, 1))


def _top_of(fitted: Fit) -> float:
    """The deviation of tops in a fitted parabola."""
    return fitted.spread / (2 * abs(fitted.at[fitted.layout.inner][1]))


def _profile(found: Utility) -> Callable[[float], float]:
    """From a deviation of tops to twice the drop of the log-likelihood there."""
    fitted, place = found.fit, found.fit.layout.spread
    if place is None:
        raise ValueError("The model holds people alike.")
    design, start = replace(fitted.design, unit=1), fitted.at.copy()

    def drop(deviation: float) -> float:
        nonlocal start
        one = multilevel.fit(design, fitted.shape, start, {place: math.log(2 * deviation)})
        start = one.at
        return max(0.0, 2 * (fitted.log_likelihood - one.log_likelihood))

    return drop


def _end(drop: Callable[[float], float], best: float, wanted: float, upwards: bool) -> float:
    """Where the drop is `wanted`, by the secant rule on its root, which is nearly straight."""
    target, near, root = math.sqrt(wanted), best, 0.0
    at = best * (1.4 if upwards else 0.7) + (0.05 if upwards else 0.0)
    for _ in range(12):
        at = float(np.clip(at, *_ENDS))
        height = math.sqrt(drop(at))
        if abs(height - target) < _TOLERANCE or at in _ENDS:
            break
        slope = (height - root) / (at - near)
        near, root = at, height
        step = (target - height) / slope if slope else (at if upwards else -at / 2)
        at += float(np.clip(step, -at / 2, at))
    return at


@dataclass(frozen=True)
class Camp:
    """One of two groups of people: its share, and its top with the interval, scaled; None where it has no two ends."""

    share: float
    top: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Camps:
    """Two groups, the lower first, the deviation of tops inside each, and how much likelier they are.

    `better` is the difference of BIC: above 0 two groups are told.
    """

    camps: tuple[Camp, Camp]
    deviation: float
    better: float


def camps(found: Utility) -> Camps | None:
    """Two groups of people, normal each, in place of one; None with too few people or where one has no top."""
    fitted = found.fit
    if fitted.design.people < _FEWEST_IN_CAMPS or not found.has_top:
        return None
    both = Shape(True, fitted.shape.sharpness, fitted.shape.careless, camps=True)
    layout = Layout.of(fitted.design, both)
    tries = [_two(fitted, both, layout, shift) for shift in (1.5 * fitted.spread, 2.5 * fitted.spread)]
    best = max(tries, key=lambda one: one.log_likelihood)
    first, shift, share = layout.inner.start, layout.shift, layout.share
    if shift is None or share is None or best.at[first + 1] >= 0:
        return None
    covariance = inference.over_people(best)
    part = 1 / (1 + math.exp(-best.at[share]))
    two: list[Camp] = []
    for weight, moved in ((1 - part, 0.0), (part, 1.0)):
        turn = np.zeros((2, len(best.at)))
        turn[0, first], turn[0, shift], turn[1, first + 1] = 1.0, moved, 1.0
        coefficients = turn @ best.at
        interval = utility.peak_interval(coefficients, turn @ covariance.covariance @ turn.T, covariance)
        two.append(Camp(weight, float(-coefficients[0] / (2 * coefficients[1])), interval))
    two.sort(key=lambda camp: camp.top)
    better = 2 * (best.log_likelihood - fitted.log_likelihood) - 2 * math.log(fitted.design.people)
    return Camps((two[0], two[1]), _top_of(best), better)


def _two(fitted: Fit, both: Shape, layout: Layout, shift: float) -> Fit:
    """Two groups from a start so far apart, narrow each."""
    start = multilevel.start_near(fitted, fitted.design, both, fitted.at[fitted.layout.inner])
    start[layout.inner.start] -= shift / 2
    for place, value in (
        (layout.spread, math.log(max(fitted.spread / 3, 0.05))),
        (layout.shift, shift),
        (layout.share, 0),
    ):
        if place is not None:
            start[place] = value
    return multilevel.fit(fitted.design, both, start)


def shares(found: Utility, scale: Scale) -> Array:
    """The share of people whose top lies nearest each strength, [R + 1, S]: fitted, then in resamples of people.

    A normal distribution of tops, likeliest on a grid, given the other parameters; who is beyond an end counts there.
    """
    fitted = found.fit
    square = fitted.at[fitted.layout.inner][1]
    grid = np.linspace(-2.5, 2.5, 101)
    log, careless = multilevel.at_slopes(fitted, 0, -2 * square * grid)
    means, deviations = np.linspace(-1.5, 1.5, 61), np.concatenate([[0.0], np.geomspace(0.03, 1.5, 24)])
    mean, spread = (part.ravel() for part in np.meshgrid(means, deviations, indexing="ij"))
    edges = np.concatenate([[-np.inf], (grid[1:] + grid[:-1]) / 2, [np.inf]])
    mass = np.diff(ndtr((edges - mean[:, None]) / np.maximum(spread, 1e-3)[:, None]), axis=1)  # [C, G]
    top = log.max(axis=1, keepdims=True)
    person = np.log(np.exp(log - top) @ mass.T + 1e-300) + top  # [P, C]
    person = np.logaddexp(person, careless[:, None])
    best = (bootstrap.counts(fitted.design.people, times=_RESAMPLES) @ person).argmax(axis=1)
    at = scale.to(np.array(scale.strengths))
    between = np.concatenate([[-np.inf], (at[1:] + at[:-1]) / 2, [np.inf]])
    return np.diff(ndtr((between - mean[best][:, None]) / np.maximum(spread[best], 1e-3)[:, None]), axis=1)
