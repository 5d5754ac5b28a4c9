"""What is told without a model of people: means, Bradley-Terry scores, agreement.

Pure functions of arrays. Whatever is estimated over people gets its interval by resampling whole people, since the
answers of one person hang together; 95 % percentile intervals throughout.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from playground import bootstrap
from playground.cards import Estimate
from playground.study.model.ordinal import Array, Places
from playground.study.model.pairs import Pairs, TooLittleError

_HALF_A_TIE = 0.5


def estimate(values: Array) -> Estimate:
    """The first value with the central 95 % of the others; those that are no number are left out.

    Raises TooLittleError where the first is no number, or none of the others is.
    """
    rest = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(rest):
        raise TooLittleError("The answers differ too little for a number.")
    low, high = bootstrap.interval(rest)
    return Estimate(mean=float(values[0]), low=low, high=high)


def mean(person: Places, people: int, values: Array) -> Estimate:
    """The mean of some answers' values with its interval over people. Raises TooLittleError."""
    if not len(values) or people < 2:
        raise TooLittleError("That takes answers of at least two people.")
    sums = np.bincount(person, values, people)
    counts = np.bincount(person, minlength=people).astype(float)
    weights = bootstrap.counts(people)
    with np.errstate(invalid="ignore"):
        return estimate((weights @ sums) / (weights @ counts))


def bradley_terry(pairs: Pairs, strengths: Sequence[float]) -> tuple[tuple[float, Estimate], ...]:
    """Each strength's log-odds to be preferred to the one nearest 0 (Bradley and Terry 1952, by evalica).

    No preference is half a win for both. Half a tie is added between each two strengths, so that one that never won
    has a finite score. Raises TooLittleError.
    """
    import evalica

    if pairs.people < 2:
        raise TooLittleError("Scores take pairs of at least two people.")
    place = {strength: number for number, strength in enumerate(strengths)}
    outcome = {1.0: evalica.Winner.Y, 0.0: evalica.Winner.X, 0.5: evalica.Winner.Draw}
    rows = zip(pairs.left.tolist(), pairs.right.tolist(), pairs.won.tolist(), strict=True)
    kinds = [(place[left], place[right], outcome[won]) for left, right, won in rows]
    distinct = list(dict.fromkeys(kinds))
    number = {kind: at for at, kind in enumerate(distinct)}
    counts = np.zeros((pairs.people, len(distinct)))
    np.add.at(counts, (pairs.person, np.array([number[kind] for kind in kinds])), 1)
    added = [(one, two, evalica.Winner.Draw) for one in range(len(place)) for two in range(one)]
    xs, ys, winners = (list(part) for part in zip(*distinct, *added, strict=True))
    nearest = place[min(strengths, key=abs)]
    scores = np.empty((201, len(place)))
    for row, weights in enumerate(bootstrap.counts(pairs.people, times=len(scores) - 1) @ counts):
        found = evalica.bradley_terry(xs, ys, winners, weights=[*weights, *[_HALF_A_TIE] * len(added)], limit=1000)
        scores[row] = np.log(found.scores.sort_index().to_numpy())
    scores -= scores[:, [nearest]]
    return tuple((strength, estimate(scores[:, at])) for strength, at in place.items())


def agreement(ratings: pd.DataFrame) -> Estimate:
    """Krippendorff's alpha of ordinal ratings [people, units], empty where there is none (evalica).

    The interval is over units: a person drawn twice would agree with themselves. Raises TooLittleError.
    """
    import evalica

    shared = ratings.loc[:, ratings.notna().sum() > 1].astype(float)
    if shared.empty or len(np.unique(shared.to_numpy()[shared.notna().to_numpy()])) < 2:
        raise TooLittleError("Agreement takes different answers, and the same question answered by two people.")
    rng = np.random.default_rng(0)
    drawn = [np.arange(shared.shape[1]), *rng.integers(shared.shape[1], size=(200, shared.shape[1]))]
    return estimate(np.array([evalica.alpha(shared.iloc[:, units], "ordinal").alpha for units in drawn]))
