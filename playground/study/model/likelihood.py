"""The likelihood of the multilevel model and its exact derivatives, people's own draws integrated over. Pure."""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logsumexp

from playground.study.model import ordinal, quadrature
from playground.study.model.design import Design, Layout
from playground.study.model.ordinal import Array, Chances
from playground.study.model.quadrature import Nodes, PersonOdds


class LatentClass(NamedTuple):
    """One class of people: the logarithm of its share, its shift, and whether its answers depend on what is shown."""

    log_share: float
    shift: float
    careful: bool


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
    """One class at its nodes: log-odds, sharpness and chances, and the logarithm of each person's joint likelihood.

    `eta` and `chances` are [N, Q], `sharp` and `joint` [P, Q].
    """

    part: LatentClass
    own: PersonOdds
    nodes: Nodes
    eta: Array
    sharp: Array
    chances: Chances
    joint: Array


class Scores(NamedTuple):
    """Each person's `log` likelihood [P], scores `by_answer` [N, D] and `by_person` [P, D], `classes` [P, C].

    `classes` are each person's chances to be in each class, `own` [P] their expected slopes. The scores are the exact
    derivatives of the log-likelihood with the nodes held where they are.
    """

    log: Array
    by_answer: Array
    by_person: Array
    classes: Array
    own: Array


def scores(at: Array, design: Design, layout: Layout, where: list[Nodes]) -> Scores:
    """The log-likelihood of each person at these estimates, and its derivatives."""
    cut = ordinal.cuts(at[layout.steps], design.categories, design.answer)
    each = [_class(at, design, layout, part, cut, one) for part, one in zip(parts(at, layout), where, strict=True)]
    by_class = np.stack([logsumexp(one.joint, axis=1) for one in each], axis=1)
    log = logsumexp(by_class, axis=1)
    classes = np.exp(by_class - log[:, None])
    by_answer, own = np.zeros((len(design.answer), layout.size)), np.zeros(design.people)
    for one in each:
        weight = np.exp(one.joint - log[:, None])  # [P, Q], summing to the class's share
        spread = weight[design.person]
        _add_thresholds(by_answer[:, layout.steps], at[layout.steps], design, cut.slack, one.chances, spread)
        if one.part.careful:
            _add_columns(by_answer, at, design, layout, one, spread)
        own += (weight * (one.own.delta * one.nodes.slope + one.part.shift)).sum(axis=1)
    by_person = design.total(by_answer)
    _add_shares(by_person, at, layout, classes)
    return Scores(log, by_answer, by_person, classes, own)


def _class(at: Array, design: Design, layout: Layout, part: LatentClass, cut: ordinal.Cuts, where: Nodes) -> _Class:
    own = own_of(at, design, layout, part)
    sharp = np.exp(own.omega * where.sharpness)
    turned = (own.delta * sharp * where.slope)[design.person]
    eta = own.outer[:, None] + sharp[design.person] * own.inner[:, None] + turned * design.slope[:, None]
    chances = ordinal.chances(eta, cut)
    log = design.total(ordinal.log_of(chances, cut)) + where.log_weight + part.log_share
    return _Class(part, own, where, eta, sharp, chances, log)


def _over(weight: Array, values: Array) -> Array:
    """Sums over nodes, [N, Q], [N, Q] -> [N]."""
    return np.einsum("nq,nq->n", weight, values)


def _add_thresholds(
    by_answer: Array, steps: Array, design: Design, slack: Array, chances: Chances, spread: Array
) -> None:
    """Add one class's share of the scores of the thresholds' steps."""
    if not len(steps):
        return
    turning = np.pad(ordinal.turning(steps, design.categories), ((1, 1), (0, 0)))
    total = spread.sum(axis=1)
    up = total * (1 + slack) - _over(spread, chances.below)
    down = _over(spread, chances.above) - total * (1 + slack)
    by_answer += up[:, None] * turning[design.answer + 1] + down[:, None] * turning[design.answer]


def _add_columns(by_answer: Array, at: Array, design: Design, layout: Layout, one: _Class, spread: Array) -> None:
    """Add one careful class's share of the scores of everything that log-odds are made of."""
    off = (one.chances.below - one.chances.above) * spread
    by_answer[:, layout.outer] += off.sum(axis=1)[:, None] * design.outer
    if layout.omega is not None:
        drawn = off * one.nodes.sharpness[design.person]
        told = _over(drawn, one.eta) - drawn.sum(axis=1) * one.own.outer
        by_answer[:, layout.omega] += one.own.omega * told
    off *= one.sharp[design.person]
    inside = off.sum(axis=1)
    by_answer[:, layout.inner] += inside[:, None] * design.inner
    if layout.shift is not None and one.part.shift:
        by_answer[:, layout.shift] += inside * design.slope
    if layout.spread is not None:
        drawn_out = one.own.delta * design.slope * _over(off, one.nodes.slope[design.person])
        by_answer[:, layout.spread] += drawn_out
        if design.unit is not None:
            place = layout.inner.start + design.unit
            by_answer[:, place] += drawn_out / at[place]


def _add_shares(by_person: Array, at: Array, layout: Layout, classes: Array) -> None:
    """Add the scores of the classes' shares, which are people's, not answers'."""
    if layout.careless is not None:
        by_person[:, layout.careless] += classes[:, -1] - expit(at[layout.careless])
    if layout.share is not None:
        careful = classes[:, 0] + classes[:, 1]
        by_person[:, layout.share] += classes[:, 1] - careful * expit(at[layout.share])
