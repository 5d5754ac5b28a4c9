"""The model's own replies to training prompts: of the base, of the steered model on both sides, several to a prompt."""

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from playground.engine.language_model import LanguageModel
from playground.engine.methods import Steering, by_layer
from playground.engine.methods.identity_layer import IdentityLayer
from playground.events import Finished, Progress
from playground.measure.gather import gather
from playground.settings import Row, Sampling, Strength, conversation
from playground.training.pairs import some
from playground.training.spec import Job, prompts_for

Rollouts = list[tuple[Row, Finished]]
"""What was asked, and what was replied."""

SIDE = 0.5
"""The alpha of steered rollouts: nearly every reply at alpha 1 beats the base's, so that few tell what made it so."""


def base(model: LanguageModel, job: Job, work: Path, deadline: float) -> Generator[Progress, None, Rollouts]:
    """The base model's replies: the reward's unit, and half of what the value function learns from."""
    rows = _rows(job, job.recipe.rollouts // 2, ())
    return (yield from _replies(model, job, {}, rows, work / "base.jsonl", "replies of the base", deadline))


def steered(
    model: LanguageModel, job: Job, layer: IdentityLayer, work: Path, deadline: float
) -> Generator[Progress, None, Rollouts]:
    """As many replies of the steered model as of the base, on both sides of it."""
    sides = (SIDE, -SIDE) if job.recipe.opposite else (SIDE,)
    strengths = [(Strength(axis=job.name, alpha=alpha),) for alpha in sides]
    rows = _rows(job, job.recipe.rollouts - job.recipe.rollouts // 2, *strengths)
    axes = {job.name: by_layer(layer.to(model.device, model.dtype))}
    return (yield from _replies(model, job, axes, rows, work / "steered.jsonl", "steered replies", deadline))


def contrasted(
    model: LanguageModel, job: Job, layer: IdentityLayer, rows: Sequence[Row], store: Path, deadline: float
) -> Generator[Progress, None, Rollouts]:
    """Replies at alpha 1, to pair up; fewer than rows past `deadline`."""
    axes = {job.name: by_layer(layer)}
    return (yield from _replies(model, job, axes, rows, store, "replies at alpha 1", deadline))


def _rows(job: Job, count: int, *strengths: tuple[Strength, ...]) -> list[Row]:
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


def _replies(
    model: LanguageModel,
    job: Job,
    axes: Mapping[str, Steering],
    rows: Sequence[Row],
    store: Path,
    stage: str,
    deadline: float,
) -> Generator[Progress, None, Rollouts]:
    """The rows that were answered before `deadline`, with their replies."""
    sampling = Sampling(temperature=job.recipe.rollout_temperature)
    replies = yield from gather(model, axes, rows, sampling, job.recipe.reply_tokens, store, stage, deadline)
    return [(rows[reply.row], reply) for reply in replies]
