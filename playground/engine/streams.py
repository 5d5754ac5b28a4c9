"""The KV caches of a batch of readings: what each stream has read of each text, a row of the decoder's batch each.

Nothing here knows of requests or strengths: those act after the decoder.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor

from playground.engine.caches import KVCache, ResumableCache
from playground.engine.language_model import LanguageModel, left_pad
from playground.engine.methods.base import InputLayer

LEAST_COMMON = 8
"""Tokens that different texts must begin with alike (a system prompt, a chat so far) to be read by themselves."""

Reading = tuple[Any, Any]
"""A stream, and the name of what it has read; both are hashable."""

States = dict[Reading, Tensor]
"""The last hidden state [D] of each reading: it predicts the next token."""


class Streams:
    """Owns the caches. `prefill` or `resume` once, then `advance` token by token; `join` takes in what others hold.

    fronts: what makes each stream, None for the base. A stream need not read every text.
    """

    def __init__(self, model: LanguageModel, fronts: Mapping[Any, InputLayer | None]) -> None:
        self.model, self.fronts = model, dict(fronts)
        self.cache = model.new_cache()
        self.layer_caches: dict[Hashable, KVCache] = {}
        self._places: dict[Reading, int] = {}
        self._layer_places: dict[Reading, int] = {}

    @property
    def readings(self) -> Sequence[Reading]:
        """What is held."""
        return list(self._places)

    @torch.inference_mode()
    def prefill(self, texts: Mapping[Reading, Sequence[int]]) -> States:
        """Read the texts, token ids, in one pass; what they begin with alike is read once in each stream."""
        order = self._ordered(texts)
        distinct = list({tuple(texts[reading]) for reading in order})
        common = _common_beginning(distinct) if isinstance(self.cache, ResumableCache) else 0
        ids, mask = left_pad([texts[reading][common:] for reading in order], self.model.device)
        first = torch.tensor([texts[order[0]][:common]], dtype=torch.long, device=self.model.device)
        beginning, embeddings = self.model.embed(first), self.model.embed(ids)
        beginnings, of, parts = [], [], []
        for stream, rows in _spans(order):
            begun, read = beginning, embeddings[rows]
            if (front := self.fronts[stream]) is not None:
                cache = self.layer_caches[stream] = front.layer.new_cache()
                dtype = front.layer.dtype
                begun, aligned = _read(cache, begun.to(dtype), [0] * len(read), read.to(dtype), mask[rows])
                begun, read = front.merge(beginning, begun), front.merge(read, aligned)
            of += [len(beginnings)] * len(read)
            beginnings.append(begun)
            parts.append(read)
        hidden = _read(self.cache, torch.cat(beginnings), of, torch.cat(parts), mask)[1][:, -1]
        self._hold(order)
        return dict(zip(order, hidden, strict=True))

    @torch.inference_mode()
    def advance(self, following: Mapping[Reading, tuple[Hashable, int]]) -> States:
        """Read one token more: each new reading is its stream's of the text of that name, and then the token.

        What nobody follows is let go; what several follow branches.
        """
        order = self._ordered(following)
        parents = [(stream, following[stream, name][0]) for stream, name in order]
        self.cache.select([self._places[parent] for parent in parents])
        tokens = torch.tensor([following[reading][1] for reading in order], device=self.model.device)
        embeddings, parts, live = self.model.embed(tokens), [], {}
        for stream, rows in _spans(order):
            read = embeddings[rows]
            if (front := self.fronts[stream]) is not None:
                cache = live[stream] = self.layer_caches[stream]
                cache.select([self._layer_places[parent] for parent in parents[rows]])
                read = front.merge(read, cache.step(read.to(front.layer.dtype)))
            parts.append(read)
        self.layer_caches = live
        self._hold(order)
        return dict(zip(order, self.cache.step(torch.cat(parts)), strict=True))

    def take(self, reading: Reading) -> tuple[Tensor, ...] | None:
        """A copy of keys and values, in the decoder and in the layer before it, for `resume`; None if none can."""
        if not isinstance(self.cache, ResumableCache):
            return None
        taken = (self.cache.take(self._places[reading]),)
        if self.fronts[reading[0]] is None:
            return taken
        return *taken, _resumable(self.layer_caches[reading[0]]).take(self._layer_places[reading])

    @torch.inference_mode()
    def resume(self, texts: Mapping[Reading, Sequence[int]], taken: Mapping[Reading, tuple[Tensor, ...]]) -> None:
        """Instead of prefill: what was taken begins with these texts, and is cut to their length."""
        order = self._ordered(texts)

        def cut(part: int, readings: Iterable[Reading]) -> list[Tensor]:
            return [taken[reading][part][..., : len(texts[reading]), :] for reading in readings]

        _resumable(self.cache).resume(cut(0, order))
        for stream, rows in _spans(order):
            if (front := self.fronts[stream]) is not None:
                cache = self.layer_caches[stream] = front.layer.new_cache()
                _resumable(cache).resume(cut(1, order[rows]))
        self._hold(order)

    def can_join(self, other: "Streams") -> bool:
        """Whether all caches can take in the other's."""
        caches = [self.cache, *self.layer_caches.values(), other.cache, *other.layer_caches.values()]
        return all(cache.joins for cache in caches)

    @torch.inference_mode()
    def join(self, other: "Streams") -> None:
        """Take in what others hold, who read no more; their names must be others."""
        held = len(self._places)
        self._places |= {reading: held + place for reading, place in other._places.items()}
        self.cache.join(other.cache)
        held_of = {stream: sum(one == stream for one, _ in self._layer_places) for stream in self.layer_caches}
        for reading, place in other._layer_places.items():
            self._layer_places[reading] = held_of.get(reading[0], 0) + place
        for stream, cache in other.layer_caches.items():
            if stream in self.layer_caches:
                self.layer_caches[stream].join(cache)
            else:
                self.layer_caches[stream] = cache
        self.fronts |= other.fronts

    def _ordered(self, readings: Iterable[Reading]) -> list[Reading]:
        """Those of a stream one after the other: they are one batch of the layer before the decoder."""
        rank = {stream: place for place, stream in enumerate(self.fronts)}
        return sorted(readings, key=lambda reading: rank[reading[0]])

    def _hold(self, order: Sequence[Reading]) -> None:
        self._places = {reading: place for place, reading in enumerate(order)}
        self._layer_places = {
            reading: place
            for stream, rows in _spans(order)
            if self.fronts[stream] is not None
            for place, reading in enumerate(order[rows])
        }


def _spans(order: Sequence[Reading]) -> Iterator[tuple[Hashable, slice]]:
    """The streams of ordered readings, and where each one's stand."""
    start = 0
    for place in range(1, len(order) + 1):
        if place == len(order) or order[place][0] != order[start][0]:
            yield order[start][0], slice(start, place)
            start = place


def _common_beginning(texts: Sequence[Sequence[int]]) -> int:
    """How many tokens different texts begin with alike, short of the whole of any; 0 where reading them once is
    not worth a pass of its own."""
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*(text[:-1] for text in texts), strict=False))
    common = sum(1 for _ in alike)
    return common if len(texts) > 1 and common >= LEAST_COMMON else 0


def _read(
    cache: KVCache, beginnings: Tensor, of: Sequence[int], embeddings: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Prefill a cache whose rows may have beginnings [G, N, D] in common (N may be 0); see ResumableCache."""
    if beginnings.shape[1] == 0:
        return beginnings, cache.prefill(embeddings, mask)
    return _resumable(cache).prefill_after(beginnings, of, embeddings, mask)


def _resumable(cache: KVCache) -> ResumableCache:
    """A layer's cache is of the same kind as its model's, and what was taken came from one that can."""
    assert isinstance(cache, ResumableCache)
    return cache
