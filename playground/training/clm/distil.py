"""Teach the identity layer what two descriptions do to the model's predictions, token by token.

Prompt contrast steers without training, but reads every text under both descriptions. The layer learns the same
direction, on the model's own replies, as context distillation does (arXiv 2112.00861, 2209.15189), with the contrast
amplified. Since logits are straight lines in alpha, the left end learns the mirror image of the right.
"""

from collections.abc import Generator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from playground.engine.forced import batches, predict, reply_states
from playground.engine.language_model import LanguageModel
from playground.engine.methods.clm import merge
from playground.engine.methods.identity_layer import IdentityLayer
from playground.events import Progress
from playground.measure.gather import gather
from playground.settings import Request, Row, Sampling, conversation
from playground.training import guards
from playground.training.clm.fitting import Attempt, Fitted, draw, minimise
from playground.training.guards import Guard
from playground.training.pairs import some
from playground.training.run import Run

FEWEST_TOKENS = 6
"""Shorter replies say too little of either description."""
UNSEEN = 24
"""Replies that are kept to check what was learnt."""
STRIDE = 2
"""Of each reply every second prediction is taught at a step, the others at the next: half the memory for the same."""


class Lesson(NamedTuple):
    """One of the model's own replies as token ids, behind the plain prompt and behind it under each description."""

    plain: list[int]
    positive: list[int]
    negative: list[int]
    reply: list[int]


def lessons(run: Run, descriptions: tuple[str, str], prompts: Sequence[str]) -> Generator[Progress, None, list[Lesson]]:
    """Replies to some prompts of the plain model's, and of its own under each description, in the prompts' order."""
    recipe, model = run.recipe, run.model
    asked = [conversation(prompt) for prompt in some(prompts, recipe.distil_prompts)]
    ways = [[plain, *(model.described_as(plain, one) for one in descriptions)] for plain in asked]
    rows = tuple(
        Row(messages=messages, seed=recipe.seed + number) for number, messages in enumerate(chain.from_iterable(ways))
    )
    how = Sampling(temperature=recipe.rollout_temperature)
    request = Request(rows=rows, sampling=how, max_new_tokens=recipe.distil_tokens)
    replies = yield from gather(model, {}, request, run.gathering("distilled.jsonl", "replies that teach"))
    found: list[Lesson] = []
    for reply in sorted(replies, key=lambda reply: reply.row):
        plain, positive, negative = map(model.prompt_ids, ways[reply.row // 3])
        if len(reply.token_ids) >= FEWEST_TOKENS:
            found.append(Lesson(plain, positive, negative, list(reply.token_ids)))
    return found


class Taught(NamedTuple):
    """Lessons, and the final hidden states [T, D] at which the frozen base predicts each reply in the three ways."""

    lessons: Sequence[Lesson]
    plain: list[Tensor]
    positive: list[Tensor]
    negative: list[Tensor]


def read(model: LanguageModel, part: Sequence[Lesson]) -> Taught:
    """Read lessons once with the frozen base."""
    replies = [lesson.reply for lesson in part]
    ways = ([getattr(lesson, way) for lesson in part] for way in Lesson._fields[:3])
    return Taught(part, *([at.to(model.dtype) for at in reply_states(model, way, replies)] for way in ways))


def loss(
    model: LanguageModel, taught: Taught, which: Sequence[int], layer: IdentityLayer, strength: float, first: int = 0
) -> Tensor:
    """KL(teacher || student) in nats per token and end, over every STRIDE-th prediction from `first` on: a scalar.

    At both signs the teacher is `base + sign * strength * (positive - negative) / 2`, and the student alpha = sign:
    `base + sign * (aligned - base)`.
    """
    part = [taught.lessons[index] for index in which]
    total, count = torch.zeros(()), 0
    for batch in batches([one.plain for one in part], [one.reply for one in part], model.device):
        aligned = predict(model, batch, layer).logits[first::STRIDE]
        with torch.no_grad():
            base, positive, negative = (
                model.head(torch.cat([states[which[index]] for index in batch.indices])[first::STRIDE])
                for states in taught[1:]
            )
            contrast = strength * (positive - negative) / 2
        for sign in (1.0, -1.0):
            teacher = merge(base, [(sign, contrast)]).log_softmax(-1)
            student = merge(base, [(sign, aligned - base)]).log_softmax(-1)
            total = total + (teacher.exp() * (teacher - student)).sum().cpu()
            count += len(teacher)
    return total / max(count, 1)


def fit(run: Run, known: Sequence[Lesson], guard: Guard, folder: Path) -> Generator[Progress, None, Fitted]:
    """Minimise `loss` over the layer's weights, from an untrained layer; see `fitting.minimise`.

    Its checks tell, beside the guard's means, `distil_kl`: the loss on replies that were not learnt from.
    """
    model, recipe = run.model, run.recipe
    unseen = min(UNSEEN, len(known) // 4)

    @cache  # read once, and not at all where a resumed fit has ended already
    def taught(begin: int, end: int) -> Taught:
        return read(model, known[begin:end])

    def cost(layer: IdentityLayer, step: int) -> Tensor:
        learnt = taught(unseen, len(known))
        which = draw(step, len(learnt.lessons), recipe)
        return loss(model, learnt, which, layer, recipe.distil_strength, step % STRIDE)

    @torch.no_grad()
    def check(layer: IdentityLayer) -> dict[str, float]:
        apart = taught(0, unseen)
        found = loss(model, apart, range(unseen), layer, recipe.distil_strength)
        return {"distil_kl": float(found), **guards.named(guard(layer))}

    return (yield from minimise(run, cost, check, Attempt("distilling the contrast", folder)))
