"""What a decoder remembers of the streams of a request, and its two ways to go on token by token: stock and fused."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from playground.engine.fused_step import FusedDecoder, Span
from playground.engine.kv_memory import KVMemory
from playground.engine.linear import is_plain
from playground.engine.static_step import KVPool, StaticSteps, suits


class KVCache(Protocol):
    """The keys and values of S streams in one decoder. `prefill` comes first."""

    @property
    def joins(self) -> bool:
        """Whether it can `join`."""
        ...

    def prefill(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Read prompts [S, T, D] with mask [S, T], padded on the left -> hidden states [S, T, D]."""
        ...

    def select(self, parents: Sequence[int]) -> None:
        """Let stream i go on from what stream parents[i] has read; a stream that nobody names is let go."""
        ...

    def step(self, embeddings: Tensor) -> Tensor:
        """One token more for each stream, [S, D] -> its hidden states [S, D]."""
        ...

    def join(self, other: Any) -> None:
        """Take in the streams of another cache of this kind, behind its own; the other one is used up."""
        ...


def cache_maker(decoder: Any, in_int8: bool = False) -> Callable[[], KVCache]:
    """What makes empty caches for a stock decoder: fused ones if its family has a fused step, and all its numbers are
    plain ones in one place."""
    devices = {weight.device for weight in decoder.parameters()}
    if FusedDecoder.fits(decoder.config) and len(devices) == 1 and all(map(is_plain, decoder.parameters())):
        return FusedCaches(decoder, in_int8)
    return lambda: StockCache(decoder)


def run_decoder(decoder: nn.Module, embeddings: Tensor, mask: Tensor, cache: DynamicCache | None = None) -> Tensor:
    """Call a stock decoder on embeddings [B, T, D] with a mask [B, cached + T] -> hidden states [B, T, D].

    Rows are padded on the left with mask 0. The cache, if given, grows by T positions.
    """
    # A padded position needs some valid index; its mask keeps it from being read.
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -embeddings.shape[1] :]
    output = decoder(
        inputs_embeds=embeddings,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=cache is not None,
    )
    return output.last_hidden_state.to(embeddings.device)  # the last layer may be on another one


_JOINABLE = (DynamicLayer, DynamicSlidingWindowLayer)
"""Kinds of layers whose streams stand side by side, padded on the left like prompts of different length.

Others (states of convolutions and of linear attention, indexed or quantised keys) are not known to: a request of such
a family takes its steps by itself, in turn with the others.
"""


class StockCache:
    """The cache and the step of `transformers`. What it holds differs from family to family, so it cannot resume."""

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder
        self.cache = DynamicCache(config=decoder.config)

    def prefill(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """See KVCache."""
        self.mask = mask
        return run_decoder(self.decoder, embeddings, mask, self.cache)

    def select(self, parents: Sequence[int]) -> None:
        """See KVCache."""
        if list(parents) != list(range(len(self.mask))):
            index: Any = torch.tensor(parents, device=self.mask.device, dtype=torch.long)
            self.cache.reorder_cache(index)  # batch_select_indices does not know of linear attention and convolutions
            self.mask = self.mask[index]
            if self.joins:
                self._trim()

    def step(self, embeddings: Tensor) -> Tensor:
        """See KVCache."""
        self.mask = nn.functional.pad(self.mask, (0, 1), value=1)
        return run_decoder(self.decoder, embeddings.unsqueeze(1), self.mask, self.cache).squeeze(1)

    def _trim(self) -> None:
        """Let go of positions where all streams are padded: those who come and go would pile them up."""
        unused = int(self.mask.any(0).long().argmax())
        if not unused:
            return
        self.mask = self.mask[:, unused:]
        layers: Any = self.cache.layers
        for layer in layers:
            held = min(layer.keys.shape[-2], self.mask.shape[1])
            layer.keys, layer.values = layer.keys[..., -held:, :], layer.values[..., -held:, :]
            if isinstance(layer, DynamicSlidingWindowLayer):
                layer.cumulative_length = self.mask.shape[1]

    @property
    def joins(self) -> bool:
        """See KVCache."""
        layers: Any = self.cache.layers
        return all(type(layer) in _JOINABLE for layer in layers)

    def join(self, other: "StockCache") -> None:
        """See KVCache."""
        length = max(self.mask.shape[1], other.mask.shape[1])
        masks = (nn.functional.pad(mask, (length - mask.shape[1], 0)) for mask in (self.mask, other.mask))
        self.mask = torch.cat(list(masks))
        layers: Any = zip(self.cache.layers, other.cache.layers, strict=True)
        for ours, theirs in layers:
            held = max(ours.keys.shape[-2], theirs.keys.shape[-2])
            for name in ("keys", "values"):
                parts = [getattr(layer, name) for layer in (ours, theirs)]
                padded = [nn.functional.pad(part, (0, 0, held - part.shape[-2], 0)) for part in parts]
                setattr(ours, name, torch.cat(padded))
            if isinstance(ours, DynamicSlidingWindowLayer):
                ours.cumulative_length = length


class FusedCaches:
    """Makes fused caches of one decoder; the weights are made ready at the first and whenever they have changed."""

    def __init__(self, decoder: Any, in_int8: bool = False) -> None:
        self.decoder, self.in_int8 = decoder, in_int8
        self.state: list[tuple[int, int]] = []

    def __call__(self) -> "FusedCache":
        """An empty cache."""
        state = self._state()
        if state != self.state:
            self.fused = FusedDecoder(self.decoder, self.in_int8)
            self.state = self._state()
            self.pool = KVPool()
        return FusedCache(self.fused, self.pool if suits(self.fused) else None)

    def _state(self) -> list[tuple[int, int]]:
        """Changes when a weight is written to or replaced."""
        return [(weight.data_ptr(), weight._version) for weight in self.decoder.parameters()]


class FusedCache:
    """A cache whose texts are laid out and read piece by piece, can be copied out, and be gone on from elsewhere."""

    joins = True

    def __init__(self, fused: FusedDecoder, pool: KVPool | None = None) -> None:
        """With a pool its steps are static ones."""
        self.fused, self.pool = fused, pool
        self.static: StaticSteps | None = None

    def lay_out(self, lengths: Sequence[int], taken: Sequence[Tensor | None], like: Tensor) -> None:
        """Make room for texts of these lengths; text i begins with what `take` gave, if anything: taken[i].

        `like` has the embeddings' dtype and device. All of the texts must be read by `FusedDecoder.read` before a step.
        """
        self.memory = KVMemory.laid_out(self.fused.kv_shape, lengths, like, self.pool is not None)
        for row, part in enumerate(taken):
            if part is not None:
                self.memory.put(row, part)

    def prefill(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """See KVCache."""
        lengths = mask.sum(1).tolist()
        self.lay_out(lengths, [None] * len(lengths), embeddings)
        hidden = torch.zeros_like(embeddings)
        spans = [Span(self.memory, row, 0, length) for row, length in enumerate(lengths)]
        hidden[mask.bool()] = self.fused.read(embeddings[mask.bool()], spans)
        return hidden

    def select(self, parents: Sequence[int]) -> None:
        """See KVCache."""
        self.memory.select(parents)

    def step(self, embeddings: Tensor) -> Tensor:
        """See KVCache."""
        if self.pool is not None:
            self.static = self.pool.steps_for(self, self.memory, self.static or StaticSteps(self.fused))
        places, step = self.memory.places, self.static or self.fused.step
        if places == list(range(len(places))):
            return step(embeddings, self.memory)
        streams = sorted(range(len(places)), key=lambda stream: places[stream])
        return step(embeddings[streams], self.memory)[places]

    def take(self, stream: int) -> Tensor:
        """A copy of what a stream has read [layers, 2 * kv_heads, positions, head_dim]."""
        return self.memory.row(stream)

    def join(self, other: "FusedCache") -> None:
        """See KVCache."""
        self.memory.join(other.memory)
