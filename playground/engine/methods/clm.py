"""CLM (arXiv 2503.04346): a layer in front of the decoder, trained alone; alpha merges the aligned and the base stream.

    logits = base + alpha (aligned - base)

Each logit is a straight line in alpha, inside 0..1 and beyond, so that the range of alpha in which a token stays the
best is known in closed form. The head is linear: merging hidden states is the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from playground.cards import Card
from playground.engine.language_model import LanguageModel
from playground.engine.methods.base import InputLayer, Shapes, StoredMethod, Term, shapes_of
from playground.engine.methods.identity_layer import FILE_NAME, IdentityLayer
from playground.engine.sampling import first_max, first_min
from playground.settings import Strength


@dataclass(frozen=True)
class CLM(StoredMethod):
    """The identity layer `L`: the base stream reads e, the aligned one L(e)."""

    name: ClassVar[str] = "clm"
    title: ClassVar[str] = "CLM"
    slider: ClassVar[str] = "alpha"
    file: ClassVar[str] = FILE_NAME

    layer: IdentityLayer

    def streams(self, strength: Strength) -> Sequence[Term]:
        """The aligned stream; merged before the decoder it is one of its own, of which the logits take all."""
        if strength.merge == "embeddings":
            return [Term(InputLayer(self.layer, strength.alpha), weight=1.0, slope=0.0)]
        return [Term(InputLayer(self.layer), weight=strength.alpha, slope=1.0)]

    def save(self, folder: Path) -> None:
        """Write the layer's weights."""
        self.layer.save(folder)

    @classmethod
    def shapes(cls, model: LanguageModel, found: Shapes) -> Shapes:
        """Those of the model's layer 0."""
        return shapes_of(IdentityLayer(model).layer.state_dict())

    @classmethod
    def from_state(cls, model: LanguageModel, state: dict[str, Tensor], card: Card) -> "CLM":
        """The layer, in the model's dtype."""
        layer = IdentityLayer(model)
        layer.layer.load_state_dict(state)
        return cls(layer.to(model.device, model.dtype).requires_grad_(False))

    def tried(self, embeddings: Float[Tensor, "1 T D"], states: Float[Tensor, "T D"]) -> Iterable[Tensor]:
        """L(e)."""
        yield self.layer(embeddings, torch.ones(embeddings.shape[:2], dtype=torch.long, device=embeddings.device))


def merge(base: Float[Tensor, "*B X"], slopes: Iterable[tuple[Tensor | float, Tensor]]) -> Float[Tensor, "*B X"]:
    """base + sum of alpha_k slope_k, where slope_k = aligned_k - base: CLM's equation, summed over axes.

    All are [..., X], where X is the width of a hidden state or of the vocabulary; an alpha is a number or a tensor that
    broadcasts. Nothing is written to `base`, and without slopes it is returned as it is.
    """
    merged = base
    for alpha, slope in slopes:
        merged = merged + alpha * slope if isinstance(alpha, Tensor) else torch.add(merged, slope, alpha=alpha)
    return merged


class Interval(NamedTuple):
    """Where along alpha a token stays the best, and which token takes over at either end (any, if that is infinite)."""

    low: Float[Tensor, "*B"]
    low_token: Int[Tensor, "*B"]
    high: Float[Tensor, "*B"]
    high_token: Int[Tensor, "*B"]


def alpha_interval(
    scores: Float[Tensor, "*B V"],
    slope: Float[Tensor, "*B V"],
    alpha: Float[Tensor, "*B"] | float,
    chosen: Int[Tensor, "*B"],
) -> Interval:
    """The exact range of alpha in which the chosen tokens [...] stay the best; its ends may be infinite.

    scores [..., V] at alpha [...] move along straight lines of slope [..., V]. Token j overtakes the chosen one c at
    alpha + (s_c - s_j) / (m_j - m_c): above alpha where its slope is steeper, below where it is flatter. The first to
    do so has the greatest (or the least) pace, (m_j - m_c) / (s_c - s_j).
    """
    scores, slope, pick = scores.double(), slope.double(), chosen.unsqueeze(-1)
    # Scores that were compared in float32 may tie within its rounding: then the interval ends at alpha itself.
    lead = (scores.gather(-1, pick) - scores).clamp_(min=torch.finfo(torch.float64).tiny)
    pace = (slope - slope.gather(-1, pick)).div_(lead)
    up, down = first_max(pace), first_min(pace)
    fastest, slowest = pace.gather(-1, up.unsqueeze(-1)).squeeze(-1), pace.gather(-1, down.unsqueeze(-1)).squeeze(-1)
    high = torch.where(fastest > 0, alpha + 1 / fastest, torch.inf)
    low = torch.where(slowest < 0, alpha + 1 / slowest, -torch.inf)
    return Interval(low, down, high, up)
