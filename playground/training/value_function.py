"""Fit the value function on the model's own replies: TD(lambda) with detached targets."""

import math
from collections.abc import Generator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from playground.engine.value_function import ValueFunction
from playground.events import Progress
from playground.replies import Pace
from playground.training.recipe import Recipe

STATES_PER_STEP = 1024


class Fitted(NamedTuple):
    """The value function, and how its reading correlates with the final reward at shares of unseen replies."""

    function: ValueFunction
    checks: dict[str, float]


def lambda_returns(values: Tensor, reward: Tensor, discount_lambda: float) -> Tensor:
    """Targets [T] of one reply from the values [T] of its states and its final reward.

    G_T-1 = reward; G_t = (1 - lambda) V(s_t+1) + lambda G_t+1, undiscounted. Targets are constants: no gradient.
    """
    values = values.detach()
    target = torch.empty_like(values)
    target[-1] = reward
    for step in range(len(values) - 2, -1, -1):
        target[step] = (1 - discount_lambda) * values[step + 1] + discount_lambda * target[step + 1]
    return target


def fit(
    train: tuple[Sequence[Tensor], Tensor], unseen: tuple[Sequence[Tensor], Tensor], recipe: Recipe
) -> Generator[Progress, None, Fitted]:
    """Fit on (states of each reply [T, D], rewards [N]); keep the epoch that reads unseen replies best."""
    states, rewards = train
    flat = torch.cat(list(states))
    lengths = [len(state) for state in states]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        function = ValueFunction(flat.shape[1], recipe.hidden)
    function.mean.copy_(flat.mean(0))
    function.scale.copy_(flat.std(0).clamp(min=1e-3))
    optimizer = torch.optim.AdamW(
        function.parameters(), lr=recipe.value_learning_rate, weight_decay=recipe.weight_decay
    )
    order = torch.Generator().manual_seed(recipe.seed)
    best, best_error, waited = function.state_dict(), float("inf"), 0
    pace = Pace("value function", recipe.value_epochs, "epochs")
    for epoch in range(recipe.value_epochs):
        with torch.no_grad():
            values = function(flat).split(lengths)
        targets = torch.cat(
            [lambda_returns(v, r, recipe.discount_lambda) for v, r in zip(values, rewards, strict=True)]
        )
        for chosen in torch.randperm(len(flat), generator=order).split(STATES_PER_STEP):
            loss = (function(flat[chosen]) - targets[chosen]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        error = unseen_error(function, *unseen)
        yield pace(epoch + 1, f"squared error on unseen replies {error:.3f}")
        if error < best_error:
            best = {name: tensor.clone() for name, tensor in function.state_dict().items()}
            best_error, waited = error, 0
        else:
            waited += 1
            if waited == 5:
                break
    function.load_state_dict(best)
    function.eval().requires_grad_(False)
    return Fitted(function, correlations(function, *unseen))


@torch.no_grad()
def unseen_error(function: ValueFunction, states: Sequence[Tensor], rewards: Tensor) -> float:
    """Mean squared difference between the values of all states and the rewards their replies got."""
    errors = [(function(state) - reward).square().mean() for state, reward in zip(states, rewards, strict=True)]
    return float(torch.stack(errors).mean())


@torch.no_grad()
def correlations(function: ValueFunction, states: Sequence[Tensor], rewards: Tensor) -> dict[str, float]:
    """Pearson correlation of value and final reward at 25, 50, 75 and 100 % of the reply."""
    found: dict[str, float] = {}
    for share in (25, 50, 75, 100):
        at = [state[max(0, round(len(state) * share / 100) - 1)] for state in states]
        values = function(torch.stack(at))
        correlation = float(torch.corrcoef(torch.stack([values, rewards]))[0, 1])
        if math.isfinite(correlation):  # it is not where all rewards or all values are the same
            found[f"value_correlation_{share}"] = correlation
    return found
