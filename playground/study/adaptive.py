"""Which strength to show next: QUEST+ (Watson 2017, doi 10.1167/17.3.10) on a small grid.

The chance of "too strong" at strength x is `lapse / 2 + (1 - lapse) * Phi((x - mu) / sigma)`. The posterior over mu,
sigma and lapse is a pure function of the answers so far, so it has no state of its own to lose.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Answers = Sequence[tuple[float, bool]]
"""(strength, whether it was too strong), in the order given."""

_LAPSES = (0.01, 0.05, 0.1)
_LEAST = 1e-12
_erf = np.vectorize(math.erf, otypes=[np.float64])


@dataclass(frozen=True)
class Posterior:
    """Posterior means of threshold and spread, with the threshold's standard deviation."""

    mu: float
    sigma: float
    lapse: float
    mu_sd: float


@dataclass(frozen=True)
class Quest:
    """A grid over mu, sigma and lapse for the strengths that can be shown. `strengths` rise."""

    strengths: tuple[float, ...]
    mus: int = 41
    sigmas: int = 9

    @cached_property
    def grid(self) -> tuple[Array, Array, Array]:
        """mu, sigma and lapse of each of the G grid points, [G] each.

        mu reaches a quarter of the span beyond either end; sigma is log-uniform from 1/40 of the span to all of it.
        """
        low, high = self.strengths[0], self.strengths[-1]
        span = high - low
        axes = np.meshgrid(
            np.linspace(low - span / 4, high + span / 4, self.mus),
            np.geomspace(span / 40, span, self.sigmas),
            np.array(_LAPSES),
            indexing="ij",
        )
        mu, sigma, lapse = (axis.ravel() for axis in axes)
        return mu, sigma, lapse

    @cached_property
    def likelihood(self) -> Array:
        """The chance of "too strong" at each strength under each grid point: [S, G]."""
        mu, sigma, lapse = self.grid
        z = (np.array(self.strengths)[:, None] - mu) / sigma
        return np.asarray(lapse / 2 + (1 - lapse) * 0.5 * (1 + _erf(z / math.sqrt(2))))

    def posterior(self, answers: Answers) -> Array:
        """The weight of each grid point after these answers, from a flat prior: [G], summing to 1."""
        log = np.zeros(len(self.grid[0]))
        for strength, too_strong in answers:
            chance = self.likelihood[self.strengths.index(strength)]
            log += np.log(chance if too_strong else 1 - chance)
        weight = np.exp(log - log.max())
        return weight / weight.sum()

    def choose(self, answers: Answers, draw: float) -> int:
        """The place of the strength whose answer is expected to leave the least entropy.

        The first is drawn at random, by a `draw` from 0 to below 1: with the same one for everybody, little would be
        known of the others.
        """
        if not answers:
            return int(draw * len(self.strengths))
        posterior = self.posterior(answers)
        expected = np.zeros(len(self.strengths))
        for chance in (self.likelihood, 1 - self.likelihood):  # [S, G]
            joint = chance * posterior
            marginal = joint.sum(axis=1, keepdims=True)
            after = joint / np.maximum(marginal, _LEAST)
            entropy = -(after * np.log(np.maximum(after, _LEAST))).sum(axis=1)
            expected += marginal[:, 0] * entropy
        return int(expected.argmin())

    def estimate(self, answers: Answers) -> Posterior:
        """Posterior means."""
        posterior = self.posterior(answers)
        mu, sigma, lapse = (float(posterior @ axis) for axis in self.grid)
        variance = float(posterior @ (self.grid[0] - mu) ** 2)
        return Posterior(mu, sigma, lapse, math.sqrt(variance))


@lru_cache(maxsize=16)
def quest(strengths: tuple[float, ...]) -> Quest:
    """The grid of these strengths, computed once."""
    return Quest(strengths)
