"""The model's own replies to training prompts: of the base, of the steered model on both sides, several to a prompt."""

from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

from playground.engine.methods import Steering, by_layer
from playground.engine.methods.identity_layer import IdentityLayer
from playground.events import Finished, Progress
from playground.measure.gather import Gathering, gather
from playground.settings import Request, Row, Sampling, Strength, conversation
from playground.texts import is_blank
from playground.training.pairs import Pair, some
from playground.training.run import Run
from playground.training.spec import Job, prompts_for

Rollouts = list[tuple[Row, Finished]]
"""What was asked, and what was replied."""


class BothRollouts(NamedTuple):
    """Replies of the base and of the steered model."""

    base: Rollouts
    steered: Rollouts


BEGINNING = 3
"""By how many words at their begin two replies are told apart."""
SIDE = 0.5
"""The alpha of steered rollouts: nearly every reply at alpha 1 beats the base's, so that few tell what made it so."""


def completed(run: Run, given: Sequence[Pair]) -> Generator[Progress, None, list[Pair]]:
    """Given pairs, the empty replies among them written by the base, as far as the layer will learn from them.

    Left out are pairs whose own reply begins as the given one does, which would teach to prefer neither, and those not
    answered before the deadline.
    """
    rows = [
        Row(messages=pair.prompt, seed=run.recipe.seed + index)
        for index, pair in enumerate(given)
        if not pair.is_complete
    ]
    if not rows:
        return list(given)
    sampling = Sampling(temperature=run.recipe.rollout_temperature)
    request = Request(rows=tuple(rows), sampling=sampling, max_new_tokens=run.recipe.pair_tokens)
    to = run.gathering("own.jsonl", "the model's own replies")
    replies = yield from gather(run.model, {}, request, to)
    own = {rows[reply.row].seed - run.recipe.seed: reply for reply in replies if not is_blank(reply.text)}
    both = (pair if pair.is_complete else _with(pair, own.get(index)) for index, pair in enumerate(given))
    return [pair for pair in both if pair is not None]


def _with(pair: Pair, own: Finished | None) -> Pair | None:
    """A pair with its empty reply filled; None where there is nothing to fill it with that begins otherwise."""
    if own is None or _beginning(own.text) == _beginning(pair.chosen or pair.rejected):
        return None
    side = "rejected" if pair.chosen else "chosen"
    return pair.model_copy(update={side: own.text.strip(), f"{side}_ends": own.finish_reason == "stop"})


def _beginning(reply: str) -> list[str]:
    return reply.split()[:BEGINNING]


def base(run: Run, job: Job) -> Generator[Progress, None, Rollouts]:
    """The base model's replies: the reward's unit, and half of what the value function learns from."""
    rows = _rows(job, job.recipe.rollouts // 2, ())
    return (yield from _replies(run, {}, rows, run.gathering("base.jsonl", "replies of the base")))


def steered(run: Run, job: Job, layer: IdentityLayer) -> Generator[Progress, None, Rollouts]:
    """As many replies of the steered model as of the base, on both sides of it."""
    sides = (SIDE, -SIDE) if job.recipe.opposite else (SIDE,)
    strengths = [(Strength(axis=job.name, alpha=alpha),) for alpha in sides]
    rows = _rows(job, job.recipe.rollouts - job.recipe.rollouts // 2, *strengths)
    axes = {job.name: by_layer(layer.to(run.model.device, run.model.dtype))}
    return (yield from _replies(run, axes, rows, run.gathering("steered.jsonl", "steered replies")))


def contrasted(
    run: Run, job: Job, layer: IdentityLayer, rows: Sequence[Row], file: str
) -> Generator[Progress, None, Rollouts]:
    """Replies at alpha 1, to pair up; fewer than rows past the deadline."""
    to = run.gathering(file, "replies at alpha 1")
    return (yield from _replies(run, {job.name: by_layer(layer)}, rows, to))


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
    run: Run, axes: Mapping[str, Steering], rows: Sequence[Row], to: Gathering
) -> Generator[Progress, None, Rollouts]:
    """The rows that were answered before the deadline, with their replies."""
    sampling = Sampling(temperature=run.recipe.rollout_temperature)
    request = Request(rows=tuple(rows), sampling=sampling, max_new_tokens=run.recipe.reply_tokens)
    replies = yield from gather(run.model, axes, request, to)
    return [(rows[reply.row], reply) for reply in replies]
