"""The minimum of a smooth function within bounds, from the scores that its slope is the sum of. Pure."""

from collections.abc import Callable

import numpy as np

from playground.study.model.ordinal import Array

Loss = Callable[[Array], tuple[float, Array, Array]]
"""From a place [D] to the value, its slope [D], and the scores [P, D] of independent parts of it."""

_STEPS, _HALVINGS = 4, 25
_FLAT, _FALLS = 1e-4, 1e-10
_LONGEST = 2.0
_ENOUGH = 1e-4
_LEAST = 1e-6


def minimum(loss: Loss, at: Array, ends: Array, bend: Array | None) -> tuple[Array, Array, float]:
    """Where the loss is least between `ends` [2, D], by BFGS from `at`, and the curvature [D, D] that was learnt.

    The curvature begins as `bend`, or as the outer product of the scores (Berndt, Hall, Hall and Hausman 1974).
    """
    at = np.clip(at, *ends)
    value, slope, scores = loss(at)
    bend = scores.T @ scores if bend is None else bend
    for _ in range(_STEPS):
        step = _step(at, slope, ends, bend)
        if step is None:
            break
        size = 1.0
        for _ in range(_HALVINGS):
            moved = np.clip(at + size * step, *ends)
            new, turned, _ = loss(moved)
            if new <= value + _ENOUGH * slope @ (moved - at):
                break
            size /= 2
        else:
            break
        bend = _learnt(bend, moved - at, turned - slope)
        gained = value - new
        at, value, slope = moved, new, turned
        if gained < _FALLS * max(1.0, abs(value)):
            break
    return at, bend, value


def _step(at: Array, slope: Array, ends: Array, bend: Array) -> Array | None:
    """Newton's step among what is not held at an end; None where the slope is flat."""
    held = ((at <= ends[0]) & (slope >= 0)) | ((at >= ends[1]) & (slope <= 0))
    free = np.flatnonzero(~held)
    if not len(free) or np.abs(slope[free]).max() < _FLAT:
        return None
    inside = bend[np.ix_(free, free)]
    least = _LEAST * max(float(np.trace(inside)) / len(free), _LEAST)
    step = np.zeros(len(at))
    step[free] = -np.linalg.solve(inside + least * np.eye(len(free)), slope[free])
    return step * min(1.0, _LONGEST / float(np.abs(step).max()))


def _learnt(bend: Array, moved: Array, turned: Array) -> Array:
    """The curvature after a step, as Broyden, Fletcher, Goldfarb and Shanno update it; as it was where it falls."""
    along, seen = float(moved @ turned), bend @ moved
    if along <= 1e-10 or moved @ seen <= 0:
        return bend
    return bend + np.outer(turned, turned) / along - np.outer(seen, seen) / float(moved @ seen)
