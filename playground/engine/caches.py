"""What a decoder remembers of the streams of a request, and its two ways to go on token by token: stock and fused."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from playground.engine.fused_step import FusedDecoder
from playground.engine.kv_memory import KVMemory


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


@runtime_checkable
class ResumableCache(KVCache, Protocol):
    """A cache whose streams can begin alike, be copied out, and be taken up in another request."""

    def prefill_after(
        self, beginnings: Tensor, of: Sequence[int], embeddings: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Instead of prefill: stream i reads beginnings[of[i]], then its own embeddings, padded on the left.

        beginnings [G, N, D], embeddings [S, T, D], mask [S, T] -> their hidden states [G, N, D] and [S, T, D].
        """
        ...

    def take(self, stream: int) -> Tensor:
        """A copy of what a stream has read [..., positions, head_dim]."""
        ...

    def resume(self, taken: Sequence[Tensor]) -> None:
        """Instead of prefill: let stream i go on from taken[i], maybe cut to its first positions."""
        ...


def cache_maker(decoder: Any, in_int8: bool = False) -> Callable[[], KVCache]:
    """What makes empty caches for a stock decoder: fused ones if its family has a fused step."""
    return FusedCaches(decoder, in_int8) if FusedDecoder.fits(decoder.config) else lambda: StockCache(decoder)


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
    return output.last_hidden_state


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
        return FusedCache(self.decoder, self.fused)

    def _state(self) -> list[tuple[int, int]]:
        """Changes when a weight is written to or replaced."""
        return [(weight.data_ptr(), weight._version) for weight in self.decoder.parameters()]


class FusedCache:
    """Prompts are read by the stock decoder, the rest token by token by the fused step."""

    joins = True

    def __init__(self, decoder: Any, fused: FusedDecoder) -> None:
        self.decoder, self.fused = decoder, fused

    def prefill(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """See KVCache."""
        cache = DynamicCache(config=self.decoder.config)
        hidden = run_decoder(self.decoder, embeddings, mask, cache)
        self._take_over(cache, mask)
        return hidden

    def prefill_after(
        self, beginnings: Tensor, of: Sequence[int], embeddings: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See ResumableCache."""
        cache = DynamicCache(config=self.decoder.config)
        whole = mask.new_ones(beginnings.shape[:2])
        begun = run_decoder(self.decoder, beginnings, whole, cache)
        which: Any = torch.tensor(of, device=mask.device)
        cache.reorder_cache(which)
        hidden = run_decoder(self.decoder, embeddings, torch.cat([whole[which], mask], 1), cache)
        self._take_over(cache, mask, after=beginnings.shape[1])
        return begun, hidden

    def _take_over(self, cache: DynamicCache, mask: Tensor, after: int = 0) -> None:
        """Go on from what the stock decoder has read; what is padded stands after the first `after` positions."""
        layers: Any = cache.layers
        starts = (mask.shape[1] - mask.sum(1)).tolist()
        self.memory = KVMemory.of_layers([(layer.keys, layer.values) for layer in layers], starts, after)

    def select(self, parents: Sequence[int]) -> None:
        """See KVCache."""
        self.memory.select(parents)

    def step(self, embeddings: Tensor) -> Tensor:
        """See KVCache."""
        places = self.memory.places
        if places == list(range(len(places))):
            return self.fused.step(embeddings, self.memory)
        streams = sorted(range(len(places)), key=lambda stream: places[stream])
        return self.fused.step(embeddings[streams], self.memory)[places]

    def take(self, stream: int) -> Tensor:
        """See ResumableCache."""
        return self.memory.row(stream)

    def resume(self, taken: Sequence[Tensor]) -> None:
        """See ResumableCache."""
        self.memory = KVMemory.of_rows(taken)

    def join(self, other: "FusedCache") -> None:
        """See KVCache."""
        self.memory.join(other.memory)
