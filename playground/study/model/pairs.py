"""Answers to pairs of replies as arrays, and the columns of the utilities that explain them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from playground.study.model.design import Design
from playground.study.model.ordinal import Array, Places


class TooLittleError(Exception):
    """The answers do not suffice for an estimate; the message is a sentence that says why."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """N pairs two replies apart, sorted by person: whose, both strengths, and how it went.

    `person` [N] counts people from 0 to `people` - 1. `answer` [N] counts from 0 (left, most clearly) to
    `categories` - 1 (right); with an odd number the middle is no preference. `prompt` [N] counts prompts. `covariates`
    hold what else the right reply has more of than the left one, [N] each.
    """

    people: int
    person: Places
    left: Array
    right: Array
    answer: Places
    categories: int
    prompt: Places
    covariates: Mapping[str, Array] = field(default_factory=dict)

    @property
    def won(self) -> Array:
        """1 for right, 0 for left, 0.5 for no preference."""
        return (1 + np.sign(2 * self.answer - (self.categories - 1))) / 2

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Whether left or right was chosen."""
        return self.won != 0.5

    @property
    def prompts(self) -> int:
        """How many prompts were read."""
        return len(np.unique(self.prompt))

    def only(self, kept: NDArray[np.bool_]) -> "Pairs":
        """Some of the answers, their people counted anew."""
        names, person = np.unique(self.person[kept], return_inverse=True)
        parts = {name: getattr(self, name)[kept] for name in ("left", "right", "answer", "prompt")}
        covariates = {name: values[kept] for name, values in self.covariates.items()}
        return replace(self, people=len(names), person=person.astype(np.int64), covariates=covariates, **parts)


@dataclass(frozen=True)
class Scale:
    """Strengths as the models see them: the lowest is -1, the highest 1."""

    strengths: tuple[float, ...]

    @property
    def middle(self) -> float:
        """What becomes 0."""
        return (self.strengths[0] + self.strengths[-1]) / 2

    @property
    def half(self) -> float:
        """What becomes 1."""
        return (self.strengths[-1] - self.strengths[0]) / 2

    def to(self, strength: Array) -> Array:
        """Strengths, scaled."""
        return (strength - self.middle) / self.half

    def back(self, scaled: Array) -> Array:
        """Scaled strengths in their own units; -1 and 1 are the first and the last to the bit."""
        return (self.strengths[0] * (1 - scaled) + self.strengths[-1] * (1 + scaled)) / 2


def design(pairs: Pairs, scale: Scale, inner: Array, covariates: Sequence[str] = ()) -> Design:
    """The model of pairs in which `inner` [N, B] are a utility's columns; a side and covariates stand outside."""
    outer = np.column_stack([np.ones(len(pairs.answer)), *(pairs.covariates[name] for name in covariates)])
    slope = scale.to(pairs.right) - scale.to(pairs.left)
    return Design(pairs.person, pairs.answer, pairs.categories, outer, inner, slope)


def quadratic(pairs: Pairs, scale: Scale) -> Array:
    """The columns of x and x^2, [N, 2]."""
    left, right = scale.to(pairs.left), scale.to(pairs.right)
    return np.column_stack([right - left, right**2 - left**2])


def by_strength(pairs: Pairs, scale: Scale) -> Array:
    """A column for each strength but the one nearest 0, whose utility is 0: [N, S - 1]."""
    others = [at for at in scale.strengths if at != reference(scale)]
    return np.column_stack([(pairs.right == at).astype(float) - (pairs.left == at) for at in others])


def reference(scale: Scale) -> float:
    """The strength nearest 0."""
    return min(scale.strengths, key=abs)
