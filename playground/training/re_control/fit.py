"""Fit the value function: what a state is worth, from the model's own replies; where to climb, from the layer of alpha.

TD(lambda) on visited states says what each is worth and leaves V's slope, which is all that RE-Control asks of it, to
chance. What is worth writing is known elsewhere: DPO makes log p(o | aligned) - log p(o | base) the advantage of token
o over beta (arXiv 2404.12358). So V is then fitted until a climb turns the base's choice of the next token into the
aligned one, as far as the last state alone can tell.
"""

import math
import time
from collections.abc import Generator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from playground.engine.language_model import LanguageModel
from playground.engine.methods.value_function import ValueFunction
from playground.events import Progress
from playground.measure.progress import ProgressMeter
from playground.training.recipe import Recipe, schedule
from playground.training.run import Run

STATES_PER_STEP = 1024
STATES_PER_HEAD = 512
STEPS_PER_TARGETS = 50
"""TD's targets hang on V itself and are worked out anew after so many steps."""
UPDATES = 3
"""Gradient steps of a climb in training; decoding goes as far in more and smaller ones."""
PATIENCE = 5


class ReplyStates(NamedTuple):
    """Finished replies: for each the states [T, D] that predict its tokens, in either stream; the rewards [N]."""

    states: Sequence[Tensor]
    aligned: Sequence[Tensor]
    rewards: Tensor

    def part(self, which: Sequence[int]) -> "ReplyStates":
        """Some of them."""
        return ReplyStates(
            [self.states[index] for index in which],
            [self.aligned[index] for index in which],
            self.rewards[list(which)],
        )


class FittedValue(NamedTuple):
    """A value function, and the step with which its slope was learnt: that of all updates of a climb together."""

    function: ValueFunction
    step: float


def chances(rewards: Tensor, base: Tensor) -> Tensor:
    """How likely each reward [N] is to be higher than one of the base's [M]: from -1, never, to 1, always.

    V is fitted to this rather than to the reward itself. It ends where nothing is left to win, and so does the climb;
    the reward goes on growing with every further word that it likes, until replies repeat themselves.
    """
    ranked = base.sort().values
    below = torch.searchsorted(ranked, rewards.contiguous())
    not_above = torch.searchsorted(ranked, rewards.contiguous(), right=True)
    return (below + not_above) / len(base) - 1


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


def climb(function: ValueFunction, states: Tensor, step: float) -> Tensor:
    """States [N, D] after RE-Control's h <- h + eta grad V(h), `UPDATES` times with eta = step / UPDATES.

    Gradients flow to the value function. A negative step goes down.
    """
    states = states.detach().requires_grad_(True)
    for _ in range(UPDATES):
        (slope,) = torch.autograd.grad(function(states).sum(), states, create_graph=True)
        states = states + step / UPDATES * slope
    return states


def reaching(function: ValueFunction, states: Tensor, share: float) -> float:
    """The step along V's slope that moves states [N, D] by a share of their length, both averaged."""
    leaf = states.detach().requires_grad_(True)
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(function(leaf).sum(), leaf)
    return share * float(states.norm(dim=1).mean() / slope.norm(dim=1).mean())


def fit(run: Run, train: ReplyStates, unseen: ReplyStates) -> Generator[Progress, None, FittedValue]:
    """Fit V to what the replies came to, then, unless `recipe.climb` is 0, its slope to the aligned stream as well.

    The slope is left as it is at the deadline.
    """
    recipe = run.recipe
    function = yield from _fit_values(train, unseen, recipe)
    step = reaching(function, torch.cat(list(train.states))[::16], recipe.reach)
    if recipe.climb:
        yield from _fit_slope(run, function, step, train)
    return FittedValue(function.eval().requires_grad_(False), step)


def _fit_values(train: ReplyStates, unseen: ReplyStates, recipe: Recipe) -> Generator[Progress, None, ValueFunction]:
    """TD(lambda) with detached targets; the epoch that reads unseen replies best is kept."""
    flat = torch.cat(list(train.states))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        function = ValueFunction(flat.shape[1], recipe.hidden)
    function.mean.copy_(flat.mean(0))
    function.scale.copy_(flat.std(0).clamp(min=1e-3))
    optimizer = _optimizer(function, recipe)
    order = torch.Generator().manual_seed(recipe.seed)
    best, best_error, waited = function.state_dict(), math.inf, 0
    pace = ProgressMeter("value function", recipe.value_epochs, "epochs")
    for epoch in range(recipe.value_epochs):
        targets = _targets(function, train, recipe)
        for chosen in torch.randperm(len(flat), generator=order).split(STATES_PER_STEP):
            loss = (function(flat[chosen]) - targets[chosen]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        error = unseen_error(function, unseen)
        yield pace(epoch + 1, f"squared error on unseen replies {error:.3f}")
        if error < best_error:
            best = {name: tensor.clone() for name, tensor in function.state_dict().items()}
            best_error, waited = error, 0
        else:
            waited += 1
            if waited == PATIENCE:
                break
    function.load_state_dict(best)
    return function


def _fit_slope(run: Run, function: ValueFunction, step: float, train: ReplyStates) -> Generator[Progress, None, None]:
    """Minimise (V(h) - G)^2 + climb KL(p(. | aligned) || p(. | h climbed by `step`)), in place.

    Where the axis is trained at its other end too, every third step goes down instead, towards alpha -1.
    """
    model, recipe = run.model, run.recipe
    flat, aligned = torch.cat(list(train.states)), torch.cat(list(train.aligned))
    optimizer = _optimizer(function, recipe)
    order = torch.Generator().manual_seed(recipe.seed)
    targets = _targets(function, train, recipe)
    pace = ProgressMeter("value function's slope", recipe.climb_steps, "steps")
    losses: list[float] = []
    for number in range(recipe.climb_steps):
        if time.monotonic() > run.deadline:
            break
        for group in optimizer.param_groups:
            group["lr"] = recipe.value_learning_rate * schedule(number, recipe.climb_steps)
        if number and number % STEPS_PER_TARGETS == 0:
            targets = _targets(function, train, recipe)
        chosen = torch.randint(len(flat), (STATES_PER_HEAD,), generator=order)
        states, sign = flat[chosen], -1.0 if recipe.opposite and number % 3 == 2 else 1.0
        with torch.no_grad():
            wanted = _choice(model, states + sign * (aligned[chosen] - states))
        found = _choice(model, climb(function, states, sign * step))
        apart = (wanted.exp() * (wanted - found)).sum(-1).mean().cpu()
        loss = (function(states) - targets[chosen]).square().mean() + recipe.climb * apart
        optimizer.zero_grad()
        with model.products():
            loss.backward()
        optimizer.step()
        losses.append(apart.item())
        yield pace(number + 1, f"KL from the aligned choice {sum(losses[-20:]) / len(losses[-20:]):.3f} nats")


def _choice(model: LanguageModel, states: Tensor) -> Tensor:
    """log p(. | state) over the next token [N, V] for states [N, D]."""
    return model.head(states.to(model.device)).log_softmax(-1)


def _optimizer(function: ValueFunction, recipe: Recipe) -> torch.optim.Optimizer:
    return torch.optim.AdamW(function.parameters(), lr=recipe.value_learning_rate, weight_decay=recipe.weight_decay)


@torch.no_grad()
def _targets(function: ValueFunction, replies: ReplyStates, recipe: Recipe) -> Tensor:
    """TD(lambda)'s targets of all states, as V stands."""
    values = function(torch.cat(list(replies.states))).split([len(states) for states in replies.states])
    return torch.cat(
        [lambda_returns(v, r, recipe.discount_lambda) for v, r in zip(values, replies.rewards, strict=True)]
    )


@torch.no_grad()
def unseen_error(function: ValueFunction, replies: ReplyStates) -> float:
    """Mean squared difference between the values of all states and the rewards their replies got."""
    errors = [
        (function(states) - reward).square().mean()
        for states, reward in zip(replies.states, replies.rewards, strict=True)
    ]
    return float(torch.stack(errors).mean())


@torch.no_grad()
def correlations(function: ValueFunction, replies: ReplyStates) -> dict[str, float]:
    """Pearson correlation of value and final reward at 25, 50, 75 and 100 % of the reply."""
    found: dict[str, float] = {}
    for share in (25, 50, 75, 100):
        at = [states[max(0, round(len(states) * share / 100) - 1)] for states in replies.states]
        values = function(torch.stack(at))
        correlation = float(torch.corrcoef(torch.stack([values, replies.rewards]))[0, 1])
        if math.isfinite(correlation):  # it is not where all rewards or all values are the same
            found[f"value_correlation_{share}"] = correlation
    return found
