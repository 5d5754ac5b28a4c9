"""A steering vector: RE-Control's own baseline (arXiv 2406.05954), a value function that is linear.

    V(h) = v . h,    h <- h + control v

v is the mean last hidden state of replies at one end of the axis minus that at the other (arXiv 2312.06681), as long as
control 1 is to go.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from playground.cards import Card
from playground.engine.language_model import LanguageModel
from playground.engine.methods.base import Edited, Shapes, StoredMethod
from playground.files import in_one_piece
from playground.settings import Strength


@dataclass(frozen=True)
class SteeringVector(StoredMethod):
    """The vector v [D] in float32."""

    name: ClassVar[str] = "steering_vector"
    title: ClassVar[str] = "steering vector"
    slider: ClassVar[str] = "control"
    file: ClassVar[str] = "steering_vector.safetensors"
    optional: ClassVar[bool] = True
    edits: ClassVar[bool] = True

    vector: Float[Tensor, " D"]

    def moves(self, strength: Strength) -> bool:
        """Whether anything is added."""
        return strength.control != 0

    @torch.no_grad()
    def edit(self, hidden: Float[Tensor, "P D"], strengths: Sequence[Strength]) -> Edited:
        """Add control v to states [P, D]; the value is v . h."""
        control = torch.tensor([strength.control for strength in strengths], device=hidden.device)
        moved = torch.addcmul(hidden, control.unsqueeze(1), self.vector)
        return Edited(moved, hidden @ self.vector, moved @ self.vector)

    def save(self, folder: Path) -> None:
        """Write the vector."""
        with in_one_piece(folder / self.file) as scratch:
            save_file({"vector": self.vector.detach().cpu().contiguous()}, scratch)

    @classmethod
    def shapes(cls, model: LanguageModel, found: Shapes) -> Shapes:
        """As wide as the model."""
        return {"vector": (model.width,)}

    @classmethod
    def from_state(cls, model: LanguageModel, state: dict[str, Tensor], card: Card) -> "SteeringVector":
        """The vector on the model's device."""
        return cls(state["vector"].to(model.device))

    def tried(self, embeddings: Float[Tensor, "1 T D"], states: Float[Tensor, "T D"]) -> Iterable[Tensor]:
        """V(h)."""
        yield states @ self.vector
