"""Fit the value function on the model's own replies: TD(lambda) with detached targets, at visited and at moved states.

RE-Control climbs V away from the states that replies visit, where TD(lambda) alone leaves V to chance. What a move does
is known, though: the state picks the next token, so moving it by u makes token o w = p(o | h + u) / p(o | h) times as
likely, and V(h + u) - V(h) = E over o ~ p(. | h) of (w - 1) (V(h') - V(h)), where h' is the state after o.
"""

import math
from collections.abc import Generator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from playground.engine.language_model import LanguageModel
from playground.engine.value_function import ValueFunction
from playground.events import Progress
from playground.replies import Pace
from playground.training.recipe import Recipe

STATES_PER_STEP = 1024
STATES_PER_HEAD = 512
PUSHES = (0.2, 1.7)
"""How far a state is pushed, in nats: about what the written token's log-probability gains or loses."""
AWAY = 0.35
"""Share of states that are pushed away from the written token."""
MOST_ODDS = 7.0


class Replies(NamedTuple):
    """Finished replies: for each the states [T, D] that predict its tokens and those tokens [T]; the rewards [N]."""

    states: Sequence[Tensor]
    tokens: Sequence[Tensor]
    rewards: Tensor

    def part(self, which: Sequence[int]) -> "Replies":
        """Some of them."""
        return Replies(
            [self.states[index] for index in which],
            [self.tokens[index] for index in which],
            self.rewards[list(which)],
        )


class Moves(NamedTuple):
    """States [N, D] that were moved, and how many times as likely [N] their written token has become."""

    states: Tensor
    odds: Tensor


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


def move(model: LanguageModel, replies: Replies, seed: int) -> Generator[Progress, None, Moves]:
    """Push every state along the gradient of its written token's log-probability, near or far, towards it or away."""
    states, tokens = torch.cat(list(replies.states)), torch.cat(list(replies.tokens))
    generator = torch.Generator().manual_seed(seed)
    near, far = PUSHES
    nats = near + (far - near) * torch.rand(len(states), generator=generator)
    nats[torch.rand(len(states), generator=generator) < AWAY] *= -1
    moved, odds = torch.empty_like(states), torch.empty(len(states))
    pace = Pace("moved states", len(states), "states")
    for start in range(0, len(states), STATES_PER_HEAD):
        at = slice(start, start + STATES_PER_HEAD)
        token = tokens[at].to(model.device)
        with torch.enable_grad(), model.products():
            leaf = states[at].to(model.device).requires_grad_(True)
            before = _logprobs(model, leaf, token)
            (slope,) = torch.autograd.grad(before.sum(), leaf)
        with torch.no_grad():
            length = slope.square().sum(1, keepdim=True).clamp(min=1e-3)
            there = leaf + nats[at].to(model.device).unsqueeze(1) * slope / length
            odds[at] = (_logprobs(model, there, token) - before).exp().cpu()
            moved[at] = there.cpu()
        yield pace(min(start + STATES_PER_HEAD, len(states)))
    return Moves(moved, odds)


def _logprobs(model: LanguageModel, states: Tensor, tokens: Tensor) -> Tensor:
    """log p(token | state) [N] for states [N, D]."""
    return model.head(states).float().log_softmax(-1).gather(1, tokens.unsqueeze(1)).squeeze(1)


def fit(train: Replies, moves: Moves, unseen: Replies, recipe: Recipe) -> Generator[Progress, None, ValueFunction]:
    """Fit TD(lambda) first; then anew with the moved states, whose targets need the values of the first."""
    first = yield from _fit(train, None, unseen, recipe, "value function, visited states")
    gains = _gains(first, train, moves)
    return (yield from _fit(train, (moves.states, gains), unseen, recipe, "value function"))


def _gains(function: ValueFunction, replies: Replies, moves: Moves) -> Tensor:
    """What each move is worth [N]: (w - 1) (V(h') - V(h)), where the last state's next value is the reward."""
    with torch.no_grad():
        values = function(torch.cat(list(replies.states))).split([len(state) for state in replies.states])
    after = [torch.cat([v[1:], r.unsqueeze(0)]) for v, r in zip(values, replies.rewards, strict=True)]
    return (moves.odds.clamp(max=MOST_ODDS) - 1) * (torch.cat(after) - torch.cat(values))


def _fit(
    train: Replies, moves: tuple[Tensor, Tensor] | None, unseen: Replies, recipe: Recipe, stage: str
) -> Generator[Progress, None, ValueFunction]:
    """Fit on visited states and, if given, on moved states [N, D] with their gains [N].

    Without moves the epoch that reads unseen replies best is kept. With them the last one is: what is learnt of moves
    goes on growing when reading does not.
    """
    flat = torch.cat(list(train.states))
    lengths = [len(state) for state in train.states]
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
    pace = Pace(stage, recipe.value_epochs, "epochs")
    for epoch in range(recipe.value_epochs):
        with torch.no_grad():
            values = function(flat).split(lengths)
        targets = torch.cat(
            [lambda_returns(v, r, recipe.discount_lambda) for v, r in zip(values, train.rewards, strict=True)]
        )
        for chosen in torch.randperm(len(flat), generator=order).split(STATES_PER_STEP):
            here = function(flat[chosen])
            loss = (here - targets[chosen]).square().mean()
            if moves is not None:
                moved, gains = moves
                loss = loss + recipe.moves * (function(moved[chosen]) - here - gains[chosen]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        error = unseen_error(function, unseen)
        yield pace(epoch + 1, f"squared error on unseen replies {error:.3f}")
        if error < best_error or moves is not None:
            best = {name: tensor.clone() for name, tensor in function.state_dict().items()}
            best_error, waited = error, 0
        else:
            waited += 1
            if waited == 5:
                break
    function.load_state_dict(best)
    return function.eval().requires_grad_(False)


@torch.no_grad()
def unseen_error(function: ValueFunction, replies: Replies) -> float:
    """Mean squared difference between the values of all states and the rewards their replies got."""
    errors = [
        (function(state) - reward).square().mean()
        for state, reward in zip(replies.states, replies.rewards, strict=True)
    ]
    return float(torch.stack(errors).mean())


@torch.no_grad()
def correlations(function: ValueFunction, replies: Replies) -> dict[str, float]:
    """Pearson correlation of value and final reward at 25, 50, 75 and 100 % of the reply."""
    found: dict[str, float] = {}
    for share in (25, 50, 75, 100):
        at = [state[max(0, round(len(state) * share / 100) - 1)] for state in replies.states]
        values = function(torch.stack(at))
        correlation = float(torch.corrcoef(torch.stack([values, replies.rewards]))[0, 1])
        if math.isfinite(correlation):  # it is not where all rewards or all values are the same
            found[f"value_correlation_{share}"] = correlation
    return found
