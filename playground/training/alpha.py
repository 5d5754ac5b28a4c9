"""The stages behind alpha: the layer is fitted to the pairs, answers, is refined on its best and worst, and scaled."""

from collections.abc import Generator, Sequence
from pathlib import Path

from playground.engine.decode import Steering
from playground.engine.identity_layer import IdentityLayer
from playground.engine.language_model import LanguageModel
from playground.events import Finished, Progress
from playground.replies import gather
from playground.rewards.preference import PreferenceReward
from playground.settings import Row, Sampling
from playground.training import contrast, guards, identity_layer
from playground.training.job import Job, prompts_for
from playground.training.pairs import Split, some


def layer(
    model: LanguageModel, job: Job, data: Split, reward: PreferenceReward, work: Path, deadline: float
) -> Generator[Progress, None, identity_layer.Fitted]:
    """Fit the identity layer to the pairs and choose its scale, each under a guard that answers some prompts."""
    guard = _guard(model, job, reward, job.recipe.guard_prompts, work)
    fitted = yield from identity_layer.fit(
        model, data.train, data.development, guard, job.recipe, work / "layer", deadline
    )
    return (yield from _scaled(model, job, reward, fitted, work / "layer", "layer's scale", deadline))


def own_replies(
    model: LanguageModel, job: Job, layer: IdentityLayer, work: Path, deadline: float
) -> Generator[Progress, None, list[tuple[Row, Finished]]]:
    """Several replies at alpha 1 to each of some training prompts: pairs to refine the layer with, and rollouts."""
    if not job.recipe.refine_steps:
        return []
    prompts = some(prompts_for(job, development=False), job.recipe.contrast_prompts)
    rows = contrast.rows(job.name, prompts, job.recipe)
    sampling = Sampling(temperature=job.recipe.rollout_temperature)
    steering = {job.name: Steering(layer, None, 0.0, 0)}
    store = work / "contrast.jsonl"
    replies = yield from gather(
        model, steering, rows, sampling, job.recipe.reply_tokens, store, "replies at alpha 1", deadline
    )
    return [(rows[reply.row], reply) for reply in replies]


def refinement(
    model: LanguageModel,
    job: Job,
    data: Split,
    reward: PreferenceReward,
    fitted: identity_layer.Fitted,
    own: Sequence[tuple[Row, Finished]],
    work: Path,
    deadline: float,
) -> Generator[Progress, None, identity_layer.Fitted]:
    """Go on with the best and the worst of the steered model's own replies beside the pairs, and scale anew.

    Returns the layer as it was where that is not better.
    """
    if not own:
        return fitted
    recipe = job.recipe
    rewards = reward([row.messages for row, _ in own], [reply.text for _, reply in own])
    train = [*data.train, *contrast.pair_up(own, rewards, recipe)]
    guard = _guard(model, job, reward, recipe.guard_prompts, work)
    steps = recipe.refine_steps
    more = recipe.model_copy(
        # Checked at the end alone: on the way, at a high learning rate, replies are less fluent than they will be.
        update={"steps": steps, "check_every": steps, "learning_rate": recipe.refine_learning_rate}
    )
    refined = yield from identity_layer.fit(
        model, train, data.development, guard, more, work / "refined", deadline, fitted.layer, "refining the layer"
    )
    refined = yield from _scaled(model, job, reward, refined, work / "refined", "refined layer's scale", deadline)
    if not guards.is_better(refined.checks, fitted.checks):
        return fitted
    trained = fitted.checks["steps"] + refined.checks["steps"]
    return identity_layer.Fitted(refined.layer, {**refined.checks, "steps": trained})


def _scaled(
    model: LanguageModel,
    job: Job,
    reward: PreferenceReward,
    fitted: identity_layer.Fitted,
    folder: Path,
    stage: str,
    deadline: float,
) -> Generator[Progress, None, identity_layer.Fitted]:
    """The layer as strong as replies at alpha 1 stay fluent."""
    guard = _guard(model, job, reward, job.recipe.scale_prompts, folder.parent, both=False)
    record = folder / "scale.json"
    return (yield from identity_layer.strengthen(fitted, guard, job.recipe, record, deadline, stage))


def _guard(
    model: LanguageModel, job: Job, reward: PreferenceReward, count: int, work: Path, both: bool = True
) -> guards.Guard:
    """A guard that answers some training prompts, at both ends if the axis is trained at both."""
    prompts = some(prompts_for(job, development=False), count)
    both = both and job.recipe.opposite > 0
    return guards.answering(model, reward, prompts, job.recipe, work / "guard.jsonl", both)
