"""What else bears on a preference: what people said of themselves, order, reward; and how much is too much.

Pure functions of arrays, in the study's own strengths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from playground.cards import Estimate
from playground.study.described import Result
from playground.study.fits import estimate
from playground.study.model import covariates, permutations
from playground.study.model import limits as thresholds
from playground.study.model.ordinal import Array, Places
from playground.study.model.pairs import Scale, TooLittleError
from playground.study.preferences import PreferenceModel, within

_POINTS = 41


@dataclass(frozen=True)
class Threshold:
    """The strength at which half of the replies, and three quarters, are called too strong over all people.

    None: not between the strengths shown. `median` is the median person's own threshold, `deviation` how far people's
    thresholds lie apart. `rising` holds (strength, share called too strong) along the fitted curve.
    """

    half: Estimate | None
    three_quarters: Estimate | None
    median: Estimate | None
    deviation: Estimate
    rising: tuple[tuple[float, Estimate], ...]


def too_strong(person: Places, strength: Array, said: Array, strengths: Sequence[float]) -> Threshold:
    """From which strength on replies are too strong; answers are sorted by person. Raises TooLittleError."""
    scale = Scale(tuple(strengths))
    along = np.linspace(strengths[0], strengths[-1], _POINTS)
    found = thresholds.limits(person, strength, said, scale, along)
    inside = found.interval is not None and -1 <= found.medians[0] <= 1
    return Threshold(
        half=_crossing(found, 0.5, scale),
        three_quarters=_crossing(found, 0.75, scale),
        median=within(float(found.medians[0]), *found.interval, scale) if inside and found.interval else None,
        deviation=estimate(scale.half * found.deviations),
        rising=tuple((float(at), estimate(found.shares[:, place])) for place, at in enumerate(along)),
    )


def _crossing(found: thresholds.ThresholdFit, share: float, scale: Scale) -> Estimate | None:
    at = thresholds.crossing(found, share)
    if np.isnan(at[0]):
        return None
    beyond = np.where(found.shares[:, 0] >= share, scale.strengths[0], scale.strengths[-1])
    return estimate(np.where(np.isnan(at), beyond, at))


def order(model: PreferenceModel, position: Array) -> float:
    """The chance that answers change so much from first to last if they did not. Raises TooLittleError."""
    if model.pairs.people < 5:
        raise TooLittleError("Telling whether answers change takes at least five people.")
    return permutations.within_people_trend(model.parabola.fit, position)


def moderator(model: PreferenceModel, said: Sequence[str | None]) -> float:
    """The chance that those who answered a question differently [P] like so different strengths if they did not.

    Numbers count as numbers, anything else by what was said. Raises TooLittleError.
    """
    kept = np.array([one is not None and one != "" for one in said])
    if kept.sum() < 10:
        raise TooLittleError("Fewer than ten people answered.")
    values = [one for one in said if one]
    return permutations.among_people(model.parabola.fit, _coded(values), kept)


def _coded(values: Sequence[str]) -> Array:
    """Answers as columns [P, K]: one of numbers, else one for each answer but the first."""
    try:
        return np.array([[float(one)] for one in values])
    except ValueError:
        names = sorted(set(values))
        if len(names) < 2:
            raise TooLittleError("All of them answered the same.") from None
        if len(names) > max(2, len(values) // 5):
            raise TooLittleError("Nearly everybody answered otherwise.") from None
        return np.array([[float(one == name) for name in names[1:]] for one in values])


@dataclass(frozen=True)
class CovariateEffects:
    """What covariates add, by name: log-odds a unit with interval and chance.

    `explained` is the share of the log-likelihood that the model explains. `preferred` is the strength liked best at
    equal values, None where no strengths stand beside them.
    """

    effects: Mapping[str, Estimate]
    chances: Mapping[str, float]
    explained: float
    preferred: Estimate | None


def alone(model: PreferenceModel, names: Sequence[str]) -> CovariateEffects:
    """Covariates without the strengths. Raises TooLittleError."""
    return _added(covariates.alone(model.pairs, model.scale, tuple(names)), model.scale)


def beside(model: PreferenceModel, names: Sequence[str]) -> CovariateEffects:
    """Covariates beside the strengths. Raises TooLittleError."""
    return _added(covariates.beside(model.pairs, model.scale, model.shape, tuple(names)), model.scale)


def explained(model: PreferenceModel) -> float:
    """The share of the log-likelihood that the strengths explain without covariates."""
    return covariates.explained(model.pairs, model.scale, model.parabola.fit)


def _added(found: covariates.CovariateFit, scale: Scale) -> CovariateEffects:
    effects = {
        name: Estimate(mean=mean, low=low, high=high)
        for name, (mean, low, high) in zip(found.names, found.effects, strict=True)
    }
    preferred = within(*found.top, scale) if found.top else None
    return CovariateEffects(effects, dict(zip(found.names, found.chances, strict=True)), found.explained, preferred)


@dataclass(frozen=True)
class MeasureEffects:
    """What is preferred for its reward, KL, perplexity or length.

    `alone` is each without the strengths, `beside` each beside them, `together` all that can be told apart beside them.
    `explained` is the share of the log-likelihood that the strengths alone explain. `means` are the mean measures of
    the replies shown, by strength.
    """

    alone: Mapping[str, Result[CovariateEffects]]
    beside: Mapping[str, Result[CovariateEffects]]
    together: Result[CovariateEffects]
    explained: Result[float]
    means: tuple[tuple[float, Mapping[str, float]], ...]
