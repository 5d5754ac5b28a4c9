"""Adaptive Gauss-Hermite quadrature over each person's own two standard normal draws. Pure.

The nodes of a person lie around the mode of their own likelihood, as wide as its curvature there (Pinheiro and Bates
1995, doi 10.1080/10618600.1995.10474663): many answers of one person make that narrow, and fixed nodes miss it.
"""

import math
from typing import NamedTuple

import numpy as np

from playground.study.model.ordinal import Array, Cuts, Places, chances

_STEPS = 30


class Nodes(NamedTuple):
    """`slope` and `sharpness` are draws [P, Q], `log_weight` [P, Q] their weights, the normal density included."""

    slope: Array
    sharpness: Array
    log_weight: Array


class PersonOdds(NamedTuple):
    """What a person's log-odds are made of: outer + exp(omega v) (inner + delta u slope); [N], and two numbers."""

    outer: Array
    inner: Array
    slope: Array
    delta: float
    omega: float


def at_zero(people: int) -> Nodes:
    """One node at 0, for a model in which people do not differ."""
    none = np.zeros((people, 1))
    return Nodes(none, none, none)


def adapt(own: PersonOdds, cut: Cuts, first: Places, person: Places, counts: tuple[int, int]) -> Nodes:
    """So many nodes for slope and sharpness around each person's mode. `first` [P] is where each one's answers begin.

    One node each is Laplace's approximation.
    """
    u, v, bend = _modes(own, cut, first, person)
    root = np.linalg.cholesky(np.linalg.inv(bend))  # [P, 2, 2]
    (x, log_x), (y, log_y) = (hermite(count) for count in counts)
    grid = np.stack([np.repeat(x, len(y)), np.tile(y, len(x))])  # [2, Q]
    log_weight = np.add.outer(log_x, log_y).ravel()
    drawn = np.stack([u, v])[:, :, None] + np.einsum("pij,jq->ipq", root, grid)  # [2, P, Q]
    widened = np.log(root[:, 0, 0] * root[:, 1, 1])[:, None]
    return Nodes(drawn[0], drawn[1], log_weight + widened + ((grid**2).sum(axis=0) - (drawn**2).sum(axis=0)) / 2)


def _modes(own: PersonOdds, cut: Cuts, first: Places, person: Places) -> tuple[Array, Array, Array]:
    """Each person's most likely draws [P], [P], by Newton's method, and the curvature there [P, 2, 2]."""
    people = len(first)
    u, v, bend = np.zeros(people), np.zeros(people), np.empty((people, 2, 2))
    for _ in range(_STEPS):
        sharp = np.exp(own.omega * v)[person]
        turned = sharp * own.delta * own.slope
        inside = sharp * own.inner + turned * u[person]
        below, above = (part[:, 0] for part in chances((own.outer + inside)[:, None], cut))
        stretched = own.omega * inside
        off, weight = below - above, below * (1 - below) + above * (1 - above)
        columns = np.stack(
            [off * turned, off * stretched, weight * turned**2, weight * turned * stretched, weight * stretched**2]
        )
        one, two, bend_u, both, bend_v = np.add.reduceat(columns, first, axis=1)
        bend[:, 0, 0], bend[:, 1, 1] = bend_u + 1, bend_v + 1
        bend[:, 0, 1] = bend[:, 1, 0] = both
        step = np.linalg.solve(bend, np.stack([one - u, two - v], axis=1)[:, :, None])[:, :, 0]
        step *= np.minimum(1, 1 / np.maximum(np.abs(step).max(axis=1, keepdims=True), 1e-12))
        u, v = u + step[:, 0], v + step[:, 1]
        if np.abs(step).max() < 1e-4:
            break
    return u, v, bend


def hermite(count: int) -> tuple[Array, Array]:
    """Nodes and the logarithms of their weights under a standard normal density."""
    node, weight = np.polynomial.hermite_e.hermegauss(count)
    return node, np.log(weight / math.sqrt(2 * math.pi))
