"""From which strength on replies are too strong, with a threshold for each person. Pure functions of arrays.

Strengths placed by a person's earlier answers depend on that person: pooling all answers would mix people up, a
threshold of their own allows for it. A logistic curve with normally distributed thresholds.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from playground.study.model import inference, multilevel, quadrature
from playground.study.model.design import Design, Shape
from playground.study.model.multilevel import Fit
from playground.study.model.ordinal import Array, Places
from playground.study.model.pairs import Scale, TooLittleError

_NODES = 15
_STEEPEST = 6.0  # log-odds from one strength shown to the next: beyond it answers tell nothing, and estimates run away


@dataclass(frozen=True, eq=False)
class ThresholdFit:
    """Scaled. `median` is the median person's threshold, `deviation` that of people's, each with draws of others [R].

    `shares` [R, X] are the shares of replies called too strong over all people at `along` [X].
    """

    fit: Fit
    medians: Array
    deviations: Array
    along: Array
    shares: Array
    interval: tuple[float, float] | None


def limits(person: Places, strength: Array, said: Array, scale: Scale, along: Array) -> ThresholdFit:
    """Fit thresholds; answers are sorted by person, `said` [N] is 1 for too strong. Raises TooLittleError."""
    if not len(person) or person[-1] < 4:
        raise TooLittleError("A threshold takes answers of at least five people.")
    if len(np.unique(strength)) < 2:
        raise TooLittleError("A threshold takes answers at two strengths.")
    if said.min() == said.max():
        never = "No reply was" if said.max() == 0 else "Every reply was"
        raise TooLittleError(f"{never} called too strong, so there is no threshold between the strengths shown.")
    x = scale.to(strength)
    ones = np.ones(len(x))
    columns = np.column_stack([ones, x])
    design = Design(person, said.astype(np.int64), 2, np.empty((len(x), 0)), columns, ones, unit=1)
    fitted = multilevel.fit(design, Shape(sharpness=False), counts=(9, 1))
    steepest = _STEEPEST / float(np.diff(scale.to(np.array(scale.strengths))).min())
    if fitted.at[1] > steepest:
        fitted = multilevel.fit(design, Shape(sharpness=False), held={1: steepest}, counts=(9, 1))
    start, slope = fitted.at[:2]
    if slope <= 0:
        raise TooLittleError("Stronger replies are not called too strong more often, so there is no threshold.")
    people = inference.over_people(fitted)
    turn = np.diag([-1.0, 1.0])
    interval = inference.ratio(-start, slope, turn @ people.covariance[:2, :2] @ turn, people.quantile)
    drawn = inference.draws(fitted, people)
    drawn = drawn[drawn[:, 1] > 0]
    deviations = np.exp(np.clip(drawn[:, 2], -5, 5))
    return ThresholdFit(
        fitted,
        -drawn[:, 0] / drawn[:, 1],
        deviations,
        along,
        _shares(drawn, deviations * drawn[:, 1], scale.to(along)),
        interval,
    )


def _shares(drawn: Array, spread: Array, x: Array) -> Array:
    """The share called too strong over people, [R, X]."""
    node, log_weight = quadrature.hermite(_NODES)
    eta = drawn[:, :1] + drawn[:, 1:2] * x
    return np.stack(
        [weight * expit(eta + (spread * at)[:, None]) for at, weight in zip(node, np.exp(log_weight), strict=True)]
    ).sum(axis=0)


def crossing(found: ThresholdFit, share: float) -> Array:
    """Where the share of replies called too strong, over people, reaches so much: [R], nan where it does not."""
    above = found.shares >= share
    place = above.argmax(axis=1)
    rows = np.arange(len(above))
    reached = above[rows, place] & (place > 0)
    before = np.maximum(place - 1, 0)
    low, high = found.shares[rows, before], found.shares[rows, place]
    part = np.where(reached, share - low, 0.0) / np.where(reached, high - low, 1.0)
    at = found.along[before] + part * (found.along[place] - found.along[before])
    return np.where(reached, at, np.nan)
