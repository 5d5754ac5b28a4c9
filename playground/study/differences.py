"""Whether topics, conditions or groups of people have other preferred strengths, or the same within a margin. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from playground.cards import Estimate
from playground.study.model import apart, permutations, utility
from playground.study.model.apart import PartTops
from playground.study.model.ordinal import Places
from playground.study.model.pairs import Scale, TooLittleError
from playground.study.preferences import PreferenceModel, PromptPreferences, within

ONLY_ONE = "There is but one of them here."
"""Why conditions, or groups, are not compared in a study that has none."""

_FEWEST_PEOPLE = 10
_MISFIT = 0.05


@dataclass(frozen=True)
class Difference:
    """How much higher the preferred strength of `second` lies than that of `first`.

    `equivalent` is the probability of so small a difference if it were the margin: two one-sided tests (TOST). None
    without a margin.
    """

    first: str
    second: str
    apart: Estimate
    equivalent: float | None


@dataclass(frozen=True)
class Differences:
    """The preferred strength by part, None where there is none, and how far apart each two of the known ones lie.

    `chance` is the probability of such differences if there were none, of topics for these prompts; `in_general` that
    for prompts in general, None with few, and for what is no topic. `equivalent` is the largest probability of the two
    one-sided tests: at 5 % no two parts are further apart than the margin.
    """

    preferred: Mapping[str, Estimate | None]
    chance: float
    in_general: float | None
    each: tuple[Difference, ...]
    equivalent: float | None


def topics(
    model: PreferenceModel,
    topic: Sequence[str],
    by_prompt: PromptPreferences | None,
    topic_of: Mapping[str, str],
    margin: float | None = None,
) -> Differences:
    """Whether topics [N] differ; `topic_of` says which one a prompt is of. Raises TooLittleError."""
    names, part = np.unique(topic, return_inverse=True)
    if len(names) < 2 or model.pairs.people < _FEWEST_PEOPLE:
        raise TooLittleError("Comparing topics takes at least two of them, and ten people.")
    if np.bincount(part).min() < model.pairs.people:
        raise TooLittleError("Comparing topics takes a pair of each topic for each person.")
    chance = permutations.within_people(model.parabola.fit, part.astype(np.int64))
    tops = apart.part_tops(model.pairs, model.scale, model.shape, part)
    return _differences(tops, names.tolist(), model.scale, margin, (chance, _in_general(by_prompt, topic_of)))


def parts(model: PreferenceModel, label: Sequence[str], margin: float | None = None) -> Differences:
    """Whether conditions, or groups of people, [N] differ; there are two at least. Raises TooLittleError."""
    names, part = np.unique(label, return_inverse=True)
    for place, name in enumerate(names.tolist()):
        _check(model, part == place, name, len(names))
    tops = apart.part_tops(model.pairs, model.scale, model.shape, part)
    if None in tops.intervals:
        lost = names[tops.intervals.index(None)]
        raise TooLittleError(f"Preference in {lost} has no top between the strengths shown.")
    return _differences(tops, names.tolist(), model.scale, margin, (apart.chance(tops), None))


def _check(model: PreferenceModel, here: Places, name: str, count: int) -> None:
    """Raise TooLittleError unless a parabola may fit a part, at 5 % over all of them."""
    some = model.pairs.only(here.astype(bool))
    strengths = np.unique(np.concatenate([some.left, some.right])).tolist()
    if some.people < _FEWEST_PEOPLE or len(strengths) < 3:
        raise TooLittleError(f"Comparing takes ten people at three strengths, and {name} has fewer.")
    scale = Scale(tuple(strengths))
    free = utility.by_strength(some, scale, model.shape)
    if utility.misfit(free, scale, some.people, utility.parabola_columns(scale)) < _MISFIT / count:
        raise TooLittleError(f"A parabola does not fit {name}.")


def _differences(
    tops: PartTops, names: list[str], scale: Scale, margin: float | None, chances: tuple[float, float | None]
) -> Differences:
    known = [place for place, ends in enumerate(tops.intervals) if ends is not None]
    each: list[Difference] = []
    for first, second in combinations(known, 2):
        mean, low, high = (scale.half * one for one in apart.difference(tops, first, second))
        equal = None if margin is None else apart.equivalent(tops, first, second, margin / scale.half)
        each.append(Difference(names[first], names[second], Estimate(mean=mean, low=low, high=high), equal))
    preferred = {
        name: within(float(top), *ends, scale) if ends is not None else None
        for name, top, ends in zip(names, tops.tops, tops.intervals, strict=True)
    }
    told = [one.equivalent for one in each if one.equivalent is not None]
    equivalent = max(told) if told and len(known) == len(names) else None
    return Differences(preferred, *chances, tuple(each), equivalent)


def _in_general(by_prompt: PromptPreferences | None, topic_of: Mapping[str, str]) -> float | None:
    if by_prompt is None:
        return None
    label = np.unique([topic_of[name] for name, _, _ in by_prompt.each], return_inverse=True)[1]
    try:
        return permutations.among_prompts(np.array([top for _, top, _ in by_prompt.each]), label.astype(np.int64))
    except TooLittleError:
        return None
