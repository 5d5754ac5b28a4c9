"""The two methods as pure functions on tensors: one strength per row, nothing mutated, no module state."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


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


def control(hidden: Tensor, value: Callable[[Tensor], Tensor], step_size: Tensor, updates: Tensor) -> Controlled:
    """Climb the value function: h <- h + step_size * grad V(h), `updates` times, for each row by its own numbers.

    hidden [B, D]; step_size [B], negative goes down; updates [B], whole numbers. A row with step size 0 or no
    updates keeps its hidden state exactly. No gradient reaches any weight.
    """
    step_size, updates = step_size.to(hidden.device), updates.to(hidden.device)
    # Decoding runs in inference mode, whose tensors cannot take part in autograd: a clone outside it can.
    with torch.inference_mode(False), torch.enable_grad():
        state = hidden.detach().float().clone()
        before = value(state).detach()
        moving = (step_size != 0) & (updates > 0)
        rounds = int(updates[moving].max()) if bool(moving.any()) else 0
        for update in range(rounds):
            leaf = state.requires_grad_(True)
            (gradient,) = torch.autograd.grad(value(leaf).sum(), leaf)
            step = torch.where(moving & (updates > update), step_size, 0.0).unsqueeze(-1)
            state = (leaf + step * gradient).detach()
        after = value(state).detach() if rounds else before
    return Controlled(state.detach(), before, after)


def alpha_interval(scores: Tensor, slope: Tensor, alpha: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Where the chosen tokens stay the best: the exact range of alpha, (low [B], high [B]), ends maybe infinite.

    scores [B, V] at alpha [B] move along straight lines of slope [B, V]. The chosen token [B] beats token j while
    (s_c - s_j) + (alpha' - alpha)(m_c - m_j) >= 0: a half-line for each j, intersected over the vocabulary.
    """
    scores, slope = scores.double(), slope.double()
    lead = scores.gather(1, chosen.unsqueeze(1)) - scores
    gain = slope.gather(1, chosen.unsqueeze(1)) - slope
    crossing = alpha.double().unsqueeze(1) - lead / gain
    unbounded = torch.full_like(crossing, torch.inf)
    high = torch.where(gain < 0, crossing, unbounded).amin(1)
    low = torch.where(gain > 0, crossing, -unbounded).amax(1)
    return low, high
