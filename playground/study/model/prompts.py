"""How far prompts differ, and what is known of prompts in general. Pure functions of arrays.

Each prompt has a slope of its own beside people's; their own deviation is that of a meta-analysis with prompts as its
studies, by a chi square.
"""

import math
from dataclasses import dataclass

import numpy as np

from playground.study.model import inference, multilevel, pairs, utility
from playground.study.model.design import Shape
from playground.study.model.inference import Uncertainty
from playground.study.model.ordinal import Array
from playground.study.model.pairs import Pairs, Scale, TooLittleError

_FEWEST, _FEWEST_ANSWERS = 5, 8


@dataclass(frozen=True, eq=False)
class PromptTops:
    """Scaled strengths: `tops` [Q] by prompt with `errors` [Q], their standard deviation `deviation` with `low` and
    `high`, and the `top` over prompts with its `interval` for prompts in general, None where it has no two ends.

    `chance` is the probability of such differences if there were none.
    """

    tops: Array
    errors: Array
    deviation: float
    low: float
    high: float
    chance: float
    top: float
    interval: tuple[float, float] | None


def prompts(data: Pairs, scale: Scale, shape: Shape) -> PromptTops:
    """Fit a parabola whose slope differs by prompt. Raises TooLittleError."""
    count = int(data.prompt.max()) + 1
    if count < _FEWEST:
        raise TooLittleError(f"What holds for prompts in general takes {_FEWEST} prompts at least.")
    if np.bincount(data.prompt).min() < _FEWEST_ANSWERS:
        raise TooLittleError(
            f"What holds for prompts in general takes {_FEWEST_ANSWERS} pairs of each prompt at least."
        )
    plain = pairs.quadratic(data, scale)
    centred = np.vstack([np.eye(count - 1), -np.ones(count - 1)])  # they sum to 0
    inner = np.hstack([plain, plain[:, :1] * centred[data.prompt]])
    fitted = multilevel.fit(pairs.design(data, scale, inner), shape)
    first = fitted.layout.inner.start
    linear, square = fitted.at[first : first + 2]
    if square >= 0:
        raise TooLittleError("Preference has no top, so prompts have none of their own.")
    places = np.arange(first + 2, fitted.layout.inner.stop)
    model = inference.by_model(fitted)[np.ix_(places, places)]
    own = centred @ fitted.at[places]
    covariance = centred @ model @ centred.T
    # one error for all: effects far from the others are known worse, and weighed by that they would seem nearer
    spread, low, high, chance = between(own, float(np.trace(covariance)) / (count - 1))
    sharp = 2 * abs(square)
    errors = np.sqrt(np.maximum(np.diag(covariance), 0)) / sharp
    people = inference.over_people(fitted, apart=len(places))  # they sum to 0: counted, 24 made intervals half too wide
    covariance = people.covariance[first : first + 2, first : first + 2].copy()
    freedom = _freedom(covariance[0, 0], people.freedom, float(own @ own) / (count - 1) / count, count)
    covariance[0, 0] += spread**2 / count
    interval = utility.peak_interval(fitted.at[first : first + 2], covariance, Uncertainty(covariance, freedom))
    tops = (linear + own) / sharp
    return PromptTops(
        tops, errors, spread / sharp, low / sharp, high / sharp, chance, float(linear / sharp), interval
    )  # fmt: skip


def between(effects: Array, error: float) -> tuple[float, float, float, float]:
    """The deviation of Q centred effects [Q] that are known with one error variance, its interval, the chance of it.

    Their sum of squares over the sum of both variances is a chi square, which gives all of them (Viechtbauer 2007, doi
    10.1002/sim.2514). Effects that lie nearer each other than their errors let expect bound it no closer than that.
    """
    from scipy.stats import chi2

    freedom, squares = len(effects) - 1, float(effects @ effects)
    tail = (1 - inference.LEVEL) / 2
    least, most = squares / chi2.ppf(1 - tail, freedom), max(squares, freedom * error) / chi2.ppf(tail, freedom)
    value, low, high = (math.sqrt(max(0.0, one - error)) for one in (squares / freedom, least, most))
    return value, low, high, float(chi2.sf(squares / error, freedom))


def _freedom(people: float, of_people: float, prompts: float, count: int) -> float:
    """Satterthwaite's degrees of freedom of a variance over people and one over prompts."""
    total = people + prompts
    return max(1.0, total**2 / max(people**2 / of_people + prompts**2 / (count - 1), math.ulp(0.0)))
