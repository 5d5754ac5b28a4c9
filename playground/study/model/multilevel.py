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

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from playground.study.model import likelihood, ordinal, quadrature, search
from playground.study.model.design import Bounds, Design, Layout, Shape
from playground.study.model.ordinal import Array
from playground.study.model.quadrature import Nodes

COUNTS = (7, 5)
"""Nodes of quadrature for people's own slopes, and for their sharpness."""

_RIDGE = 1e-4  # on coefficients of columns scaled to [-1, 1]: keeps a unanimous sample finite, else unfelt
_NEAR_A_BOUND = 1e-3
_ROUNDS, _SETTLED = 20, 1e-6


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model.

    `at` [D] are the estimates, `free` [D] those at no bound, `nodes` each class's, `by_answer` [N, D] and `by_person`
    [P, D] the scores, `classes` [P, C] each person's chances to be in each class.
    """

    design: Design
    shape: Shape
    layout: Layout
    at: Array
    log_likelihood: float
    free: NDArray[np.bool_] = field(repr=False)
    nodes: list[Nodes] = field(repr=False)
    by_answer: Array = field(repr=False)
    by_person: Array = field(repr=False)
    classes: Array = field(repr=False)
    own: Array = field(repr=False)

    @property
    def spread(self) -> float:
        """The standard deviation of people's own coefficients of `slope`."""
        return 0.0 if self.layout.spread is None else math.exp(self.at[self.layout.spread])

    @cached_property
    def curvature(self) -> Array:
        """Minus the second derivatives of the log-likelihood, by differences of its exact first ones: [D, D]."""

        def slope(at: Array) -> Array:
            return likelihood.scores(at, self.design, self.layout, self.nodes).by_person.sum(axis=0)

        step = 1e-4
        rows = [(slope(self.at - by) - slope(self.at + by)) / (2 * step) for by in np.eye(self.layout.size) * step]
        bend = np.array(rows).reshape(self.layout.size, self.layout.size) + np.diag(_penalty(self.layout))
        return (bend + bend.T) / 2


def at_slopes(fit: Fit, column: int, values: Array) -> tuple[Array, Array]:
    """Each person's log-likelihood if their coefficient of an inner column were one of `values` [G]: [P, G], and that
    of their being careless [P]; the sharpness is integrated over.
    """
    design, layout, at = fit.design, fit.layout, fit.at
    cut = ordinal.cuts(at[layout.steps], design.categories, design.answer)
    careful, others = (
        likelihood.parts(at, layout)[0],
        [part for part in likelihood.parts(at, layout) if not part.careful],
    )
    inner = at[layout.inner].copy()
    inner[column] = 0
    own = likelihood.own_of(at, design, layout, careful)._replace(inner=design.inner @ inner, delta=1.0)
    drawn, log_weight = quadrature.hermite(9 if layout.omega is not None else 1)
    sharp = np.exp(own.omega * drawn)  # [K]
    log = np.empty((design.people, len(values)))
    for place, value in enumerate(values):
        eta = own.outer[:, None] + (own.inner + value * design.inner[:, column])[:, None] * sharp
        log[:, place] = logsumexp(design.total(ordinal.log_of(ordinal.chances(eta, cut), cut)) + log_weight, axis=1)
    none = design.total(ordinal.log_of(ordinal.chances(np.zeros((len(design.answer), 1)), cut), cut))[:, 0]
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
    bend, value = None, math.inf
    for turn in range(_ROUNDS):
        where = likelihood.nodes(at, design, layout, counts)
        moved, bend, least = _maximise(at, design, layout, where, (bounds, bend))
        near = np.abs(moved - at).max() < 1e-4 * max(1.0, np.abs(moved).max())
        settled = abs(value - least) < _SETTLED * 2**turn  # some go to and fro for ever, by little
        at, value = moved, least
        if near or settled:
            break
    where = likelihood.nodes(at, design, layout, counts)
    log, *found = likelihood.scores(at, design, layout, where)
    return Fit(design, shape, layout, at, float(log.sum()), _free(at, bounds), where, *found)


def start_near(found: Fit, design: Design, shape: Shape, inner: Array) -> Array:
    """Where to begin a model much like one that is fitted: its estimates, beside other `inner` coefficients."""
    layout = Layout.of(design, shape)
    at = layout.start()
    at[layout.outer], at[layout.inner] = found.at[found.layout.outer], inner
    at[layout.steps] = found.at[found.layout.steps]
    for mine, theirs in (
        (layout.spread, found.layout.spread),
        (layout.omega, found.layout.omega),
        (layout.careless, found.layout.careless),
    ):
        if mine is not None and theirs is not None:
            at[mine] = found.at[theirs]
    return at


def _free(at: Array, bounds: Bounds) -> NDArray[np.bool_]:
    """Which parameters lie at no bound."""
    low, high = _ends(bounds)
    return (at > low + _NEAR_A_BOUND) & (at < high - _NEAR_A_BOUND)


def _ends(bounds: Bounds) -> Array:
    """Bounds as [2, D], infinite where there is none."""
    return np.array([(-np.inf if low is None else low, np.inf if high is None else high) for low, high in bounds]).T


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


def _maximise(
    at: Array, design: Design, layout: Layout, where: list[Nodes], known: tuple[Bounds, Array | None]
) -> tuple[Array, Array, float]:
    """Some steps towards the most likely estimates with the nodes where they are; see `search.minimum`.

    The curvature begins as the outer product of scores, of answers where people are alike, else of people: from the
    identity the search would take several times as many readings of the answers.
    """
    ridge, alike = _penalty(layout), layout.spread is None and layout.omega is None

    def loss(at: Array) -> tuple[float, Array, Array]:
        found = likelihood.scores(at, design, layout, where)
        slope = ridge * at - found.by_person.sum(axis=0)
        return float(ridge / 2 @ at**2 - found.log.sum()), slope, found.by_answer if alike else found.by_person

    bounds, bend = known
    return search.minimum(loss, at, _ends(bounds), bend)
