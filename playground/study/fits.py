"""The models behind a study's results: what people prefer, how much is too much, how far they agree.

Pure functions of arrays. Whatever is estimated over people gets its interval by resampling whole people, since the
answers of one person hang together; 95 % percentile intervals throughout.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from playground.cards import Estimate
from playground.study import mixed
from playground.study.adaptive import Quest
from playground.study.mixed import Array, Places, chance

RESAMPLES = 1000
_CHUNK = 100
_HALF_A_TIE = 0.5


class TooLittleError(Exception):
    """The answers do not suffice for an estimate; the message is a sentence that says why."""


@dataclass(frozen=True)
class Pairs:
    """N pairs two replies apart: whose, both strengths, and how it went.

    `person` [N] counts people from 0 to `people` - 1. `won` [N] is 1 for right, 0 for left, 0.5 for no preference;
    `decided` [N] tells which were left or right. `longer` [N] is log2 of the right reply's words over the left's.
    """

    people: int
    person: Places
    left: Array
    right: Array
    won: Array
    decided: NDArray[np.bool_]
    longer: Array


@dataclass(frozen=True)
class Preference:
    """The quadratic utility u(x) = linear * x + curve * x^2 behind P(right) = sigmoid(u(right) - u(left) + side + ...).

    Each person has a `linear` of their own, drawn from a normal distribution around the one here, so that their tops
    differ; `deviation` is the standard deviation of those tops, None where utility has none, and `each` everybody's
    own. `preferred` is the top of the mean utility between the lowest and the highest strength; `at_an_end` is the
    share of resamples whose top is one of those two. `rising` holds (strength, chance to be preferred to `reference`)
    over all people. `longer` is the gain in log-odds for each doubling of the words, if that is in the model.
    """

    preferred: Estimate
    at_an_end: float
    linear: Estimate
    curve: Estimate
    side: Estimate
    longer: Estimate | None
    deviation: Estimate | None
    each: tuple[float, ...]
    reference: float
    rising: tuple[tuple[float, Estimate], ...]


@dataclass(frozen=True)
class Limit:
    """The strength at which half of the replies, and three quarters, are called too strong. None: not up to the end.

    `rising` holds (strength, share called too strong) along the fitted curve.
    """

    half: Estimate | None
    three_quarters: Estimate | None
    spread: float
    rising: tuple[tuple[float, float], ...]


def resampled(people: int, times: int = RESAMPLES, seed: int = 0) -> Array:
    """How often each person is drawn, [R, people]; the first row is everybody once, for the estimate itself."""
    drawn = np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), size=times)
    return np.vstack([np.ones(people), drawn]).astype(float)


def estimate(values: Array) -> Estimate:
    """The first value with the central 95 % of the others; those that are no number are left out."""
    rest = values[1:][np.isfinite(values[1:])]
    low, high = (float(end) for end in np.percentile(rest, [2.5, 97.5])) if len(rest) else (math.nan, math.nan)
    return Estimate(mean=float(values[0]), low=low, high=high)


def mean(person: Places, people: int, values: Array) -> Estimate:
    """The mean of some answers' values with its interval over people. Raises TooLittleError."""
    if not len(values) or people < 2:
        raise TooLittleError("That takes answers of at least two people.")
    sums = np.bincount(person, values, people)
    counts = np.bincount(person, minlength=people).astype(float)
    weights = resampled(people)
    with np.errstate(invalid="ignore"):
        return estimate((weights @ sums) / (weights @ counts))


def preference(
    pairs: Pairs, strengths: Sequence[float], with_length: bool = False, times: int = RESAMPLES
) -> Preference:
    """Fit the quadratic utility to pairs, with `times` resamples of people. Raises TooLittleError."""
    low, high = strengths[0], strengths[-1]
    if pairs.people < 2 or len(np.unique(np.concatenate([pairs.left, pairs.right]))) < 3:
        raise TooLittleError("A preferred strength takes pairs of at least two people at three strengths.")
    if with_length and np.ptp(pairs.longer) == 0:
        raise TooLittleError("All replies are equally long.")
    middle, half = (low + high) / 2, (high - low) / 2
    columns = _columns(pairs, middle, half, with_length)
    fitted = mixed.fit(columns, pairs.won, pairs.person, pairs.people, resampled(pairs.people, times))
    linear, curve = _unscaled(fitted.fixed, middle, half)
    tops = top(linear, curve, low, high)
    with np.errstate(divide="ignore"):
        deviations = np.where(curve < 0, fitted.deviation / half / np.abs(2 * curve), np.nan)
    own_linear, own_curve = np.full(pairs.people, linear[0]) + fitted.own / half, np.full(pairs.people, curve[0])
    reference, along = min(strengths, key=abs), np.linspace(low, high, 41)
    gain = np.outer(linear, along - reference) + np.outer(curve, along**2 - reference**2)
    chances = mixed.over_people(gain, np.outer(fitted.deviation / half, along - reference))
    return Preference(
        preferred=estimate(tops),
        at_an_end=float(np.isin(tops[1:], (low, high)).mean()),
        linear=estimate(linear),
        curve=estimate(curve),
        side=estimate(fitted.fixed[:, 0]),
        longer=estimate(fitted.fixed[:, 3]) if with_length else None,
        deviation=estimate(deviations) if curve[0] < 0 else None,
        each=tuple(top(own_linear, own_curve, low, high).tolist()),
        reference=reference,
        rising=tuple((float(at), estimate(chances[:, place])) for place, at in enumerate(along)),
    )


def top(linear: Array, curve: Array, low: float, high: float) -> Array:
    """Where between two strengths linear * x + curve * x^2 is highest."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        peak = np.clip(-linear / (2 * curve), low, high)
    gain = linear * (high - low) + curve * (high**2 - low**2)
    return np.where(curve < 0, peak, np.where(gain > 0, high, low))


def topics_differ(pairs: Pairs, strengths: Sequence[float], topic: Sequence[str]) -> float:
    """The probability of differences between topics as large as these by chance: a Wald test of the interactions.

    Generalised estimating equations with people as clusters (statsmodels). Raises TooLittleError.
    """
    import statsmodels.api as sm

    names = sorted(set(topic))
    if len(names) < 2 or pairs.people < 10:
        raise TooLittleError("Comparing topics takes at least two of them, and ten people.")
    middle, half = (strengths[0] + strengths[-1]) / 2, (strengths[-1] - strengths[0]) / 2
    plain = _columns(pairs, middle, half, False)
    labels = np.array(topic)
    more = [plain[:, [1, 2]] * (labels == name)[:, None] for name in names[1:]]
    columns = np.hstack([plain, *more])
    terms = columns.shape[1] - plain.shape[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            fitted: Any = sm.GEE(pairs.won, columns, groups=pairs.person, family=sm.families.Binomial()).fit()
            tested = fitted.wald_test(np.eye(columns.shape[1])[-terms:], scalar=True)
        except (Warning, ValueError, np.linalg.LinAlgError):
            raise TooLittleError("The answers are too few or too alike to compare topics.") from None
    return float(tested.pvalue)


def people_differ(pairs: Pairs, strengths: Sequence[float]) -> float:
    """The probability of differences between people as large as these if all liked the same.

    A score test that all have one slope, against answers drawn from the model in which they do. Pairs without a
    preference are left out. Raises TooLittleError.
    """
    kept = pairs.decided
    won, person = pairs.won[kept], pairs.person[kept]
    if pairs.people < 5 or len(won) < 3 * pairs.people:
        raise TooLittleError("Telling people apart takes at least five of them, with three decided pairs each.")
    middle, half = (strengths[0] + strengths[-1]) / 2, (strengths[-1] - strengths[0]) / 2
    columns = _columns(pairs, middle, half, False)[kept]
    alike = chance(columns @ mixed.logistic(columns, won))
    rng = np.random.default_rng(0)
    drawn = np.vstack([won, rng.random((999, len(won))) < alike]).astype(float)
    each = np.zeros((pairs.people, len(drawn)))
    np.add.at(each, person, ((drawn - alike) * columns[:, 1]).T)
    strewn = (each**2).sum(axis=0)
    return float((strewn >= strewn[0]).mean())


def too_strong(strengths: Sequence[float], said: Array, asked: Array) -> Limit:
    """Fit lapse / 2 + (1 - lapse) * Phi((x - mu) / sigma) to how often each person, of how many answers, said so.

    `said` and `asked` are [people, strengths]. The most likely point of a grid, whose lapse is at most 0.1.
    """
    people = len(asked)
    if people < 2 or (asked.sum(axis=0) > 0).sum() < 2:
        raise TooLittleError("A threshold takes answers of at least two people at two strengths.")
    quest = _fine(tuple(strengths))
    mu, sigma, lapse = quest.grid
    weights = resampled(people)
    yes, no = weights @ said, weights @ (asked - said)
    log, log_not = np.log(quest.likelihood), np.log(1 - quest.likelihood)
    best = np.concatenate(
        [
            (yes[at : at + _CHUNK] @ log + no[at : at + _CHUNK] @ log_not).argmax(axis=1)
            for at in range(0, len(yes), _CHUNK)
        ]
    )
    halves, spreads = mu[best], sigma[best]
    quarters = halves + 0.6745 * spreads
    inside = strengths[0], strengths[-1]
    place, along = best[0], np.linspace(*inside, 41)
    normal = NormalDist(float(mu[place]), float(sigma[place]))
    return Limit(
        half=_within(halves, inside),
        three_quarters=_within(quarters, inside),
        spread=float(spreads[0]),
        rising=tuple((float(x), float(lapse[place] / 2 + (1 - lapse[place]) * normal.cdf(x))) for x in along),
    )


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
    for row, weights in enumerate(resampled(pairs.people, len(scores) - 1) @ counts):
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


def _columns(pairs: Pairs, middle: float, half: float, with_length: bool) -> Array:
    """The model's columns [N, K]: side, difference and difference of squares of the scaled strengths, maybe length."""
    left, right = (pairs.left - middle) / half, (pairs.right - middle) / half
    columns = [np.ones(len(left)), right - left, right**2 - left**2]
    return np.column_stack([*columns, pairs.longer] if with_length else columns)


def _unscaled(fitted: Array, middle: float, half: float) -> tuple[Array, Array]:
    """The utility's coefficients on the strengths themselves."""
    curve = fitted[:, 2] / half**2
    return fitted[:, 1] / half - 2 * middle * curve, curve


@lru_cache(maxsize=4)
def _fine(strengths: tuple[float, ...]) -> Quest:
    return Quest(strengths, mus=161, sigmas=25)


def _within(values: Array, ends: tuple[float, float]) -> Estimate | None:
    """An estimate, unless it lies beyond what was shown; its interval is cut there."""
    if not ends[0] <= values[0] <= ends[1]:
        return None
    return estimate(np.clip(values, *ends))
