"""The stages behind control: rollouts of the base and of the steered model, the value function, its step size."""

import math
from collections.abc import Generator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from playground.engine.decode import Steering
from playground.engine.identity_layer import IdentityLayer
from playground.engine.language_model import LanguageModel
from playground.engine.reading import reply_states
from playground.engine.value_function import ValueFunction
from playground.events import Finished, Progress
from playground.replies import gather
from playground.rewards.preference import PreferenceReward
from playground.settings import Row, Sampling, Strength, conversation
from playground.training import measure, value_function
from playground.training.job import Job, prompts_for
from playground.training.pairs import some


def base_replies(
    model: LanguageModel, job: Job, work: Path, deadline: float
) -> Generator[Progress, None, list[tuple[Row, Finished]]]:
    """The base model's own replies to training prompts: the reward's unit, and rollouts for the value function."""
    rows = _rollout_rows(job, job.recipe.rollouts // 2, ())
    sampling = Sampling(temperature=job.recipe.rollout_temperature)
    store = work / "base.jsonl"
    replies = yield from gather(
        model, {}, rows, sampling, job.recipe.reply_tokens, store, "replies of the base", deadline
    )
    return [(rows[reply.row], reply) for reply in replies]


def steered_replies(
    model: LanguageModel, job: Job, layer: IdentityLayer, work: Path, deadline: float
) -> Generator[Progress, None, list[tuple[Row, Finished]]]:
    """As many replies of the steered model as of the base, at both ends, so that all rewards are seen."""
    ends = (1.0, -1.0) if job.recipe.opposite else (1.0,)
    strengths = [(Strength(axis=job.name, alpha=alpha),) for alpha in ends]
    rows = _rollout_rows(job, job.recipe.rollouts - job.recipe.rollouts // 2, *strengths)
    steering = Steering(layer.to(model.device, model.dtype), None, 0.0, 0)
    sampling = Sampling(temperature=job.recipe.rollout_temperature)
    store = work / "steered.jsonl"
    replies = yield from gather(
        model, {job.name: steering}, rows, sampling, job.recipe.reply_tokens, store, "steered replies", deadline
    )
    return [(rows[reply.row], reply) for reply in replies]


def value(
    model: LanguageModel, job: Job, reward: PreferenceReward, rollouts: Sequence[tuple[Row, Finished]]
) -> Generator[Progress, None, tuple[ValueFunction, dict[str, float], Tensor]]:
    """Fit the value function; a share of the prompts is kept to check it. Also returns some states [N, D]."""
    yield Progress("value function", 0, job.recipe.value_epochs, "epochs", note=f"reading {len(rollouts)} replies")
    prompts = [model.prompt_ids(row.messages) for row, _ in rollouts]
    tokens = [reply.token_ids for _, reply in rollouts]
    states = [state.cpu() for state in reply_states(model, prompts, tokens)]
    rewards = reward([row.messages for row, _ in rollouts], [reply.text for _, reply in rollouts])
    replies = value_function.Replies(states, [torch.tensor(ids) for ids in tokens], rewards)
    asked = some({row.messages[-1].content for row, _ in rollouts}, len(rollouts))
    held_out = set(asked[: math.ceil(len(asked) * job.recipe.development_share)])
    unseen = [row.messages[-1].content in held_out for row, _ in rollouts]
    train = replies.part([index for index, kept in enumerate(unseen) if not kept])
    moves = yield from value_function.move(model, train, job.recipe.seed)
    check = replies.part([index for index, kept in enumerate(unseen) if kept])
    function, checks = yield from value_function.fit(train, moves, check, job.recipe)
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


def _rollout_rows(job: Job, count: int, *strengths: tuple[Strength, ...]) -> list[Row]:
    """`count` rows over the training prompts in turn, taking turns between the strengths as well."""
    prompts = some(prompts_for(job, development=False), count)
    return [
        Row(
            messages=conversation(prompts[index % len(prompts)]),
            strengths=strengths[index % len(strengths)],
            seed=job.recipe.seed + 1000 + index,
        )
        for index in range(count)
    ]
