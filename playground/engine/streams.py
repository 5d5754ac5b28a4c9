"""The KV caches of a batch of rows: a base stream for each row, an aligned one for each axis it is steered along.

All streams are rows of one batch of the decoder. Nothing here knows of strengths: they act after the decoder.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, takewhile
from typing import NamedTuple

import torch
from torch import Tensor

from playground.engine.caches import KVCache, ResumableCache
from playground.engine.language_model import LanguageModel, left_pad
from playground.engine.methods.base import Front

LEAST_COMMON = 8
"""Tokens that different prompts must begin with alike (a system prompt, a chat so far) to be read by themselves."""


class States(NamedTuple):
    """Last hidden states: base [B, D] and aligned [K, B, D]; a row without the k-th aligned stream repeats its base."""

    base: Tensor
    aligned: Tensor


Taken = Mapping[int | None, tuple[Tensor, ...]]
"""What one row has read, by stream, None for the base: keys and values in the decoder and in the layer before it."""


class Streams:
    """Owns the caches. `prefill` once, then `advance` token by token, where rows may branch, end and change places.

    prompts: B sequences of token ids; fronts: of K aligned streams; members[k]: the rows that have the k-th of them.
    A prompt that several rows share is read once for each stream, and so is what different prompts begin with alike.
    """

    def __init__(
        self,
        model: LanguageModel,
        prompts: Sequence[Sequence[int]],
        fronts: Sequence[Front] = (),
        members: Sequence[Sequence[int]] = (),
    ) -> None:
        self.model, self.fronts = model, fronts
        self.prompts = [tuple(prompt) for prompt in prompts]
        self.members = [list(rows) for rows in members]
        self.cache = model.new_cache()
        self.layer_caches = [front.layer.new_cache() for front in fronts]

    @torch.inference_mode()
    def prefill(self) -> States:
        """Read all prompts -> the hidden states that predict each row's first token."""
        distinct = list(dict.fromkeys(self.prompts))
        common = _common_beginning(distinct) if isinstance(self.cache, ResumableCache) else 0
        ids, mask = left_pad([prompt[common:] for prompt in distinct], self.model.device)
        beginning = self.model.embed(torch.tensor([distinct[0][:common]], dtype=torch.long, device=self.model.device))
        embeddings = self.model.embed(ids)
        reader_of_row = [distinct.index(prompt) for prompt in self.prompts]
        beginnings, parts, masks, spread = [beginning], [embeddings], [mask], list(reader_of_row)
        for front, cache, rows in zip(self.fronts, self.layer_caches, self.members, strict=True):
            if not rows:
                continue
            readers = sorted({reader_of_row[row] for row in rows})
            local = [readers.index(reader_of_row[row]) for row in rows]
            spread += [sum(map(len, parts)) + position for position in local]
            read = embeddings[readers]
            dtype = front.layer.dtype
            begun, aligned = _read(cache, beginning.to(dtype), [0] * len(readers), read.to(dtype), mask[readers])
            beginnings.append(front.merge(beginning, begun))
            parts.append(front.merge(read, aligned))
            cache.select(local)
            masks.append(mask[readers])
        of = [stream for stream, part in enumerate(parts) for _ in part]
        hidden = _read(self.cache, torch.cat(beginnings), of, torch.cat(parts), torch.cat(masks))[1][:, -1]
        self.cache.select(spread)
        return self._states(hidden[spread])

    @torch.inference_mode()
    def advance(self, tokens: Sequence[int], parents: Sequence[int] | None = None) -> States:
        """New row i continues old row parents[i] with tokens[i] -> the hidden states that predict the next tokens.

        An old row that nobody names is let go; one named several times branches. Without `parents` all rows go on.
        """
        if parents is not None and list(parents) != list(range(len(self.prompts))):
            self._inherit(parents)
        embeddings = self.model.embed(torch.tensor(tokens, device=self.model.device))
        parts = [embeddings]
        for front, cache, rows in zip(self.fronts, self.layer_caches, self.members, strict=True):
            if rows:
                read = embeddings[rows]
                parts.append(front.merge(read, cache.step(read.to(front.layer.dtype))))
        return self._states(self.cache.step(torch.cat(parts)))

    def take(self, row: int) -> Taken | None:
        """A copy of what a row has read, for `resume`; None where the caches cannot."""
        if not isinstance(self.cache, ResumableCache):
            return None
        taken: dict[int | None, tuple[Tensor, ...]] = {None: (self.cache.take(row),)}
        offset = len(self.prompts)
        for k, rows in enumerate(self.members):
            if row in rows:
                before = _resumable(self.layer_caches[k])
                taken[k] = (self.cache.take(offset + rows.index(row)), before.take(rows.index(row)))
            offset += len(rows)
        return taken

    @torch.inference_mode()
    def resume(self, taken: Sequence[Taken]) -> None:
        """Instead of prefill: row i has read what taken[i] holds, cut to the length of its prompt."""
        lengths = [len(prompt) for prompt in self.prompts]

        def cut(part: int, k: int | None, rows: Iterable[int]) -> list[Tensor]:
            return [taken[row][k][part][..., : lengths[row], :] for row in rows]

        aligned = [cut(0, k, rows) for k, rows in enumerate(self.members)]
        _resumable(self.cache).resume([*cut(0, None, range(len(taken))), *chain.from_iterable(aligned)])
        for k, (cache, rows) in enumerate(zip(self.layer_caches, self.members, strict=True)):
            if rows:
                _resumable(cache).resume(cut(1, k, rows))

    def _inherit(self, parents: Sequence[int]) -> None:
        """Give each new row the caches of its parent, in all its streams."""
        spread = list(parents)
        offset = len(self.prompts)
        for k, members in enumerate(self.members):
            place = {row: position for position, row in enumerate(members)}
            self.members[k] = [row for row, parent in enumerate(parents) if parent in place]
            local = [place[parents[row]] for row in self.members[k]]
            if members:
                self.layer_caches[k].select(local)
            spread += [offset + position for position in local]
            offset += len(members)
        self.prompts = [self.prompts[parent] for parent in parents]
        self.cache.select(spread)

    def _states(self, hidden: Tensor) -> States:
        """Split the streams' hidden states [S, D] into base and aligned."""
        hidden = hidden.float()
        base = hidden[: len(self.prompts)]
        aligned = base.repeat(len(self.fronts), 1, 1)
        offset = len(self.prompts)
        for k, rows in enumerate(self.members):
            aligned[k, rows] = hidden[offset : offset + len(rows)]
            offset += len(rows)
        return States(base, aligned)


def _common_beginning(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens different prompts begin with alike, short of the whole of any; 0 where reading them once is
    not worth a pass of its own."""
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*(prompt[:-1] for prompt in prompts), strict=False))
    common = sum(1 for _ in alike)
    return common if len(prompts) > 1 and common >= LEAST_COMMON else 0


def _read(
    cache: KVCache, beginnings: Tensor, of: Sequence[int], embeddings: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Prefill a cache whose streams may have beginnings [G, N, D] in common (N may be 0); see ResumableCache."""
    if beginnings.shape[1] == 0:
        return beginnings, cache.prefill(embeddings, mask)
    return _resumable(cache).prefill_after(beginnings, of, embeddings, mask)


def _resumable(cache: KVCache) -> ResumableCache:
    """A layer's cache is of the same kind as its model's, and what was taken came from one that can."""
    assert isinstance(cache, ResumableCache)
    return cache
