"""The stages behind control: the value function, fitted to replies of base and steered model, and its step size."""

import math
from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor

from playground.engine.decode import Steering
from playground.engine.identity_layer import IdentityLayer
from playground.engine.language_model import LanguageModel
from playground.engine.reading import reply_states
from playground.engine.value_function import ValueFunction
from playground.events import Progress
from playground.rewards.preference import PreferenceReward
from playground.settings import Strength
from playground.training import measure, value_function
from playground.training.job import Job, prompts_for
from playground.training.pairs import some
from playground.training.rollouts import Rollouts


def value(
    model: LanguageModel,
    job: Job,
    reward: PreferenceReward,
    base: Rollouts,
    steered: Rollouts,
) -> Generator[Progress, None, tuple[ValueFunction, dict[str, float], Tensor]]:
    """Fit the value function; a share of the prompts is kept to check it. Also returns some states [N, D]."""
    rollouts = [*base, *steered]
    yield Progress("value function", 0, job.recipe.value_epochs, "epochs", note=f"reading {len(rollouts)} replies")
    prompts = [model.prompt_ids(row.messages) for row, _ in rollouts]
    tokens = [reply.token_ids for _, reply in rollouts]
    states = [state.cpu() for state in reply_states(model, prompts, tokens)]
    rewards = reward([row.messages for row, _ in rollouts], [reply.text for _, reply in rollouts])
    chances = value_function.chances(rewards, rewards[: len(base)])
    replies = value_function.Replies(states, [torch.tensor(ids) for ids in tokens], chances)
    asked = some({row.messages[-1].content for row, _ in rollouts}, len(rollouts))
    held_out = set(asked[: math.ceil(len(asked) * job.recipe.development_share)])
    unseen = torch.tensor([row.messages[-1].content in held_out for row, _ in rollouts])
    train = replies.part((~unseen).nonzero().flatten().tolist())
    moves = yield from value_function.move(model, train, job.recipe.seed)
    check = replies.part(unseen.nonzero().flatten().tolist())
    function = yield from value_function.fit(train, moves, check, job.recipe)
    checks = value_function.correlations(function, check._replace(rewards=rewards[unseen]))
    return function.to(model.device), checks, torch.cat(states)[::16].to(model.device)


def calibrate(
    model: LanguageModel,
    job: Job,
    layer: IdentityLayer,
    function: ValueFunction,
    reward: PreferenceReward,
    states: Tensor,
    work: Path,
    deadline: float,
) -> Generator[Progress, None, float]:
    """Try step sizes on development prompts and take the best that keeps replies fluent."""
    recipe = job.recipe
    sizes = measure.step_sizes(function, states, recipe)
    steering = Steering(layer, function, sizes[0], recipe.updates)
    strengths = [
        Strength(axis=job.name, control=0.0),
        *(Strength(axis=job.name, control=1.0, step_size=size) for size in sizes),
    ]
    prompts = some(prompts_for(job, development=True), recipe.measured_prompts)
    readings = yield from measure.measure(
        model, {job.name: steering}, {"reward": reward}, strengths, prompts, recipe,
        measure.store(work, "calibration", sizes), "step size", deadline,
    )  # fmt: skip
    points = measure.points(strengths, readings)
    return measure.best_step_size(sizes, points[1:], points[0], recipe) if points else min(sizes)
