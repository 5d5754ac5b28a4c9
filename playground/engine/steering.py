"""The two methods as maths on tensors: one strength per row, nothing mutated."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from playground.engine.value_function import ValueFunction


def interpolate(base: Tensor, aligned: Tensor, alpha: Tensor) -> Tensor:
    """Merge streams: base [B, X] and aligned [K, B, X] at alpha [K, B] -> [B, X] in float32.

    CLM's equation, summed over axes: base + sum_k alpha_k (aligned_k - base). X is the width of the hidden state or
    the vocabulary: the head is linear, so merging hidden states and merging logits are the same.
    """
    base = base.float()
    return base + (alpha.float().unsqueeze(-1) * (aligned.float() - base)).sum(0)


class Controlled(NamedTuple):
    """Hidden states after control [B, D], and the value before and after it [B]."""

    hidden: Tensor
    before: Tensor
    after: Tensor


class Ascent:
    """RE-Control's test-time intervention, h <- h + step_size * grad V(h) repeated, in closed form for V's perceptron.

    With V(h) = w . silu(z) + c and z = A h + b (the standardisation is part of A and b), grad V = A^T g for
    g = w * silu'(z). A step moves z by step_size * A A^T g, so that all updates run in the hidden layer, and the state
    itself moves once: by A^T times the sum of step_size * g.
    """

    def __init__(self, function: ValueFunction) -> None:
        self.function = function
        self.slopes = (function.inner.weight / function.scale).detach()
        self.gram = self.slopes @ self.slopes.T
        self.outer = function.outer.weight[0].detach()

    @torch.no_grad()
    def __call__(self, hidden: Tensor, step_size: Tensor, updates: Tensor) -> Controlled:
        """Climb from states [B, D] in float32 with step sizes [B] (negative goes down) and numbers of updates [B].

        A row with step size 0 or no updates keeps its state exactly.
        """
        step_size, updates = step_size.to(hidden.device), updates.to(hidden.device)
        inner = self.function.inside(hidden)
        before = after = self.function.read(inner)
        total = torch.zeros_like(inner)
        moving = (step_size != 0) & (updates > 0)
        if bool(moving.any()):
            rounds = torch.arange(int(updates[moving].max()), device=hidden.device)
            steps = torch.where(updates > rounds.unsqueeze(1), step_size, 0.0).unsqueeze(2)
            outer = self.outer.expand_as(inner)
            for step in steps:
                climb = torch.ops.aten.silu_backward(outer, inner).mul_(step)
                inner = torch.addmm(inner, climb, self.gram)
                total += climb
            after = torch.where(moving, self.function.read(inner), before)
        return Controlled(hidden + total @ self.slopes, before, after)


def first_max(scores: Tensor) -> Tensor:
    """Where the first maximum of each line [..., V] stands [...]."""
    # On a CPU numpy compares many numbers at once and is ten times as fast.
    return torch.from_numpy(np.asarray(scores.numpy().argmax(-1))) if scores.is_cpu else scores.argmax(-1)


def _first_min(scores: Tensor) -> Tensor:
    """Where the first minimum of each line [..., V] stands [...]."""
    return torch.from_numpy(np.asarray(scores.numpy().argmin(-1))) if scores.is_cpu else scores.argmin(-1)


class Interval(NamedTuple):
    """Where along alpha a token stays the best, and which token takes over at either end (any, if that is infinite)."""

    low: Tensor
    low_token: Tensor
    high: Tensor
    high_token: Tensor


def alpha_interval(scores: Tensor, slope: Tensor, alpha: Tensor | float, chosen: Tensor) -> Interval:
    """The exact range of alpha in which the chosen tokens [...] stay the best; its ends may be infinite.

    scores [..., V] at alpha [...] move along straight lines of slope [..., V]. Token j overtakes the chosen one c at
    alpha + (s_c - s_j) / (m_j - m_c): above alpha where its slope is steeper, below where it is flatter. The first to
    do so has the greatest (or the least) pace, (m_j - m_c) / (s_c - s_j).
    """
    scores, slope, pick = scores.double(), slope.double(), chosen.unsqueeze(-1)
    # Scores that were compared in float32 may tie within its rounding: then the interval ends at alpha itself.
    lead = (scores.gather(-1, pick) - scores).clamp_(min=torch.finfo(torch.float64).tiny)
    pace = (slope - slope.gather(-1, pick)).div_(lead)
    up, down = first_max(pace), _first_min(pace)
    fastest, slowest = pace.gather(-1, up.unsqueeze(-1)).squeeze(-1), pace.gather(-1, down.unsqueeze(-1)).squeeze(-1)
    high = torch.where(fastest > 0, alpha + 1 / fastest, torch.inf)
    low = torch.where(slowest < 0, alpha + 1 / slowest, -torch.inf)
    return Interval(low, down, high, up)
