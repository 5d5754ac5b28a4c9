"""How a row is steered: the streams its logits are merged from, and the edits of what is merged."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from weakref import ref

import torch
from torch import Tensor

from playground.engine import sampling
from playground.engine.language_model import LanguageModel
from playground.engine.methods import Steering
from playground.engine.methods.base import Edited, InputLayer, Method, Term
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

    base: Stream
    weights: Mapping[Stream, float]
    """How much its logits take of each aligned stream it has."""
    fronts: Mapping[Stream, InputLayer | None]
    """What makes each of its streams, the base first, for which nothing is needed."""
    edits: tuple[Edit, ...]
    """In the order in which they act; those that move nothing are there to tell a value."""
    told: Edit | None
    """The edit whose values are told: that of the row's first axis."""
    straight: Stream | None
    """The stream along which its logits are straight lines in its first axis's slider."""

    @property
    def streams(self) -> list[Stream]:
        """The streams its logits are merged from."""
        return list(self.fronts)

    @property
    def moved(self) -> bool:
        """Whether its state is another than the one merged from its streams."""
        return any(edit.method.moves(edit.strength) for edit in self.edits)

    @property
    def bent(self) -> bool:
        """Whether its logits are no straight lines in any slider."""
        return any(edit.method.moves(edit.strength) and not edit.method.linear for edit in self.edits)

    def line(self, how: Sampling) -> Stream | None:
        """The stream of its first axis, if scores are straight lines along it: no climb, no cut, no penalty."""
        return self.straight if sampling.is_linear(how) and not self.bent else None


def plan_row(model: LanguageModel, axes: Mapping[str, Steering], row: Row) -> RowPlan:
    """How a row is steered. Raises InvalidInput where a strength names a method that its axis does not have."""
    base: Stream = (ref(model), None)
    weights: dict[Stream, float] = {}
    fronts: dict[Stream, InputLayer | None] = {base: None}
    edits: list[Edit] = []
    told = straight = None
    for strength in row.strengths:
        first = strength is row.strengths[0]
        for method in axes[strength.axis].acting(strength):
            for term in method.streams(strength):
                stream = _stream(model, term)
                weights[stream], fronts[stream] = term.weight, term.front
                if first and term.linear and straight is None:
                    straight = stream
            if method.edits:
                edits.append(Edit(method, strength))
                told = edits[-1] if first and told is None else told
    return RowPlan(base, weights, fronts, tuple(edits), told, straight)


def _stream(model: LanguageModel, term: Term) -> Stream:
    return ref(model), term.front.key


def edit(hidden: Tensor, plans: Sequence[RowPlan]) -> Edited:
    """Let each method move the merged states [P, D] of the rows that it steers, one method after the other.

    The values told are those of a row's first axis, nan without one.
    """
    before = after = torch.full(hidden.shape[:1], torch.nan, device=hidden.device)
    of_method: dict[int, list[tuple[int, Edit]]] = {}
    for place, plan in enumerate(plans):
        for one in plan.edits:
            of_method.setdefault(id(one.method), []).append((place, one))
    for edits in of_method.values():
        places = torch.tensor([place for place, _ in edits], device=hidden.device)
        method = edits[0][1].method
        edited = method.edit(hidden[places], [one.strength for _, one in edits])
        hidden = hidden.index_copy(0, places, edited.hidden)
        told = torch.tensor([one is plans[place].told for place, one in edits], device=hidden.device)
        before = before.index_copy(0, places[told], edited.before[told])
        after = after.index_copy(0, places[told], edited.after[told])
    return Edited(hidden, before, after)
