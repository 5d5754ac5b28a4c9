"""What a model of people is made of: answers and their columns, in what people differ, where each parameter stands."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from playground.study.model.ordinal import Array, Places

Bounds = list[tuple[float | None, float | None]]

_STEP, _LOG_DELTA, _LOG_OMEGA, _LOGIT = (-6.0, 3.0), (-5.0, 3.0), (-4.0, 0.7), (-6.0, 1.0)


@dataclass(frozen=True, eq=False)
class Design:
    """N answers, sorted by person. `answer` [N] counts categories from 0 to `categories` - 1.

    `person` [N] counts people from 0, each with an answer; `outer` [N, A], `inner` [N, B] and `slope` [N] are columns.
    With `unit`, the place of an inner column, people's deviation is in units of its coefficient, without the sign:
    delta is the two multiplied.
    """

    person: Places
    answer: Places
    categories: int
    outer: Array
    inner: Array
    slope: Array
    unit: int | None = None

    def __post_init__(self) -> None:
        if len(self.person) == 0 or not set(np.diff(self.person).tolist()) <= {0, 1} or self.person[0] != 0:
            raise ValueError("Answers must be sorted by person, each with one at least.")

    @property
    def people(self) -> int:
        """How many there are."""
        return int(self.person[-1]) + 1

    @cached_property
    def first(self) -> Places:
        """Where each person's answers begin, [P]."""
        return np.searchsorted(self.person, np.arange(self.people))

    def total(self, values: Array) -> Array:
        """Sums over each person's answers: [N, ...] -> [P, ...]."""
        return np.add.reduceat(values, self.first, axis=0)


@dataclass(frozen=True)
class Shape:
    """In what people differ."""

    slope: bool = True
    sharpness: bool = True
    careless: bool = False
    camps: bool = False


@dataclass(frozen=True)
class Layout:
    """Where each parameter stands in the vector. `spread` and `omega` are logarithms; None where there is none."""

    outer: slice
    inner: slice
    steps: slice
    spread: int | None
    omega: int | None
    careless: int | None
    shift: int | None
    share: int | None
    size: int

    @classmethod
    def of(cls, design: Design, shape: Shape) -> "Layout":
        """The layout of a model."""
        ends = np.cumsum([0, design.outer.shape[1], design.inner.shape[1], (design.categories - 1) // 2]).tolist()
        size, places = ends[3], list[int | None]()
        for is_there in (shape.slope, shape.sharpness, shape.careless, shape.camps, shape.camps):
            places.append(size if is_there else None)
            size += is_there
        spread, omega, careless, shift, share = places
        columns = slice(0, ends[1]), slice(ends[1], ends[2]), slice(ends[2], ends[3])
        return cls(*columns, spread, omega, careless, shift, share, size)

    def bounds(self) -> Bounds:
        """The range of each parameter."""
        ends: Bounds = [(None, None)] * self.size
        ends[self.steps] = [_STEP] * (self.steps.stop - self.steps.start)
        kinds = (
            (self.spread, _LOG_DELTA),
            (self.omega, _LOG_OMEGA),
            (self.careless, _LOGIT),
            (self.share, (-4.0, 4.0)),
        )
        for place, within in kinds:
            if place is not None:
                ends[place] = within
        return ends

    def start(self) -> Array:
        """Where to begin: people differ moderately."""
        at = np.zeros(self.size)
        for place, value in ((self.spread, -0.4), (self.omega, -1.0), (self.careless, -2.5), (self.shift, 1.0)):
            if place is not None:
                at[place] = value
        return at
