"""The stages behind control: the value function, fitted to replies of base and steered model, and its step size."""

import math
from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor

from playground.engine.forced import reply_states
from playground.engine.language_model import LanguageModel
from playground.engine.methods import REControl, Steering
from playground.engine.methods.identity_layer import IdentityLayer
from playground.engine.methods.value_function import FILE_NAME, ValueFunction
from playground.events import Progress
from playground.files import read_record, write_json
from playground.measure.gather import load_tensors
from playground.rewards.preference import PreferenceReward
from playground.settings import Strength
from playground.training import measure
from playground.training.pairs import some
from playground.training.re_control.fit import FittedValue, ReplyStates, chances, correlations, fit
from playground.training.rollouts import Rollouts
from playground.training.spec import Job, prompts_for

RECORD = "value.json"


def value(
    model: LanguageModel,
    job: Job,
    layer: IdentityLayer,
    reward: PreferenceReward,
    base: Rollouts,
    steered: Rollouts,
    work: Path,
    deadline: float,
) -> Generator[Progress, None, tuple[FittedValue, dict[str, float]]]:
    """Fit the value function; a share of the prompts is kept to check it. A resumed run reads it again."""
    if not (work / RECORD).exists():
        replies, rewards, unseen = yield from _replies(model, job, layer, reward, base, steered)
        train, check = (replies.part(which.nonzero().flatten().tolist()) for which in (~unseen, unseen))
        fitted = yield from fit(model, train, check, job.recipe, deadline)
        checks = correlations(fitted.function, check._replace(rewards=rewards[unseen]))
        fitted.function.save(work)
        write_json(work / RECORD, {"step": fitted.step, "checks": checks})
    step, checks = read_record(work / RECORD, lambda kept: (float(kept["step"]), dict(kept["checks"])))
    function = ValueFunction.from_state(load_tensors(work / FILE_NAME))
    return FittedValue(function.to(model.device), step), checks


def _replies(
    model: LanguageModel, job: Job, layer: IdentityLayer, reward: PreferenceReward, base: Rollouts, steered: Rollouts
) -> Generator[Progress, None, tuple[ReplyStates, Tensor, Tensor]]:
    """What the value function learns from; the rewards [N] as such; and which replies [N] are kept to check it."""
    rollouts = [*base, *steered]
    prompts = [model.prompt_ids(row.messages) for row, _ in rollouts]
    tokens = [reply.token_ids for _, reply in rollouts]
    read: list[list[Tensor]] = []
    for stream in (None, layer):
        yield Progress("reading replies", len(read), 3, "passes", note=f"{len(rollouts)} replies")
        read.append([states.cpu() for states in reply_states(model, prompts, tokens, stream)])
    yield Progress("reading replies", 2, 3, "passes", note=f"{len(rollouts)} replies")
    rewards = reward([row.messages for row, _ in rollouts], [reply.text for _, reply in rollouts])
    asked = some({row.messages[-1].content for row, _ in rollouts}, len(rollouts))
    held_out = set(asked[: math.ceil(len(asked) * job.recipe.development_share)])
    unseen = torch.tensor([row.messages[-1].content in held_out for row, _ in rollouts])
    return ReplyStates(read[0], read[1], chances(rewards, rewards[: len(base)])), rewards, unseen


def calibrate(
    model: LanguageModel,
    job: Job,
    climber: FittedValue,
    reward: PreferenceReward,
    work: Path,
    deadline: float,
) -> Generator[Progress, None, float]:
    """Try step sizes on development prompts, the first few always, and take the best that keeps replies fluent."""
    recipe = job.recipe
    sizes = [float(f"{factor * climber.step / recipe.updates:.3g}") for factor in recipe.step_factors]
    steering = Steering((REControl(climber.function, sizes[0], recipe.updates),))
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
    return measure.best_step_size(sizes, points[1:], points[0], recipe)
