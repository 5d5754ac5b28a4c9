"""How much people like each strength: a parabola, one with two sides, or strength by strength without any shape.

The parabola leads while it fits and there are pairs enough to tell. Else the two-sided parabola leads, if that fits
and neither side is too steep; else nothing is told about what lies between the strengths shown. Pure functions of
arrays; scaled strengths throughout.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from playground.study.model import inference, multilevel, pairs
from playground.study.model.design import Shape
from playground.study.model.inference import Uncertainty
from playground.study.model.multilevel import Fit
from playground.study.model.ordinal import Array
from playground.study.model.pairs import Pairs, Scale

Curve = Literal["parabola", "two-sided", "by strength"]
Refusal = Literal["", "steep", "few"]
_MISFIT, _DOUBT = 0.05, 0.3
"""Below the first a parabola does not fit. Below the second one with two sides, which it is a case of, leads: a test
that finds misfit but four times in five would leave the fifth interval far off. Where a parabola is right, that makes
the interval of a small study an eighth wider on average.
"""
_STEEPEST = 12.0
"""By how many times one side may be sharper than the other. Beyond it the steeper side rests on a handful of answers
and draws the top towards it: with 50 people, 10 pairs each and a true ratio of 6, 9 of 26 intervals missed there.
"""
SHAPE_SEEN = 500
"""Of fewer pairs than that, one with two sides leads, whatever the test says: it passes most parabolas then. In 200
studies of 25 people, 10 pairs each and a true ratio of 6, its interval held the truth 73 times in 100.
"""
_STEPS = 25
_NEAR = 2e-3
_STEPS_OF_AN_END, _NEAR_AN_END, _BEYOND = 10, 0.05, 1.5


@dataclass(frozen=True, eq=False)
class Utility:
    """A fitted utility.

    `top` is where the median person's is highest, `interval` that over people, None where it has no two ends.
    `has_top` tells whether it falls on both sides.
    """

    curve: Curve
    fit: Fit
    spread: Uncertainty
    top: float
    interval: tuple[float, float] | None
    has_top: bool


def parabola(data: Pairs, scale: Scale, shape: Shape, covariates: tuple[str, ...] = ()) -> Utility:
    """Fit linear * x + square * x^2; its top is a ratio, so its interval is Fieller's."""
    return of(multilevel.fit(pairs.design(data, scale, pairs.quadratic(data, scale), covariates), shape))


def of(fitted: Fit) -> Utility:
    """What a fitted parabola says."""
    first = fitted.layout.inner.start
    linear, square = fitted.at[fitted.layout.inner]
    people = inference.over_people(fitted)
    has_top = bool(square < 0)
    top = -linear / (2 * square) if has_top else float(np.sign(linear))
    interval = peak_interval(
        fitted.at[first : first + 2], people.covariance[first : first + 2, first : first + 2], people
    )
    return Utility("parabola", fitted, people, float(top), interval, has_top)


def peak_interval(found: Array, covariance: Array, spread: Uncertainty) -> tuple[float, float] | None:
    """The interval of a parabola's top from its two coefficients."""
    turn = np.array([[-1.0, 0.0], [0.0, 2.0]])
    return inference.ratio(-found[0], 2 * found[1], turn @ covariance @ turn, spread.quantile)


def two_sided(data: Pairs, scale: Scale, shape: Shape, near: Utility) -> Utility | None:
    """Fit -below * min(x - top, 0)^2 - above * max(x - top, 0)^2 by Gauss and Newton's method from a parabola.

    None where it has no top between the strengths shown.
    """
    left, right = scale.to(data.left), scale.to(data.right)
    top, sharp = (
        float(np.clip(near.top, -0.9, 0.9)),
        np.full(2, max(-float(near.fit.at[near.fit.layout.inner][1]), 0.1)),
    )
    start = np.insert(near.fit.at, near.fit.layout.inner.stop, 0.0)
    for _ in range(_STEPS):
        sides = np.stack([np.minimum(right - top, 0), np.maximum(right - top, 0)], axis=1)
        others = np.stack([np.minimum(left - top, 0), np.maximum(left - top, 0)], axis=1)
        moving = 2 * (sides - others) @ sharp
        inner = np.column_stack([others**2 - sides**2, moving])
        start[near.fit.layout.inner], start[near.fit.layout.inner.stop] = sharp, 0.0
        fitted = multilevel.fit(pairs.design(data, scale, inner), shape, start)
        *found, step = fitted.at[fitted.layout.inner]
        moved = np.clip(found, sharp / 2, sharp * 2)  # the columns are right near by only
        settled = abs(step) < _NEAR and np.allclose(moved, found)
        sharp, start, top = moved, fitted.at.copy(), top + float(np.clip(step, -0.15, 0.15))
        if not -1 < top < 1:
            return None
        if settled:
            break
    else:
        return None
    place = fitted.layout.inner.stop - 1
    people = inference.over_people(fitted)
    robust, model = (one[place, place] for one in (people.covariance, inference.by_model(fitted)))
    wider = max(people.inflation, robust / model) if model > 0 else people.inflation
    half, quantile = people.quantile * float(np.sqrt(robust)), people.quantile * float(np.sqrt(wider))
    low, high = (_profile_end(data, scale, fitted, top, by, quantile) for by in (-half, half))
    return Utility("two-sided", fitted, people, top, (low, high), True)


def _profile_end(data: Pairs, scale: Scale, fitted: Fit, top: float, by: float, quantile: float) -> float:
    """Where the likelihood of a two-sided parabola with its top held there has dropped, by the secant rule on its root.

    A few answers more or less on the steep side move the top far, which a standard error does not tell. The `quantile`
    is as much larger as the sandwich's error is than the model's, at least by the correction for few people.
    """
    left, right = scale.to(data.left), scale.to(data.right)
    start = np.delete(fitted.at, fitted.layout.inner.stop - 1)

    def root(at: float) -> float:
        nonlocal start
        sides = [np.stack([np.minimum(x - at, 0), np.maximum(x - at, 0)], axis=1) ** 2 for x in (left, right)]
        held = multilevel.fit(pairs.design(data, scale, sides[0] - sides[1]), fitted.shape, start)
        start = held.at
        return float(np.sqrt(max(0.0, 2 * (fitted.log_likelihood - held.log_likelihood))))

    near, height, at = top, 0.0, top + by
    for _ in range(_STEPS_OF_AN_END):
        found = root(at)
        if abs(found - quantile) < _NEAR_AN_END or abs(at) > _BEYOND:
            break
        slope = (found - height) / (at - near)
        near, height = at, found
        step = (quantile - found) / slope if slope * by > 0 else by
        at += float(np.clip(step, -abs(by), abs(by)))
    return at


@dataclass(frozen=True, eq=False)
class ByStrength:
    """Utilities strength by strength: `values` [S] with `covariance` [S, S], the one nearest 0 being 0.

    `inflation` is by how much the covariance was corrected for few people. `best` are those not told apart from the
    highest.
    """

    fit: Fit
    values: Array
    covariance: Array
    inflation: float
    quantile: float
    best: tuple[float, ...]


def by_strength(data: Pairs, scale: Scale, shape: Shape, near: Fit | None = None) -> ByStrength:
    """Fit a utility of its own to each strength, from a parabola where there is one."""
    design, start = pairs.design(data, scale, pairs.by_strength(data, scale)), None
    if near is not None:
        others = np.array([at for at in scale.strengths if at != pairs.reference(scale)])
        x, none = scale.to(others), float(scale.to(np.array(pairs.reference(scale))))
        linear, square = near.at[near.layout.inner]
        start = multilevel.start_near(near, design, shape, linear * (x - none) + square * (x**2 - none**2))
    fitted = multilevel.fit(design, shape, start)
    spread = inference.over_people(fitted)
    inside = fitted.layout.inner
    place = scale.strengths.index(pairs.reference(scale))
    values = np.insert(fitted.at[inside], place, 0.0)
    covariance = np.insert(np.insert(spread.covariance[inside, inside], place, 0.0, axis=0), place, 0.0, axis=1)
    best = _best(values, covariance, spread.freedom, scale.strengths)
    return ByStrength(fitted, values, covariance, spread.inflation, spread.quantile, best)


def _best(values: Array, covariance: Array, freedom: float, strengths: tuple[float, ...]) -> tuple[float, ...]:
    """The strengths that no other beats, at 5 % over all comparisons (Bonferroni, one-sided)."""
    from scipy.stats import t

    ahead = values[:, None] - values
    variance = np.diag(covariance)
    error = np.sqrt(np.maximum(variance[:, None] + variance - 2 * covariance, 1e-12))
    needed = float(t.ppf(1 - (1 - inference.LEVEL) / max(len(values) - 1, 1), freedom))
    beaten = np.asarray((ahead > needed * error).any(axis=0))
    return tuple(at for at, lost in zip(strengths, beaten.tolist(), strict=True) if not lost)


def misfit(found: ByStrength, scale: Scale, people: int, curve: Array) -> float:
    """The probability that utilities lie so far from a curve's columns [S, K] by chance; nan with too few strengths.

    Two tests, of a cubic trend in what the curve leaves and of all of it, by twice the smaller probability: what falls
    slowly on one side and steeply on the other is found by the first with fewer answers. The covariance's correction
    for few people is taken back, as Hotelling's T^2 makes it once more: with both, 15 people hardly ever rejected.
    """
    place = scale.strengths.index(pairs.reference(scale))
    cubic = scale.to(np.array(scale.strengths))[:, None] ** 3
    columns, cubic = (np.delete(one - one[place], place, axis=0) for one in (curve, cubic))
    values = np.delete(found.values, place)
    covariance = np.delete(np.delete(found.covariance / found.inflation, place, 0), place, 1)
    beside = np.linalg.qr(columns, mode="complete")[0][:, columns.shape[1] :]
    left, error = beside.T @ values, beside.T @ covariance @ beside
    if not len(left):
        return float("nan")
    weight = np.linalg.solve(error, beside.T @ cubic)[:, 0]
    trend = inference.wald(np.array([weight @ left]), np.array([[weight @ error @ weight]]), people)
    whole = inference.wald(left, error, people)
    return trend if len(left) == 1 else min(1.0, 2 * np.nanmin([trend, whole]))


def parabola_columns(scale: Scale) -> Array:
    """x and x^2 at the strengths shown, [S, 2]."""
    x = scale.to(np.array(scale.strengths))
    return np.column_stack([x, x**2])


def two_sided_columns(scale: Scale, found: Utility) -> Array:
    """What a two-sided parabola can become to first order, at the strengths shown, [S, 3]."""
    x = scale.to(np.array(scale.strengths)) - found.top
    sides = np.column_stack([np.minimum(x, 0), np.maximum(x, 0)])
    return np.column_stack([sides**2, sides @ found.fit.at[found.fit.layout.inner][:2]])


@dataclass(frozen=True, eq=False)
class CurveChoice:
    """The curve that leads, None where none fits, beside the parabola and the utilities strength by strength.

    `chance` is the parabola's lack of fit as a probability, nan where it cannot be told. `refused` says why neither
    curve leads though one may fit: that with two sides falls too steeply on one for the place of its top ("steep"), or
    it has no top between the strengths shown, and of few pairs a parabola cannot be trusted ("few").
    """

    leads: Utility | None
    parabola: Utility
    by_strength: ByStrength
    chance: float
    refused: Refusal = ""

    @property
    def parabola_fits(self) -> bool:
        """Whether nothing speaks against the parabola."""
        return not self.chance < _MISFIT


def lead(data: Pairs, scale: Scale, fitted: Fit) -> CurveChoice:
    """Beside the parabola that is fitted, fit the others; the lack of fit decides."""
    shape = fitted.shape
    plain, free = of(fitted), by_strength(data, scale, shape, fitted)
    chance = misfit(free, scale, data.people, parabola_columns(scale))
    few = len(data.answer) < SHAPE_SEEN
    if np.isnan(chance) or not (few or chance < _DOUBT):
        return CurveChoice(plain, plain, free, chance)
    sided = two_sided(data, scale, shape, plain)
    if sided is None or misfit(free, scale, data.people, two_sided_columns(scale, sided)) < _MISFIT:
        if chance < _MISFIT:
            return CurveChoice(None, plain, free, chance)
        trusted = not few or plain.interval is None  # an interval without ends holds any truth
        return CurveChoice(plain if trusted else None, plain, free, chance, "" if trusted else "few")
    sharp = sided.fit.at[sided.fit.layout.inner][:2]
    if sharp.max() > _STEEPEST * max(sharp.min(), 0.0):
        return CurveChoice(None, plain, free, chance, "steep")
    return CurveChoice(sided, plain, free, chance)
