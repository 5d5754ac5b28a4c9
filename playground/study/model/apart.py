"""How far apart the tops of parts of a study's pairs lie: of topics, conditions, or groups of people. Pure."""

from dataclasses import dataclass

import numpy as np

from playground.study.model import inference, multilevel, pairs, utility
from playground.study.model.design import Shape
from playground.study.model.ordinal import Array, Places
from playground.study.model.pairs import Pairs, Scale


@dataclass(frozen=True, eq=False)
class PartTops:
    """Scaled: the tops of K parts [K], and their `covariance` [K, K] over so many `people`.

    `intervals` are None for those that have no top, or none with two ends.
    """

    tops: Array
    covariance: Array
    intervals: tuple[tuple[float, float] | None, ...]
    people: int


def part_tops(data: Pairs, scale: Scale, shape: Shape, part: Places) -> PartTops:
    """A parabola for each part [N], counted from 0, in one model: the same people may be in several."""
    count = int(part.max()) + 1
    columns = np.eye(count)[part][:, :, None] * pairs.quadratic(data, scale)[:, None, :]  # [N, K, 2]
    fitted = multilevel.fit(pairs.design(data, scale, columns.reshape(len(part), 2 * count)), shape)
    people, inner = inference.over_people(fitted), fitted.layout.inner
    linear, square = fitted.at[inner].reshape(count, 2).T
    within = people.covariance[inner, inner]
    ends = [
        utility.peak_interval(fitted.at[inner][two], within[two, two], people) if square[place] < 0 else None
        for place, two in enumerate(slice(first, first + 2) for first in range(0, 2 * count, 2))
    ]
    turn = np.zeros((count, 2 * count))  # the derivatives of -linear / (2 square)
    turn[range(count), range(0, 2 * count, 2)] = -1 / (2 * square)
    turn[range(count), range(1, 2 * count, 2)] = linear / (2 * square**2)
    return PartTops(-linear / (2 * square), turn @ within @ turn.T, tuple(ends), data.people)


def chance(found: PartTops) -> float:
    """The probability of tops so far apart if there were but one."""
    contrasts = np.eye(len(found.tops))[1:] - np.eye(len(found.tops))[0]
    return inference.wald(contrasts @ found.tops, contrasts @ found.covariance @ contrasts.T, found.people)


def difference(found: PartTops, first: int, second: int) -> tuple[float, float, float]:
    """How much higher the second's top lies than the first's, with its interval."""
    from scipy.stats import t

    apart, error = _apart(found, first, second)
    half = float(t.ppf((1 + inference.LEVEL) / 2, found.people - 1)) * error
    return apart, apart - half, apart + half


def equivalent(found: PartTops, first: int, second: int, margin: float) -> float:
    """The probability of tops so near each other if they were `margin` apart: two one-sided tests (Schuirmann 1987)."""
    from scipy.stats import t

    apart, error = _apart(found, first, second)
    return float(t.sf((margin - abs(apart)) / error, found.people - 1))


def _apart(found: PartTops, first: int, second: int) -> tuple[float, float]:
    """The difference of two tops and its standard error."""
    turn = np.zeros(len(found.tops))
    turn[second], turn[first] = 1.0, -1.0
    return float(turn @ found.tops), float(np.sqrt(turn @ found.covariance @ turn))
