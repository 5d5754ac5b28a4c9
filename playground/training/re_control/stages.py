"""The stages behind control: the value function, fitted to replies of base and steered model, and its step size."""

import math
from collections.abc import Generator

import torch
from torch import Tensor

from playground.engine.forced import reply_states
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
from playground.training.rollouts import BothRollouts
from playground.training.run import Run
from playground.training.spec import Job, prompts_for

RECORD = "value.json"


def value(
    run: Run, job: Job, layer: IdentityLayer, reward: PreferenceReward, rollouts: BothRollouts
) -> Generator[Progress, None, tuple[FittedValue, dict[str, float]]]:
    """Fit the value function; a share of the prompts is kept to check it. A resumed run reads it again."""
    work = run.work
    if not (work / RECORD).exists():
        replies, rewards, unseen = yield from _replies(run, job, layer, reward, rollouts)
        train, check = (replies.part(which.nonzero().flatten().tolist()) for which in (~unseen, unseen))
        fitted = yield from fit(run, train, check)
        checks = correlations(fitted.function, check._replace(rewards=rewards[unseen]))
        fitted.function.save(work)
        write_json(work / RECORD, {"step": fitted.step, "checks": checks})
    step, checks = read_record(work / RECORD, lambda kept: (float(kept["step"]), dict(kept["checks"])))
    function = ValueFunction.from_state(load_tensors(work / FILE_NAME))
    return FittedValue(function.to(run.model.device), step), checks


def _replies(
    run: Run, job: Job, layer: IdentityLayer, reward: PreferenceReward, both: BothRollouts
) -> Generator[Progress, None, tuple[ReplyStates, Tensor, Tensor]]:
    """What the value function learns from; the rewards [N] as such; and which replies [N] are kept to check it."""
    rollouts = [*both.base, *both.steered]
    prompts = [run.model.prompt_ids(row.messages) for row, _ in rollouts]
    tokens = [reply.token_ids for _, reply in rollouts]
    read: list[list[Tensor]] = []
    for stream in (None, layer):
        yield Progress("reading replies", len(read), 3, "passes", note=f"{len(rollouts)} replies")
        read.append([states.cpu() for states in reply_states(run.model, prompts, tokens, stream)])
    yield Progress("reading replies", 2, 3, "passes", note=f"{len(rollouts)} replies")
    rewards = reward([row.messages for row, _ in rollouts], [reply.text for _, reply in rollouts])
    asked = some({row.messages[-1].content for row, _ in rollouts}, len(rollouts))
    held_out = set(asked[: math.ceil(len(asked) * job.recipe.development_share)])
    unseen = torch.tensor([row.messages[-1].content in held_out for row, _ in rollouts])
    return ReplyStates(read[0], read[1], chances(rewards, rewards[: len(both.base)])), rewards, unseen


def calibrate(run: Run, job: Job, fitted: FittedValue, reward: PreferenceReward) -> Generator[Progress, None, float]:
    """Try step sizes on development prompts, the first few always, and take the best that keeps replies fluent."""
    recipe = run.recipe
    sizes = [float(f"{factor * fitted.step / recipe.updates:.3g}") for factor in recipe.step_factors]
    steering = Steering((REControl(fitted.function, sizes[0], recipe.updates),))
    strengths = [
        Strength(axis=job.name, control=0.0),
        *(Strength(axis=job.name, control=1.0, step_size=size) for size in sizes),
    ]
    grid = measure.Grid(strengths, some(prompts_for(job, development=True), recipe.measured_prompts))
    to = run.gathering(measure.store("calibration", sizes), "step size")
    readings = yield from measure.measure(run, {job.name: steering}, {"reward": reward}, grid, to)
    points = measure.points(strengths, readings)
    return measure.best_step_size(sizes, points[1:], points[0], recipe)
