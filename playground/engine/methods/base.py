"""What a method of steering is to the engine: which streams it needs, and how it moves the merged hidden state."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from weakref import ref

import torch
from jaxtyping import Float
from torch import Tensor

from playground.cards import Card
from playground.engine.language_model import LanguageModel
from playground.engine.methods.identity_layer import IdentityLayer
from playground.settings import Strength

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each tensor of a file, by name."""


class InputLayer(NamedTuple):
    """What makes a stream another than the base's: in place of e its decoder reads h = e + alpha (L(e) - e)."""

    layer: IdentityLayer
    alpha: float = 1.0

    @property
    def key(self) -> Hashable:
        """Equal where the streams are."""
        # Weak references: a layer loaded anew is another stream, even where the memory of the old one is used again.
        return ref(self.layer), self.alpha

    def merge(self, embeddings: Float[Tensor, "*B D"], aligned: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """e and L(e) -> h [..., D], in the dtype of e; L(e) itself at alpha 1."""
        return torch.lerp(embeddings.float(), aligned.float(), self.alpha).to(embeddings.dtype)


class Description(NamedTuple):
    """What makes a stream another than the base's, too: a description of who replies, under which it reads."""

    text: str


class Term(NamedTuple):
    """A stream beside the base's, and how much of it: logits = base + sum of weight (stream - base)."""

    front: InputLayer | Description
    weight: float
    slope: float
    """How much the weight grows with a unit of the slider; 0 where logits are no straight lines in it."""


class Edited(NamedTuple):
    """Hidden states after an edit [P, D], and their value before and after it [P]."""

    hidden: Float[Tensor, "P D"]
    before: Float[Tensor, " P"]
    after: Float[Tensor, " P"]


class Method(ABC):
    """One way to steer along an axis: what says how far, and the two seams at which it acts.

    `streams` says what the logits are merged from, `edit` moves what was merged. Strengths come with each call and are
    never kept, so that people cannot steer each other.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    slider: ClassVar[str]
    """The field of `Strength` that says how far; of an axis's methods that share one, one acts."""
    edits: ClassVar[bool] = False
    """Whether it has an `edit`, and so a value of each state to tell."""

    linear: ClassVar[bool] = True
    """Whether logits stay straight lines in the weights of streams where it edits."""

    def streams(self, strength: Strength) -> Sequence[Term]:
        """The streams it needs at this strength, with their weights in the logits."""
        return ()

    def moves(self, strength: Strength) -> bool:
        """Whether `edit` changes any state at this strength."""
        return False

    def edit(self, hidden: Float[Tensor, "P D"], strengths: Sequence[Strength]) -> Edited:
        """Move merged states [P, D] in float32, each by its own strength, and tell their values.

        A state that is not moved stays exactly as it is. Asked only of a method that `edits`.
        """
        raise NotImplementedError(f"{self.name} edits nothing")


class StoredMethod(Method):
    """A method with weights in the axis's folder."""

    file: ClassVar[str]
    """What holds them."""
    optional: ClassVar[bool] = False
    """Whether an axis may lack it."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the weights into an axis's folder as safetensors."""

    @classmethod
    @abstractmethod
    def shapes(cls, model: LanguageModel, found: Shapes) -> Shapes:
        """What shapes its file must hold for this base model; those found may choose a width of its own."""

    @classmethod
    @abstractmethod
    def from_state(cls, model: LanguageModel, state: dict[str, Tensor], card: Card) -> "StoredMethod":
        """The method from the tensors of its file, in float32, and what the card tells of it.

        Raises ValueError where it could not be computed with.
        """

    @abstractmethod
    def tried(self, embeddings: Float[Tensor, "1 T D"], states: Float[Tensor, "T D"]) -> Iterable[Tensor]:
        """What it makes of embeddings [1, T, D] and hidden states [T, D]: finite, or its weights are too large."""


def shapes_of(state: Mapping[str, Any]) -> Shapes:
    """The shapes of a module's tensors."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}
