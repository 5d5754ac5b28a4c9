"""What a request asks of the engine, as numbers: each row's strengths, and the streams they need."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from weakref import ref

import torch
from torch import Tensor

from playground.engine import sampling
from playground.engine.identity_layer import IdentityLayer
from playground.engine.language_model import LanguageModel
from playground.engine.steering import Ascent, Controlled
from playground.engine.streams import Front
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
        parts = [_parts(axes, row) for row in rows]
        places = list(dict.fromkeys(chain.from_iterable(parts)))
        self.fronts = [
            Front(layer, alpha) for name, alpha in places if (layer := axes[name].identity_layer) is not None
        ]
        # Weak references: a layer loaded anew is another stream, even where the memory of the old one is used again.
        self.base: Stream = (ref(model), None)
        self.aligned: list[Stream] = [(ref(model), ref(front.layer), front.alpha) for front in self.fronts]
        self.steers = [[k for k, place in enumerate(places) if place in own] for own in parts]
        """The aligned streams that steer each row."""
        self.alpha = [[own.get(place, 0.0) for place in places] for own in parts]
        """How much each row's logits take of each aligned stream."""
        firsts = [row.strengths[0] if row.strengths else None for row in rows]
        lines = [(first.axis, 1.0) if first and first.merge == "logits" else None for first in firsts]
        self._first = [places.index(line) if line in places else None for line in lines]

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
        self.reads = torch.tensor(
            [valued.index(first.axis) if first and first.axis in valued else -1 for first in firsts]
        )

    def streams(self, row: int) -> list[Stream]:
        """The streams a row's logits are merged from."""
        return [self.base, *(self.aligned[k] for k in self.steers[row])]

    def members(self, groups: Sequence[Sequence[int]]) -> list[list[int]]:
        """For each aligned stream the groups of rows in which any has it."""
        return [
            [index for index, rows in enumerate(groups) if any(k in self.steers[row] for row in rows)]
            for k in range(len(self.fronts))
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
        """The stream of the row's first axis, if scores are straight lines along it: no control, no cut, no penalty."""
        return self._first[row] if sampling.is_linear(how) and not self.controlled[row] else None


def _parts(axes: Mapping[str, Steering], row: Row) -> dict[tuple[str, float], float]:
    """The aligned streams of a row, by axis and by alpha at the embeddings, and how much its logits take of each."""
    return dict(
        ((strength.axis, strength.alpha), 1.0)
        if strength.merge == "embeddings"
        else ((strength.axis, 1.0), strength.alpha)
        for strength in row.strengths
        if axes[strength.axis].identity_layer is not None
    )


def _strength(row: Row, axis: str) -> Strength:
    """The row's strength along an axis; off when the row does not name it."""
    return next((strength for strength in row.strengths if strength.axis == axis), Strength(axis=axis))
