"""What a request asks of the engine: for each row the streams it reads, and the edits of what is merged from them."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from weakref import ref

import torch
from torch import Tensor

from playground.engine import sampling
from playground.engine.language_model import LanguageModel
from playground.engine.methods import Steering
from playground.engine.methods.base import Edited, Front, Method, Term
from playground.settings import Row, Sampling, Strength

Stream = Hashable
"""Whose reading of a text a hidden state is: the base model's, or that of the model behind one identity layer."""


@dataclass(frozen=True)
class Edit:
    """What one method does to a row's merged states."""

    method: Method
    strength: Strength


@dataclass(frozen=True)
class RowPlan:
    """How one row is steered: what its logits take of which streams, and what moves its state before the head."""

    weights: Mapping[int, float]
    """How much its logits take of each aligned stream it has, by the stream's number."""
    edits: tuple[Edit, ...]
    """In the order in which they act; those that move nothing are there to tell a value."""
    told: Edit | None
    """The edit whose values are told: that of the row's first axis."""
    line: int | None
    """The stream along which its logits are straight lines in its first axis's slider."""

    @property
    def moved(self) -> bool:
        """Whether its state is another than the one merged from its streams."""
        return any(edit.method.moves(edit.strength) for edit in self.edits)

    @property
    def bent(self) -> bool:
        """Whether its logits are no straight lines in any slider."""
        return any(edit.method.moves(edit.strength) and not edit.method.linear for edit in self.edits)


class Plan:
    """The rows of a request, and the K aligned streams that any of them reads."""

    def __init__(self, model: LanguageModel, axes: Mapping[str, Steering], rows: Sequence[Row]) -> None:
        """Raises InvalidInput where a strength names a method that its axis does not have."""
        # Weak references: a layer loaded anew is another stream, even where the memory of the old one is used again.
        self.base: Stream = (ref(model), None)
        self._model = ref(model)
        self.fronts: list[Front] = []
        self.aligned: list[Stream] = []
        self.rows = [self._row(axes, row) for row in rows]

    def _row(self, axes: Mapping[str, Steering], row: Row) -> RowPlan:
        weights: dict[int, float] = {}
        edits: list[Edit] = []
        told = line = None
        for strength in row.strengths:
            first = strength is row.strengths[0]
            for method in axes[strength.axis].acting(strength):
                for term in method.streams(strength):
                    stream = self._stream(term)
                    weights[stream] = term.weight
                    if first and term.linear and line is None:
                        line = stream
                if method.edits:
                    edits.append(Edit(method, strength))
                    told = edits[-1] if first and told is None else told
        return RowPlan(weights, tuple(edits), told, line)

    def _stream(self, term: Term) -> int:
        """The number of a term's stream, which may be new."""
        stream = (self._model, ref(term.front.layer), term.front.alpha)
        if stream not in self.aligned:
            self.fronts.append(term.front)
            self.aligned.append(stream)
        return self.aligned.index(stream)

    def streams(self, row: int) -> list[Stream]:
        """The streams a row's logits are merged from."""
        return [self.base, *(self.aligned[k] for k in self.rows[row].weights)]

    def members(self, groups: Sequence[Sequence[int]]) -> list[list[int]]:
        """For each aligned stream the groups of rows in which any has it."""
        return [
            [index for index, rows in enumerate(groups) if any(k in self.rows[row].weights for row in rows)]
            for k in range(len(self.fronts))
        ]

    def edit(self, hidden: Tensor, rows: Sequence[int]) -> Edited:
        """Let each method move the merged states [P, D] of the rows that it steers, one method after the other.

        The values told are those of a row's first axis, nan without one.
        """
        before = after = torch.full(hidden.shape[:1], torch.nan, device=hidden.device)
        of_method: dict[int, list[tuple[int, Edit]]] = {}
        for place, row in enumerate(rows):
            for edit in self.rows[row].edits:
                of_method.setdefault(id(edit.method), []).append((place, edit))
        for edits in of_method.values():
            places = torch.tensor([place for place, _ in edits], device=hidden.device)
            method = edits[0][1].method
            edited = method.edit(hidden[places], [edit.strength for _, edit in edits])
            hidden = hidden.index_copy(0, places, edited.hidden)
            told = torch.tensor([edit is self.rows[rows[place]].told for place, edit in edits], device=hidden.device)
            before = before.index_copy(0, places[told], edited.before[told])
            after = after.index_copy(0, places[told], edited.after[told])
        return Edited(hidden, before, after)

    def line(self, row: int, how: Sampling) -> int | None:
        """The stream of the row's first axis, if scores are straight lines along it: no climb, no cut, no penalty."""
        return self.rows[row].line if sampling.is_linear(how) and not self.rows[row].bent else None
