"""Fit the identity layer by DPO against the stream at alpha 0, and stop while the model stays fluent.

The reference is the frozen base itself, so its hidden states are computed once. The same reading of a pair trains both
ends of the slider: at alpha 1 the chosen reply is to be preferred, at alpha -1 the rejected one.
"""

from collections.abc import Generator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from playground.engine.forced import Predictions, batches, predict, reply_states
from playground.engine.language_model import LanguageModel
from playground.engine.methods.clm import merge
from playground.engine.methods.identity_layer import IdentityLayer
from playground.events import Progress
from playground.training import guards
from playground.training.clm.fitting import Attempt, Fitted, draw, minimise
from playground.training.guards import Guard
from playground.training.pairs import Pair, Split
from playground.training.recipe import Recipe
from playground.training.run import Run

CHECK_PAIRS = 24
"""Most development pairs behind each check."""
ANCHOR_STRIDE = 3


class Encoded(NamedTuple):
    """Pairs as token ids with how the frozen base read both replies.

    `states` holds the final hidden states [T, D] that predict the tokens of each chosen, then of each rejected reply.
    """

    prompts: list[list[int]]
    chosen: list[list[int]]
    rejected: list[list[int]]
    states: list[Tensor]


class Margins(NamedTuple):
    """At one alpha: DPO's margins [n] in nats; in nats per token what the chosen and the rejected replies gained in
    likelihood over the base [2], and the mean KL(steered || base), a scalar."""

    margins: Tensor
    gains: Tensor
    kl: Tensor


def encode(model: LanguageModel, pairs: Sequence[Pair], longest: int) -> Encoded:
    """Tokenise pairs, each reply up to `longest` tokens, and read them once with the frozen base."""
    prompts = [model.prompt_ids(pair.prompt) for pair in pairs]

    chosen = [model.reply_ids(pair.chosen, pair.chosen_ends)[:longest] for pair in pairs]
    rejected = [model.reply_ids(pair.rejected, pair.rejected_ends)[:longest] for pair in pairs]
    states = reply_states(model, prompts * 2, chosen + rejected)
    return Encoded(prompts, chosen, rejected, [state.to(model.dtype) for state in states])


def read(
    model: LanguageModel, data: Encoded, which: Sequence[int], layer: IdentityLayer, alphas: Sequence[float] = (1.0,)
) -> list[Margins]:
    """Read some pairs through the layer, once for all alphas.

    A margin is the log-ratio of steered to base for the chosen reply minus that for the rejected one.
    """
    count = len(data.prompts)
    texts = [*which, *(count + index for index in which)]
    replies = data.chosen + data.rejected
    prompts = [data.prompts[text % count] for text in texts]
    ratios: list[dict[int, Tensor]] = [{} for _ in alphas]
    divergences: list[list[Tensor]] = [[] for _ in alphas]
    for batch in batches(prompts, [replies[text] for text in texts], model.device):
        found = predict(model, batch, layer)
        with torch.no_grad():
            base = model.head(torch.cat([data.states[texts[index]] for index in batch.indices]))
            base_log = base.log_softmax(-1)
        for at, alpha in enumerate(alphas):
            steered = found.logits if alpha == 1.0 else merge(base, [(alpha, found.logits - base)])
            steered_log = steered.log_softmax(-1)
            gained = _of_tokens(steered_log, found) - _of_tokens(base_log, found)
            summed = gained.new_zeros(len(batch.indices)).index_add(0, found.rows, gained)
            ratios[at] |= {index: summed[row] for row, index in enumerate(batch.indices)}
            # Every few predictions are enough to anchor, at a fraction of the memory.
            few, few_base = steered_log[::ANCHOR_STRIDE], base_log[::ANCHOR_STRIDE]
            divergences[at].append((few.exp() * (few - few_base)).sum(-1))
    lengths = torch.tensor([float(len(replies[text])) for text in texts])
    return [_reading(found, lengths, diverged) for found, diverged in zip(ratios, divergences, strict=True)]


def _of_tokens(log: Tensor, found: Predictions) -> Tensor:
    """The log-probabilities [N] of the tokens that were written, from those of all [N, V]."""
    return log.gather(1, found.tokens.unsqueeze(1)).squeeze(1)


def _reading(ratios: dict[int, Tensor], lengths: Tensor, divergences: list[Tensor]) -> Margins:
    chosen, rejected = torch.stack([ratios[index] for index in range(len(ratios))]).cpu().chunk(2)
    gains = torch.stack([chosen.sum(), rejected.sum()]) / lengths.unflatten(0, (2, -1)).sum(1)
    return Margins(chosen - rejected, gains, torch.cat(divergences).mean().cpu())


def loss(readings: Sequence[Margins], recipe: Recipe) -> Tensor:
    """DPO with two anchors, at alpha 1 and, weighted by `recipe.opposite`, at alpha -1 with the preference reversed.

    -log sigmoid(beta * margin) - likelihood * gain of the preferred replies + anchor * KL, at each end. The second term
    (as in RPO, arXiv 2404.19733) keeps DPO from widening the margin by unlearning the other replies alone.
    """
    parts = [
        weight
        * (
            -torch.nn.functional.logsigmoid(sign * recipe.beta * at.margins).mean()
            - recipe.likelihood * at.gains[preferred]
            + recipe.anchor * at.kl
        )
        for at, (sign, preferred, weight) in zip(readings, ((1.0, 0, 1.0), (-1.0, 1, recipe.opposite)), strict=False)
    ]
    return torch.stack(parts).sum()


def fit(
    run: Run, data: Split, guard: Guard, folder: Path, start: IdentityLayer | None = None
) -> Generator[Progress, None, Fitted]:
    """Minimise `loss` over the layer's weights, from an untrained layer or from `start`; see `fitting.minimise`.

    The anchor keeps the layer from spending KL on what does not tell the replies apart.
    """
    model, recipe = run.model, run.recipe
    alphas = (1.0, -1.0) if recipe.opposite else (1.0,)

    @cache  # read once, and not at all where a resumed fit has ended already
    def encoded(part: Literal["train", "development"]) -> Encoded:
        pairs = data.train if part == "train" else data.development[:CHECK_PAIRS]
        return encode(model, pairs, recipe.pair_tokens)

    def cost(layer: IdentityLayer, step: int) -> Tensor:
        return loss(read(model, encoded("train"), draw(step, len(data.train), recipe), layer, alphas), recipe)

    def check(layer: IdentityLayer) -> dict[str, float]:
        return _check(model, encoded("development"), layer, guard)

    stage = "identity layer" if start is None else "refining the layer"
    return (yield from minimise(run, cost, check, Attempt(stage, folder, start)))


@torch.no_grad()
def _check(model: LanguageModel, unseen: Encoded, layer: IdentityLayer, guard: Guard) -> dict[str, float]:
    margin = read(model, unseen, range(len(unseen.prompts)), layer)[0].margins
    health = guard(layer)
    return {
        "pair_accuracy": float((margin > 0).float().mean()),
        "pair_margin": float(margin.mean()),
        **guards.named(health),
    }
