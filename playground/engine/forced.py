"""Reading given replies in one pass each: hidden states, features and log-probabilities without decoding.

Batches are made of texts of similar length; results come back in the order asked for.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from playground.engine.language_model import LanguageModel, left_pad
from playground.engine.methods.identity_layer import IdentityLayer

TOKENS_PER_BATCH = 4096
"""How many positions, padding included, are read at once: bounds memory (where no gradients are kept), not results."""
_SHORT = 128
"""Positions up to which attention's weights are cheap to keep for the way back."""


class PaddedBatch(NamedTuple):
    """Texts of similar length, padded on the left: which they are, ids and mask [B, T], and each reply's length."""

    indices: list[int]
    ids: Tensor
    mask: Tensor
    reply_lengths: list[int]


def batches(
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    device: torch.device,
    tokens: int = TOKENS_PER_BATCH,
) -> Iterator[PaddedBatch]:
    """Group prompt + reply sequences by length, at most `tokens` positions a batch."""
    lengths = [len(prompt) + len(reply) for prompt, reply in zip(prompts, replies, strict=True)]
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        # Sorted by length, so the newest member is the longest.
        if group and (len(group) + 1) * lengths[index] > tokens:
            yield _batch(group, prompts, replies, device)
            group = []
        group.append(index)
    if group:
        yield _batch(group, prompts, replies, device)


def _batch(
    group: list[int], prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]], device: torch.device
) -> PaddedBatch:
    ids, mask = left_pad([[*prompts[index], *replies[index]] for index in group], device)
    return PaddedBatch(group, ids, mask, [len(replies[index]) for index in group])


@torch.inference_mode()
def reply_states(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    identity_layer: IdentityLayer | None = None,
) -> list[Tensor]:
    """The final hidden states that predict each reply token, of either stream: for each text [T, D] in float32."""
    states: dict[int, Tensor] = {}
    for batch in batches(prompts, replies, model.device):
        embeddings = model.embed(batch.ids)
        if identity_layer is not None:
            embeddings = identity_layer(embeddings, batch.mask)
        hidden = model.decode(embeddings, batch.mask)
        for row, index in enumerate(batch.indices):
            states[index] = hidden[row, -batch.reply_lengths[row] - 1 : -1].float().clone()
    return [states[index] for index in range(len(prompts))]


@torch.inference_mode()
def reply_features(
    model: LanguageModel, prompts: Sequence[Sequence[int]], replies: Sequence[Sequence[int]], layers: Sequence[int]
) -> Tensor:
    """The base model's hidden states averaged over the reply's tokens, layers side by side: [B, len(layers) * D].

    Layer i is the output of the i-th decoder layer, counted from 1; the last one comes after the final norm.
    """
    features = torch.zeros(len(prompts), len(layers) * model.width)
    for batch in batches(prompts, replies, model.device):
        output = model.decoder(
            inputs_embeds=model.embed(batch.ids),
            attention_mask=batch.mask,
            position_ids=(batch.mask.cumsum(1) - 1).clamp(min=0),
            output_hidden_states=True,
            use_cache=False,
        )
        for row, index in enumerate(batch.indices):
            spans = [output.hidden_states[layer][row, -batch.reply_lengths[row] :] for layer in layers]
            features[index] = torch.cat([span.float().mean(0) for span in spans]).cpu()
    return features


class Predictions(NamedTuple):
    """What a stream says of the reply tokens of a batch, N in all: logits [N, V], the tokens [N], their rows [N]."""

    logits: Tensor
    tokens: Tensor
    rows: Tensor

    def logprobs(self, texts: int) -> Tensor:
        """Summed log-probability of each text's reply in nats [texts]."""
        chosen = self.logits.log_softmax(-1).gather(1, self.tokens.unsqueeze(1)).squeeze(1)
        return chosen.new_zeros(texts).index_add(0, self.rows, chosen)


def predict(model: LanguageModel, batch: PaddedBatch, identity_layer: IdentityLayer | None = None) -> Predictions:
    """Read a batch with the base stream or the aligned one; only logits that predict reply tokens are computed.

    Gradients flow to the identity layer if it is given.
    """
    embeddings = model.embed(batch.ids)
    with ExitStack() as attention:
        if identity_layer is not None:
            if torch.is_grad_enabled() and batch.ids.shape[1] <= _SHORT and model.device.type == "cpu":
                attention.enter_context(_plain_attention(model.decoder.config))
                attention.enter_context(_plain_attention(identity_layer.decoder.config))
            embeddings = identity_layer(embeddings, batch.mask)
        hidden = model.decode(embeddings, batch.mask)
    where = torch.zeros_like(batch.mask, dtype=torch.bool)
    for row, length in enumerate(batch.reply_lengths):
        where[row, -length:] = True
    rows, columns = where.nonzero(as_tuple=True)
    return Predictions(model.head(hidden[rows, columns - 1]), batch.ids[rows, columns], rows)


@contextmanager
def _plain_attention(config: Any) -> Generator[None]:
    """Attention as plain matrix products: on a CPU the fused one takes three times as long forth and back."""
    usual = config._attn_implementation
    config._attn_implementation = "eager"
    try:
        yield
    finally:
        config._attn_implementation = usual


@torch.inference_mode()
def reply_logprobs(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    replies: Sequence[Sequence[int]],
    identity_layer: IdentityLayer | None = None,
) -> Tensor:
    """Summed log-probability of each reply in nats: [B]."""
    total = torch.zeros(len(prompts))
    for batch in batches(prompts, replies, model.device):
        total[batch.indices] = predict(model, batch, identity_layer).logprobs(len(batch.indices)).cpu()
    return total
