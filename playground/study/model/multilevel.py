"""The multilevel ordinal model of people, by maximum likelihood with adaptive quadrature. Pure.

    eta = outer @ a + exp(omega v) (inner @ b + delta u slope),   u, v ~ N(0, 1) for each person

`slope` is the column by which people's own tops differ, `exp(omega v)` how sharply each tells replies apart. Beside
careful people there may be careless ones, whose answers do not depend on what is shown, and a second camp, whose `b`
differs by a shift along `slope`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from playground.study.model import ordinal, quadrature
from playground.study.model.ordinal import Array, Cuts, Places
from playground.study.model.quadrature import Nodes, PersonOdds

Bounds = list[tuple[float | None, float | None]]
COUNTS = (7, 5)
"""Nodes of quadrature for people's own slopes, and for their sharpness."""

_RIDGE = 1e-4  # on coefficients of columns scaled to [-1, 1]: keeps a unanimous sample finite, else unfelt
_STEP, _LOG_DELTA, _LOG_OMEGA, _LOGIT = (-6.0, 3.0), (-5.0, 3.0), (-4.0, 0.7), (-6.0, 1.0)
_NEAR_A_BOUND = 1e-3


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


class LatentClass(NamedTuple):
    """One class of people: the logarithm of its share, its shift, and whether its answers depend on what is shown."""

    log_share: float
    shift: float
    careful: bool


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model.

    `at` [D] are the estimates, `free` [D] those at no bound, `curvature` [D, D] the observed information,
    `by_answer` [N, D] and `by_person` [P, D] the scores, `classes` [P, C] each person's chances to be in each class.
    """

    design: Design
    shape: Shape
    layout: Layout
    at: Array
    log_likelihood: float
    free: NDArray[np.bool_] = field(repr=False)
    curvature: Array = field(repr=False)
    by_answer: Array = field(repr=False)
    by_person: Array = field(repr=False)
    classes: Array = field(repr=False)
    own: Array = field(repr=False)

    @property
    def spread(self) -> float:
        """The standard deviation of people's own coefficients of `slope`."""
        return 0.0 if self.layout.spread is None else math.exp(self.at[self.layout.spread])


def parts(at: Array, layout: Layout) -> list[LatentClass]:
    """The classes of people."""
    careless = expit(at[layout.careless]) if layout.careless is not None else 0.0
    second = expit(at[layout.share]) if layout.share is not None else 0.0
    careful = 1 - careless
    found = [LatentClass(math.log(careful * (1 - second)), 0.0, True)]
    if layout.shift is not None:
        found.append(LatentClass(math.log(careful * second), float(at[layout.shift]), True))
    if layout.careless is not None:
        found.append(LatentClass(math.log(careless), 0.0, False))
    return found


def own_of(at: Array, design: Design, layout: Layout, part: LatentClass) -> PersonOdds:
    """What the log-odds of one class are made of."""
    if not part.careful:
        none = np.zeros(len(design.answer))
        return PersonOdds(none, none, none, 0.0, 0.0)
    inner = design.inner @ at[layout.inner] + part.shift * design.slope
    delta = math.exp(at[layout.spread]) if layout.spread is not None else 0.0
    delta *= 1.0 if design.unit is None else abs(at[layout.inner][design.unit])
    omega = math.exp(at[layout.omega]) if layout.omega is not None else 0.0
    return PersonOdds(design.outer @ at[layout.outer], inner, design.slope, delta, omega)


def nodes(at: Array, design: Design, layout: Layout, counts: tuple[int, int]) -> list[Nodes]:
    """Each class's nodes at these estimates."""
    cut = ordinal.cuts(at[layout.steps], design.categories, design.answer)
    counts = (counts[0] if layout.spread is not None else 1, counts[1] if layout.omega is not None else 1)
    differ = counts != (1, 1) or layout.spread is not None or layout.omega is not None
    return [
        quadrature.adapt(own_of(at, design, layout, part), cut, design.first, design.person, counts)
        if part.careful and differ
        else quadrature.at_zero(design.people)
        for part in parts(at, layout)
    ]


class _Class(NamedTuple):
    """One class at its nodes: log-odds and sharpness, and the logarithm of each person's joint likelihood [P, Q]."""

    own: PersonOdds
    nodes: Nodes
    eta: Array
    sharp: Array
    joint: Array


def _class(at: Array, design: Design, layout: Layout, part: LatentClass, cut: Cuts, where: Nodes) -> _Class:
    own = own_of(at, design, layout, part)
    sharp = np.exp(own.omega * where.sharpness)
    turned = (own.delta * sharp * where.slope)[design.person]
    eta = own.outer[:, None] + sharp[design.person] * own.inner[:, None] + turned * design.slope[:, None]
    log = design.total(ordinal.log_likelihood(eta, cut)) + where.log_weight + part.log_share
    return _Class(own, where, eta, sharp, log)


def scores(at: Array, design: Design, layout: Layout, where: list[Nodes]) -> tuple[Array, Array, Array, Array, Array]:
    """Each person's log-likelihood [P], scores by answer [N, D] and by person [P, D], classes [P, C], own slopes [P].

    The scores are the exact derivatives of the log-likelihood with these nodes held where they are.
    """
    cut = ordinal.cuts(at[layout.steps], design.categories, design.answer)
    found = parts(at, layout)
    each = [_class(at, design, layout, part, cut, one) for part, one in zip(found, where, strict=True)]
    by_class = np.stack([logsumexp(one.joint, axis=1) for one in each], axis=1)
    log = logsumexp(by_class, axis=1)
    classes = np.exp(by_class - log[:, None])
    by_answer, own = np.zeros((len(design.answer), layout.size)), np.zeros(design.people)
    turning = np.pad(ordinal.turning(at[layout.steps], design.categories), ((1, 1), (0, 0)))
    for part, one in zip(found, each, strict=True):
        weight = np.exp(one.joint - log[:, None])  # [P, Q], summing to the class's share
        _add(by_answer, at, design, layout, part, one, weight, cut, turning)
        own += (weight * (one.own.delta * one.nodes.slope + part.shift)).sum(axis=1)
    by_person = design.total(by_answer)
    _add_shares(by_person, at, layout, classes)
    return log, by_answer, by_person, classes, own


def _add(
    by_answer: Array,
    at: Array,
    design: Design,
    layout: Layout,
    part: LatentClass,
    one: _Class,
    weight: Array,
    cut: Cuts,
    turning: Array,
) -> None:
    """Add one class's share of the scores."""
    high, low = ordinal.slopes(one.eta, cut)
    spread = weight[design.person]
    if turning.shape[1]:
        up = (spread * (1 - high + cut.slack[:, None])).sum(axis=1)
        down = (spread * (-low - cut.slack[:, None])).sum(axis=1)
        by_answer[:, layout.steps] += up[:, None] * turning[design.answer + 1] + down[:, None] * turning[design.answer]
    if not part.careful:
        return
    off = (high + low - 1) * spread
    by_answer[:, layout.outer] += off.sum(axis=1)[:, None] * design.outer
    sharp = one.sharp[design.person]
    inside = (off * sharp).sum(axis=1)
    by_answer[:, layout.inner] += inside[:, None] * design.inner
    if layout.shift is not None and part.shift:
        by_answer[:, layout.shift] += inside * design.slope
    if layout.spread is not None:
        drawn = one.nodes.slope[design.person]
        drawn_out = one.own.delta * design.slope * (off * sharp * drawn).sum(axis=1)
        by_answer[:, layout.spread] += drawn_out
        if design.unit is not None:
            place = layout.inner.start + design.unit
            by_answer[:, place] += drawn_out / at[place]
    if layout.omega is not None:
        drawn = one.nodes.sharpness[design.person]
        by_answer[:, layout.omega] += one.own.omega * (off * drawn * (one.eta - one.own.outer[:, None])).sum(axis=1)


def _add_shares(by_person: Array, at: Array, layout: Layout, classes: Array) -> None:
    """Add the scores of the classes' shares, which are people's, not answers'."""
    if layout.careless is not None:
        by_person[:, layout.careless] += classes[:, -1] - expit(at[layout.careless])
    if layout.share is not None:
        careful = classes[:, 0] + classes[:, 1]
        by_person[:, layout.share] += classes[:, 1] - careful * expit(at[layout.share])


def at_slopes(fit: Fit, column: int, values: Array) -> tuple[Array, Array]:
    """Each person's log-likelihood if their coefficient of an inner column were one of `values` [G]: [P, G], and that
    of their being careless [P]; the sharpness is integrated over.
    """
    design, layout, at = fit.design, fit.layout, fit.at
    cut = ordinal.cuts(at[layout.steps], design.categories, design.answer)
    careful, others = parts(at, layout)[0], [part for part in parts(at, layout) if not part.careful]
    inner = at[layout.inner].copy()
    inner[column] = 0
    own = own_of(at, design, layout, careful)._replace(inner=design.inner @ inner, delta=1.0)
    drawn, log_weight = quadrature.hermite(9 if layout.omega is not None else 1)
    sharp = np.exp(own.omega * drawn)  # [K]
    log = np.empty((design.people, len(values)))
    for place, value in enumerate(values):
        eta = own.outer[:, None] + (own.inner + value * design.inner[:, column])[:, None] * sharp
        log[:, place] = logsumexp(design.total(ordinal.log_likelihood(eta, cut)) + log_weight, axis=1)
    none = design.total(ordinal.log_likelihood(np.zeros((len(design.answer), 1)), cut))[:, 0]
    careless = none + others[0].log_share if others else np.full(design.people, -np.inf)
    return log + careful.log_share, careless


def fit(
    design: Design,
    shape: Shape,
    start: Array | None = None,
    held: Mapping[int, float] | None = None,
    counts: tuple[int, int] = COUNTS,
) -> Fit:
    """The most likely model, with some parameters `held`. Nodes are placed anew until the estimates stay put."""
    layout = Layout.of(design, shape)
    at = _start(design, layout) if start is None else start.copy()
    bounds = layout.bounds()
    for place, value in (held or {}).items():
        at[place], bounds[place] = value, (value, value)
    for _ in range(12):
        where = nodes(at, design, layout, counts)
        moved = _maximise(at, design, layout, where, bounds)
        near = np.abs(moved - at).max() < 1e-4 * max(1.0, np.abs(moved).max())
        at = moved
        if near:
            break
    where = nodes(at, design, layout, counts)
    log, by_answer, by_person, classes, own = scores(at, design, layout, where)
    curvature = _curvature(at, design, layout, where)
    return Fit(
        design, shape, layout, at, float(log.sum()), _free(at, bounds), curvature, by_answer, by_person, classes, own
    )


def _free(at: Array, bounds: Bounds) -> NDArray[np.bool_]:
    """Which parameters lie at no bound."""
    ends = np.array([(-np.inf if low is None else low, np.inf if high is None else high) for low, high in bounds])
    return (at > ends[:, 0] + _NEAR_A_BOUND) & (at < ends[:, 1] - _NEAR_A_BOUND)


def _start(design: Design, layout: Layout) -> Array:
    """The estimates of the model in which people do not differ, with moderate differences."""
    at = layout.start()
    if layout.size == layout.steps.stop:
        return at
    alike = fit(design, Shape(slope=False, sharpness=False))
    at[: layout.steps.stop] = alike.at
    return at


def _penalty(layout: Layout) -> Array:
    ridge = np.zeros(layout.size)
    ridge[layout.outer] = ridge[layout.inner] = _RIDGE
    return ridge


def _maximise(at: Array, design: Design, layout: Layout, where: list[Nodes], bounds: Bounds) -> Array:
    from scipy.optimize import minimize

    ridge = _penalty(layout)

    def loss(at: Array) -> tuple[float, Array]:
        log, _, by_person, _, _ = scores(at, design, layout, where)
        return float(ridge / 2 @ at**2 - log.sum()), ridge * at - by_person.sum(axis=0)

    options = {"maxiter": 200, "ftol": 1e-11, "gtol": 1e-4}
    return minimize(loss, at, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x


def _curvature(at: Array, design: Design, layout: Layout, where: list[Nodes]) -> Array:
    """Minus the second derivatives of the log-likelihood, by differences of its exact first ones: [D, D]."""
    step = 1e-4
    rows = [
        (scores(at - by, design, layout, where)[2] - scores(at + by, design, layout, where)[2]).sum(axis=0) / (2 * step)
        for by in np.eye(layout.size) * step
    ]
    bend = np.array(rows).reshape(layout.size, layout.size) + np.diag(_penalty(layout))
    return (bend + bend.T) / 2
