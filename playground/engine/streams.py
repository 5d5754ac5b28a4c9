"""The KV caches of a batch of readings: what each stream has read of each text, a row of the decoder's batch each.

Nothing here knows of requests or strengths: those act after the decoder.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from playground.engine.caches import FusedCache, KVCache
from playground.engine.fused_step import Span
from playground.engine.language_model import LanguageModel, left_pad
from playground.engine.methods.base import InputLayer

PIECE = 128
"""Tokens of a text that are read in one pass at most."""

Reading = tuple[Any, Any]
"""A stream, and the name of what it has read; both are hashable."""

States = dict[Reading, Tensor]
"""The last hidden state [D] of each reading: it predicts the next token."""


class Streams:
    """Owns the caches. `lay_out` texts and `read` them, then `advance` by tokens; `join` takes in what others hold.

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

    @property
    def resumable(self) -> bool:
        """Whether texts can be read piece by piece, and gone on from elsewhere."""
        return isinstance(self.cache, FusedCache)

    @property
    def left(self) -> int:
        """How many tokens of the texts laid out are still to be read."""
        return sum(len(ids) for ids in self._unread.values())

    def prefill(self, texts: Mapping[Reading, Sequence[int]]) -> States:
        """Read the texts, token ids, in one go."""
        self.lay_out(texts, {})
        while self.left:
            read([self], self.left)
        return self.states

    def lay_out(self, texts: Mapping[Reading, Sequence[int]], taken: Mapping[Reading, tuple[Tensor, ...]]) -> None:
        """Take up texts, token ids, that begin with what was taken, if anything; `read` reads them, `states` tells.

        What was taken is cut, so that at least a token of each text is left to be read.
        """
        order = self._ordered(texts)
        self.states: States = {}
        self._unread = {reading: list(texts[reading]) for reading in order}
        self._lengths = {reading: len(texts[reading]) for reading in order}
        self._hold(order)
        if not self.resumable:
            return
        parts = {
            reading: tuple(part[..., : len(texts[reading]) - 1, :] for part in taken[reading]) for reading in taken
        }
        lengths = [len(texts[reading]) for reading in order]
        like = self.model.embed(torch.zeros(1, 1, dtype=torch.long, device=self.model.device))
        _fused(self.cache).lay_out(lengths, [parts[one][0] if one in parts else None for one in order], like)
        for stream, rows in _spans(order):
            if (front := self.fronts[stream]) is not None:
                cache = self.layer_caches[stream] = front.layer.new_cache()
                own = [parts[one][1] if one in parts else None for one in order[rows]]
                _fused(cache).lay_out(lengths[rows], own, like.to(front.layer.dtype))
        for reading, part in parts.items():
            del self._unread[reading][: part[0].shape[-2]]

    def pieces(self, most: int) -> dict[Reading, int]:
        """How many tokens of which texts are read next: of one after the other until `most` or somewhat more are found.

        A text is cut at multiples of PIECE of its own tokens, so that it falls into the same pieces in any company.
        """
        found: dict[Reading, int] = {}
        for reading, ids in self._unread.items():
            if most <= 0:
                break
            if ids:
                found[reading] = min(len(ids), PIECE - self._before(reading) % PIECE)
                most -= found[reading]
        return found

    def _before(self, reading: Reading) -> int:
        return self._lengths[reading] - len(self._unread[reading])

    def _embedded(self, pieces: Mapping[Reading, int]) -> Tensor:
        """What the decoder reads of pieces [N, D], one after the other."""
        flat = [token for reading, count in pieces.items() for token in self._unread[reading][:count]]
        embeddings = self.model.embed(torch.tensor(flat, device=self.model.device))
        order, parts, at = list(pieces), [], 0
        for stream, rows in _spans(order):
            own = {reading: pieces[reading] for reading in order[rows]}
            part, at = embeddings[at : at + sum(own.values())], at + sum(own.values())
            if (front := self.fronts[stream]) is not None:
                cache = _fused(self.layer_caches[stream])
                spans = self._spans_in(cache, self._layer_places, own)
                part = front.merge(part, cache.fused.read(part.to(front.layer.dtype), spans))
            parts.append(part)
        return torch.cat(parts)

    def _spans_in(self, cache: FusedCache, places: Mapping[Reading, int], pieces: Mapping[Reading, int]) -> list[Span]:
        return [Span(cache.memory, places[one], self._before(one), count) for one, count in pieces.items()]

    def _took(self, pieces: Mapping[Reading, int], hidden: Tensor) -> None:
        """The decoder made these states [N, D] of pieces."""
        at = 0
        for reading, count in pieces.items():
            at += count
            del self._unread[reading][:count]
            if not self._unread[reading]:
                self.states[reading] = hidden[at - 1]

    def _read_whole(self) -> None:
        """The stock way: all texts in one pass, padded on the left."""
        order = list(self._unread)
        ids, mask = left_pad([self._unread[reading] for reading in order], self.model.device)
        embeddings, parts = self.model.embed(ids), []
        for stream, rows in _spans(order):
            part = embeddings[rows]
            if (front := self.fronts[stream]) is not None:
                cache = self.layer_caches[stream] = front.layer.new_cache()
                part = front.merge(part, cache.prefill(part.to(front.layer.dtype), mask[rows]))
            parts.append(part)
        hidden = self.cache.prefill(torch.cat(parts), mask)[:, -1]
        self._unread = {reading: [] for reading in order}
        self.states = dict(zip(order, hidden, strict=True))

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
        """A copy of keys and values, in the decoder and in the layer before it, for `lay_out`; None if none can."""
        if not self.resumable:
            return None
        taken = (_fused(self.cache).take(self._places[reading]),)
        if self.fronts[reading[0]] is None:
            return taken
        return *taken, _fused(self.layer_caches[reading[0]]).take(self._layer_places[reading])

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


@torch.inference_mode()
def read(parts: Sequence[Streams], most: int) -> int:
    """Read some tokens more of all that is laid out, at most about `most`, in one pass -> how many they were.

    Where texts cannot be read piece by piece, each of `parts` is read whole.
    """
    resumable = [part for part in parts if part.resumable]
    told = 0
    for part in parts:
        if not part.resumable:
            told += part.left
            part._read_whole()
    work: list[tuple[Streams, dict[Reading, int]]] = []
    for part in resumable:
        if pieces := part.pieces(most - told):
            work.append((part, pieces))
            told += sum(pieces.values())
    if not work:
        return told
    cache = _fused(work[0][0].cache)
    embeddings = torch.cat([part._embedded(pieces) for part, pieces in work])
    spans = [s for part, pieces in work for s in part._spans_in(_fused(part.cache), part._places, pieces)]
    hidden, at = cache.fused.read(embeddings, spans), 0
    for part, pieces in work:
        end = at + sum(pieces.values())
        part._took(pieces, hidden[at:end])
        at = end
    return told


def _fused(cache: KVCache) -> FusedCache:
    """A layer's cache is of the same kind as its model's, and what was taken came from one that can."""
    assert isinstance(cache, FusedCache)
    return cache
