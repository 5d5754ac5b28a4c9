"""The KV caches of a batch of rows: a base stream for each row, an aligned one for each axis it is steered along.

All streams are rows of one batch of the decoder. Nothing here knows of strengths: they act after the decoder.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from playground.engine.identity_layer import IdentityLayer
from playground.engine.language_model import LanguageModel, left_pad


class States(NamedTuple):
    """Last hidden states: base [B, D] and aligned [K, B, D]; a row without the k-th aligned stream repeats its base."""

    base: Tensor
    aligned: Tensor


class Streams:
    """Owns the caches. `prefill` once, then `advance` token by token, where rows may branch, end and change places.

    prompts: B sequences of token ids; layers: K identity layers; members[k]: the rows that layer k aligns.
    A prompt that several rows share is read once for each stream.
    """

    def __init__(
        self,
        model: LanguageModel,
        prompts: Sequence[Sequence[int]],
        layers: Sequence[IdentityLayer] = (),
        members: Sequence[Sequence[int]] = (),
    ) -> None:
        self.model, self.layers = model, layers
        self.prompts = [tuple(prompt) for prompt in prompts]
        self.members = [list(rows) for rows in members]
        self.cache = model.new_cache()
        self.layer_caches = [layer.new_cache() for layer in layers]

    @torch.inference_mode()
    def prefill(self) -> States:
        """Read all prompts -> the hidden states that predict each row's first token."""
        distinct = list(dict.fromkeys(self.prompts))
        ids, mask = left_pad(distinct, self.model.device)
        readers = [sorted({distinct.index(self.prompts[row]) for row in rows}) for rows in self.members]
        hidden, self.mask = self._decode(self.model.embed(ids), mask, readers)

        reader_of_row = [distinct.index(prompt) for prompt in self.prompts]
        spread = list(reader_of_row)
        offset = len(distinct)
        for cache, rows, group in zip(self.layer_caches, self.members, readers, strict=True):
            local = [group.index(reader_of_row[row]) for row in rows]
            cache.batch_select_indices(torch.tensor(local, device=mask.device))
            spread += [offset + position for position in local]
            offset += len(group)
        return self._states(self._select(hidden, spread))

    @torch.inference_mode()
    def advance(self, tokens: Sequence[int], parents: Sequence[int] | None = None) -> States:
        """New row i continues old row parents[i] with tokens[i] -> the hidden states that predict the next tokens.

        An old row that nobody names is let go; one named several times branches. Without `parents` all rows go on.
        """
        if parents is not None:
            self._inherit(parents)
        ids = torch.tensor(tokens, device=self.mask.device).unsqueeze(1)
        mask = torch.nn.functional.pad(self.mask[: len(tokens)], (0, 1), value=1)
        hidden, self.mask = self._decode(self.model.embed(ids), mask, self.members)
        return self._states(hidden)

    def _inherit(self, parents: Sequence[int]) -> None:
        """Give each new row the caches of its parent, in all its streams."""
        spread = list(parents)
        offset = len(self.prompts)
        for k, members in enumerate(self.members):
            place = {row: position for position, row in enumerate(members)}
            self.members[k] = [row for row, parent in enumerate(parents) if parent in place]
            local = [place[parents[row]] for row in self.members[k]]
            self.layer_caches[k].batch_select_indices(torch.tensor(local, device=self.mask.device, dtype=torch.long))
            spread += [offset + position for position in local]
            offset += len(members)
        self.prompts = [self.prompts[parent] for parent in parents]
        self._select(self.mask, spread)

    def _decode(self, embeddings: Tensor, mask: Tensor, members: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Base rows [B, T, D] with mask [B, S] and aligned streams of `members` -> last hidden states, whole mask."""
        parts, masks = [embeddings], [mask]
        for layer, cache, rows in zip(self.layers, self.layer_caches, members, strict=True):
            if rows:
                parts.append(layer(embeddings[rows], mask[rows], cache))
                masks.append(mask[rows])
        full = torch.cat(masks)
        return self.model.decode(torch.cat(parts), full, self.cache)[:, -1], full

    def _select(self, hidden: Tensor, streams: Sequence[int]) -> Tensor:
        """Let the decoder's cache and mask hold these streams, in this order; pick the same rows of `hidden`."""
        if list(streams) == list(range(self.mask.shape[0])):
            return hidden
        index = torch.tensor(streams, device=self.mask.device)
        self.cache.batch_select_indices(index)
        self.mask = self.mask[index]
        return hidden[index]

    def _states(self, hidden: Tensor) -> States:
        """Split the streams' hidden states [S, D] into base and aligned."""
        hidden = hidden.float()
        base = hidden[: len(self.prompts)]
        aligned = base.repeat(len(self.layers), 1, 1)
        offset = len(self.prompts)
        for k, rows in enumerate(self.members):
            aligned[k, rows] = hidden[offset : offset + len(rows)]
            offset += len(rows)
        return States(base, aligned)
