"""What else bears on a preference: topics, what people said of themselves, order, reward; and how much is too much.

Pure functions of arrays, in the study's own strengths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from playground.cards import Estimate
from playground.study.described import Result
from playground.study.fits import estimate
from playground.study.model import covariates, permutations, utility
from playground.study.model import limits as thresholds
from playground.study.model.ordinal import Array, Places
from playground.study.model.pairs import Pairs, Scale, TooLittleError
from playground.study.preferences import PreferenceModel, PromptPreferences, told, within

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


@dataclass(frozen=True)
class Topics:
    """The preferred strength by topic; None where there is none.

    `chance` is the probability of such differences for these prompts if there were none, `in_general` that for prompts
    in general, None with few. `apart_at_most` is the largest difference that the data allow between two topics.
    """

    preferred: Mapping[str, Estimate | None]
    chance: float
    in_general: float | None
    apart_at_most: float | None


def topics(
    model: PreferenceModel, topic: Sequence[str], by_prompt: PromptPreferences | None, topic_of: Mapping[str, str]
) -> Topics:
    """Whether topics [N] differ; `topic_of` says which one a prompt is of. Raises TooLittleError."""
    labels = np.array(topic)
    names = sorted(set(topic))
    if len(names) < 2 or model.pairs.people < 10:
        raise TooLittleError("Comparing topics takes at least two of them, and ten people.")
    if min((labels == name).sum() for name in names) < model.pairs.people:
        raise TooLittleError("Comparing topics takes a pair of each topic for each person.")
    chance = permutations.within_people(model.parabola.fit, np.unique(labels, return_inverse=True)[1].astype(np.int64))
    tops = {name: _top(model, model.pairs.only(labels == name)) for name in names}
    known = [one for one in tops.values() if one is not None]
    apart = max(
        (max(abs(one.high - two.low), abs(two.high - one.low)) for one, two in combinations(known, 2)), default=None
    )
    return Topics(tops, chance, _in_general(by_prompt, topic_of), apart if len(known) == len(names) else None)


def _top(model: PreferenceModel, pairs: Pairs) -> Estimate | None:
    found = utility.parabola(pairs, model.scale, model.shape)
    return told(found, model.scale) if found.has_top and found.interval else None


def _in_general(by_prompt: PromptPreferences | None, topic_of: Mapping[str, str]) -> float | None:
    if by_prompt is None:
        return None
    label = np.unique([topic_of[name] for name, _, _ in by_prompt.each], return_inverse=True)[1]
    try:
        return permutations.among_prompts(np.array([top for _, top, _ in by_prompt.each]), label.astype(np.int64))
    except TooLittleError:
        return None


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
