"""The stages behind alpha: the layer is fitted to the pairs, refined on its own best and worst replies, and scaled."""

import math
from collections.abc import Generator, Sequence
from pathlib import Path

from playground.engine.language_model import LanguageModel
from playground.events import Progress
from playground.rewards.preference import PreferenceReward
from playground.training import contrast, guards, rollouts
from playground.training.clm import dpo
from playground.training.pairs import Pair, Split, some
from playground.training.rollouts import Rollouts
from playground.training.spec import Job, prompts_for


def layer(
    model: LanguageModel, job: Job, data: Split, reward: PreferenceReward, work: Path, deadline: float
) -> Generator[Progress, None, dpo.Fitted]:
    """Fit the identity layer to the pairs and choose its scale, each under a guard that answers some prompts."""
    guard = _guard(model, job, reward, job.recipe.guard_prompts, work)
    fitted = yield from dpo.fit(model, data.train, data.development, guard, job.recipe, work / "layer", deadline)
    return (yield from _scaled(model, job, reward, fitted, work / "layer", "layer's scale", deadline))


def refinement(
    model: LanguageModel,
    job: Job,
    data: Split,
    reward: PreferenceReward,
    fitted: dpo.Fitted,
    work: Path,
    deadline: float,
) -> Generator[Progress, None, tuple[dpo.Fitted, Rollouts]]:
    """Rounds of going on with the best and the worst of the steered model's own replies beside the pairs.

    Ends where a round makes the layer no better, and returns the layer before it. Returns the first round's replies as
    well, which are rollouts for the value function; those of later rounds are nearly all better than the base's, and a
    value function that reads as many of them learns less of what makes them so.
    """
    first: Rollouts = []
    rounds = job.recipe.refine_rounds
    prompts = some(prompts_for(job, development=False), len(job.prompts))
    for number in range(1, rounds + 1):
        yield Progress("replies at alpha 1", number - 1, rounds, "rounds")
        rows = contrast.rows(job.name, prompts, job.recipe, number)
        store = work / f"contrast-{number}.jsonl"
        replies = yield from rollouts.contrasted(model, job, fitted.layer, rows, store, deadline)
        first = first or replies
        if len(replies) < len(rows):  # past the deadline: no step would be taken either
            break
        rewards = reward([row.messages for row, _ in replies], [reply.text for _, reply in replies])
        found = contrast.pair_up(replies, rewards, job.recipe)
        if not found:
            break
        folder = work / f"refined-{number}"
        refined = yield from _refined(model, job, data, reward, fitted, found, folder, deadline)
        if not guards.is_better(refined.checks, fitted.checks):
            break
        trained = fitted.checks["steps"] + refined.checks["steps"]
        fitted = dpo.Fitted(refined.layer, {**refined.checks, "steps": trained})
    return fitted, first


def with_room(
    model: LanguageModel, job: Job, reward: PreferenceReward, fitted: dpo.Fitted, work: Path, deadline: float
) -> Generator[Progress, None, dpo.Fitted]:
    """The layer, scaled down until replies at alpha `recipe.room` are in the safe range too: people go beyond 1.

    Asked are training prompts and, as for control's step size, those that the card's safe range is read from. The
    bounds are halfway between the guard's and that range's, since other draws may be less kind.
    """
    recipe = job.recipe
    halfway = recipe.model_copy(
        update={
            "most_perplexity": math.sqrt(recipe.most_perplexity * recipe.safe_perplexity),
            "least_diversity": math.sqrt(recipe.least_diversity * recipe.safe_diversity),
            "scales": recipe.room_scales,
        }
    )
    prompts = [
        *some(prompts_for(job, development=False), recipe.scale_prompts),
        *some(prompts_for(job, development=True), recipe.measured_prompts),
    ]
    guard = guards.answering(model, reward, prompts, recipe, work, alpha=recipe.room)
    found = yield from dpo.strengthen(fitted, guard, halfway, work / "room.json", deadline, "room beyond 1")
    room = {name.replace("guard", "room"): found.checks[name] for name in found.checks if name.startswith("guard")}
    return dpo.Fitted(found.layer, {**fitted.checks, **room, "room_scale": found.checks["scale"]})


def _refined(
    model: LanguageModel,
    job: Job,
    data: Split,
    reward: PreferenceReward,
    fitted: dpo.Fitted,
    found: Sequence[Pair],
    folder: Path,
    deadline: float,
) -> Generator[Progress, None, dpo.Fitted]:
    """The layer trained on and scaled anew."""
    recipe = job.recipe
    guard = _guard(model, job, reward, recipe.guard_prompts, folder.parent)
    steps = recipe.refine_steps
    more = recipe.model_copy(
        # Checked at the end alone: on the way, at a high learning rate, replies are less fluent than they will be.
        update={"steps": steps, "check_every": steps, "learning_rate": recipe.refine_learning_rate}
    )
    train = [*data.train, *found]
    refined = yield from dpo.fit(
        model, train, data.development, guard, more, folder, deadline, fitted.layer, "refining the layer"
    )
    return (yield from _scaled(model, job, reward, refined, folder, "refined layer's scale", deadline))


def _scaled(
    model: LanguageModel,
    job: Job,
    reward: PreferenceReward,
    fitted: dpo.Fitted,
    folder: Path,
    stage: str,
    deadline: float,
) -> Generator[Progress, None, dpo.Fitted]:
    """The layer as strong as replies at alpha 1 stay fluent."""
    guard = _guard(model, job, reward, job.recipe.scale_prompts, folder.parent, both=False)
    record = folder / "scale.json"
    return (yield from dpo.strengthen(fitted, guard, job.recipe, record, deadline, stage))


def _guard(
    model: LanguageModel, job: Job, reward: PreferenceReward, count: int, work: Path, both: bool = True
) -> guards.Guard:
    """A guard that answers some training prompts, at both ends if the axis is trained at both."""
    prompts = some(prompts_for(job, development=False), count)
    both = both and job.recipe.opposite > 0
    return guards.answering(model, reward, prompts, job.recipe, work, both)
