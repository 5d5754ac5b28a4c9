"""From a fitted model to intervals and tests over people, who are drawn from more. Pure."""

import math
from dataclasses import dataclass

import numpy as np

from playground.study.model.multilevel import Fit
from playground.study.model.ordinal import Array

LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """The covariance of the estimates [D, D], with the degrees of freedom of its t distribution.

    `inflation` is by how much it was corrected for few people.
    """

    covariance: Array
    freedom: float
    inflation: float = 1.0

    @property
    def quantile(self) -> float:
        """The quantile of t at the end of a 95 % interval."""
        from scipy.stats import t

        return float(t.ppf((1 + LEVEL) / 2, self.freedom))


def over_people(fit: Fit, apart: int = 0) -> Uncertainty:
    """The sandwich estimate over people: it holds also where the model is not quite right.

    The correction for few people counts all estimates but those `apart`, which are nearly orthogonal to what is asked.
    """
    clusters, estimated = fit.design.people, len(fit.at) - int((~fit.free).sum()) - apart
    centred = fit.by_person - fit.by_person.mean(axis=0)
    usual = clusters / max(clusters - 1, 1)
    inflation = clusters / max(clusters - max(estimated, 1), 1) / usual
    return Uncertainty(_sandwich(fit, centred.T @ centred * usual * inflation), clusters - 1, inflation)


def _sandwich(fit: Fit, meat: Array) -> Array:
    bread = by_model(fit)
    return bread @ meat @ bread


def by_model(fit: Fit) -> Array:
    """The covariance if the model is right: the inverse of the curvature, 0 for what lies at a bound."""
    free = np.flatnonzero(fit.free)
    whole = np.zeros_like(fit.curvature)
    whole[np.ix_(free, free)] = np.linalg.pinv(fit.curvature[np.ix_(free, free)])
    return whole


def ratio(top: float, bottom: float, covariance: Array, quantile: float) -> tuple[float, float] | None:
    """Fieller's (1954) interval of top / bottom, whose covariance is [2, 2]; None where it has no two ends."""
    squared = quantile**2
    a = bottom**2 - squared * covariance[1, 1]
    b = top * bottom - squared * covariance[0, 1]
    c = top**2 - squared * covariance[0, 0]
    root = b**2 - a * c
    if a <= 0 or root < 0:
        return None
    ends = (b - math.sqrt(root)) / a, (b + math.sqrt(root)) / a
    return min(ends), max(ends)


def wald(values: Array, covariance: Array, clusters: int) -> float:
    """The probability of values [K] as far from 0 by chance: Hotelling's T^2, for so many clusters."""
    from scipy.stats import f

    count = len(values)
    if clusters <= count + 1:
        return math.nan
    squared = float(values @ np.linalg.pinv(covariance) @ values)
    return float(f.sf(squared * (clusters - count) / (count * (clusters - 1)), count, clusters - count))


def draws(fit: Fit, spread: Uncertainty, times: int = 1000) -> Array:
    """Estimates as they would be in other samples, from their multivariate t: [times + 1, D], these first."""
    rng = np.random.default_rng(0)
    values, vectors = np.linalg.eigh(spread.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    wide = np.sqrt(spread.freedom / rng.chisquare(spread.freedom, times))
    moved = fit.at + wide[:, None] * (rng.standard_normal((times, len(fit.at))) @ root.T)
    return np.vstack([fit.at, moved])
