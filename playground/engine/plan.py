"""What a request asks of the engine, as numbers: each row's strengths, and the streams they need."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from weakref import ref

import torch
from torch import Tensor

from playground.engine import sampling
from playground.engine.identity_layer import IdentityLayer
from playground.engine.language_model import LanguageModel
from playground.engine.steering import Ascent, Controlled
from playground.engine.value_function import ValueFunction
from playground.settings import Row, Sampling, Strength

Stream = Hashable
"""Whose reading of a text a hidden state is: the base model's, or that of the model behind one identity layer."""


@dataclass(frozen=True)
class Steering:
    """What the engine needs of an axis: its two modules, and what control 1 means."""

    identity_layer: IdentityLayer | None
    value_function: ValueFunction | None
    step_size: float
    updates: int


class Plan:
    """The strengths of a request's rows: R rows, K axes with an identity layer, F with a value function."""

    def __init__(self, model: LanguageModel, axes: Mapping[str, Steering], rows: Sequence[Row]) -> None:
        names = list(dict.fromkeys(strength.axis for row in rows for strength in row.strengths))
        layered = [name for name in names if axes[name].identity_layer is not None]
        self.layers = [layer for name in layered if (layer := axes[name].identity_layer) is not None]
        # Weak references: a layer loaded anew is another stream, even where the memory of the old one is used again.
        self.base: Stream = (ref(model), None)
        self.aligned: list[Stream] = [(ref(model), ref(layer)) for layer in self.layers]
        self.steers = [
            [k for k, name in enumerate(layered) if any(strength.axis == name for strength in row.strengths)]
            for row in rows
        ]
        """The identity layers that steer each row."""
        self.alpha = [[_strength(row, name).alpha for name in layered] for row in rows]
        firsts = [row.strengths[0].axis if row.strengths else None for row in rows]
        self._first = [layered.index(first) if first in layered else None for first in firsts]

        named = [(name, function) for name in names if (function := axes[name].value_function) is not None]
        self.ascents = [Ascent(function) for _, function in named]
        strengths = [[_strength(row, name) for row in rows] for name, _ in named]
        self.step_sizes = torch.tensor(
            [
                [s.control * (axes[name].step_size if s.step_size is None else s.step_size) for s in of_rows]
                for (name, _), of_rows in zip(named, strengths, strict=True)
            ]
        ).reshape(len(named), len(rows))
        self.updates = torch.tensor(
            [
                [axes[name].updates if s.updates is None else s.updates for s in of_rows]
                for (name, _), of_rows in zip(named, strengths, strict=True)
            ],
            dtype=torch.long,
        ).reshape(len(named), len(rows))
        self.controlled = ((self.step_sizes != 0) & (self.updates > 0)).any(0).tolist()
        """Whether control moves each row's states."""
        valued = [name for name, _ in named]
        self.reads = torch.tensor([valued.index(first) if first in valued else -1 for first in firsts])

    def streams(self, row: int) -> list[Stream]:
        """The streams a row's logits are merged from."""
        return [self.base, *(self.aligned[k] for k in self.steers[row])]

    def members(self, groups: Sequence[Sequence[int]]) -> list[list[int]]:
        """For each identity layer the groups of rows in which it steers any."""
        return [
            [index for index, rows in enumerate(groups) if any(k in self.steers[row] for row in rows)]
            for k in range(len(self.layers))
        ]

    def control(self, hidden: Tensor, rows: Sequence[int]) -> Controlled:
        """Let the merged states [P, D] of these rows climb each value function in turn.

        The values told are those of a row's first axis, nan without one.
        """
        before = after = torch.full(hidden.shape[:1], torch.nan, device=hidden.device)
        index = list(rows)
        reads = self.reads[index].to(hidden.device)
        for f, ascent in enumerate(self.ascents):
            climbed = ascent(hidden, self.step_sizes[f, index], self.updates[f, index])
            hidden = climbed.hidden
            before = torch.where(reads == f, climbed.before, before)
            after = torch.where(reads == f, climbed.after, after)
        return Controlled(hidden, before, after)

    def line(self, row: int, how: Sampling) -> int | None:
        """The layer of the row's first axis, if scores are straight lines along it: no control, no cut, no penalty."""
        return self._first[row] if sampling.is_linear(how) and not self.controlled[row] else None


def _strength(row: Row, axis: str) -> Strength:
    """The row's strength along an axis; off when the row does not name it."""
    return next((strength for strength in row.strengths if strength.axis == axis), Strength(axis=axis))
