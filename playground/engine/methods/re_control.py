"""RE-Control (arXiv 2406.05954): climb a value function on the last hidden state while decoding.

    h <- h + step_size grad V(h), `updates` times

`control` multiplies the step size: 1 is as calibrated, negative goes down. With a `target` the climb is towards that
value instead of upwards, as in Pre-Control (arXiv 2510.12121): it descends Huber's loss of V(h) - target, which is
(V(h) - target)^2 / 2 within 1 of the target, and farther away goes no faster than without one.

    h <- h + step_size clip(target - V(h), -1, 1) grad V(h)
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from playground.cards import Card
from playground.engine.language_model import LanguageModel
from playground.engine.methods.base import Edited, Shapes, StoredMethod, shapes_of
from playground.engine.methods.value_function import FILE_NAME, ValueFunction
from playground.settings import Strength

_WIDEST = 65_536  # inside a value function


@dataclass(frozen=True)
class REControl(StoredMethod):
    """The value function V, and what control 1 means: so many updates of such a step size."""

    name: ClassVar[str] = "re_control"
    title: ClassVar[str] = "RE-Control"
    slider: ClassVar[str] = "control"
    file: ClassVar[str] = FILE_NAME
    edits: ClassVar[bool] = True
    linear: ClassVar[bool] = False

    function: ValueFunction
    step_size: float
    updates: int

    @cached_property
    def _ascent(self) -> "GradientAscent":
        return GradientAscent(self.function)

    def moves(self, strength: Strength) -> bool:
        """Whether any step has a length."""
        return self._step(strength) != 0 and self._updates(strength) > 0

    def edit(self, hidden: Float[Tensor, "P D"], strengths: Sequence[Strength]) -> Edited:
        """Climb from states [P, D], each by its own step size and number of updates, and to its own target."""
        steps = torch.tensor([self._step(strength) for strength in strengths])
        updates = torch.tensor([self._updates(strength) for strength in strengths])
        targets = [math.inf if strength.target is None else strength.target for strength in strengths]
        return self._ascent(hidden, steps, updates, torch.tensor(targets))

    def _step(self, strength: Strength) -> float:
        # The target says which way: with one, control below 0 would lead away from it.
        control = strength.control if strength.target is None else abs(strength.control)
        return control * (self.step_size if strength.step_size is None else strength.step_size)

    def _updates(self, strength: Strength) -> int:
        return self.updates if strength.updates is None else strength.updates

    def save(self, folder: Path) -> None:
        """Write V's weights."""
        self.function.save(folder)

    @classmethod
    def shapes(cls, model: LanguageModel, found: Shapes) -> Shapes:
        """As wide as the model, and inside as wide as the file says."""
        hidden = max(1, min(next(iter(found.get("inner.bias", ())), 1), _WIDEST))
        return shapes_of(ValueFunction(model.width, hidden).state_dict())

    @classmethod
    def from_state(cls, model: LanguageModel, state: dict[str, Tensor], card: Card) -> "REControl":
        """V on the model's device. Raises ValueError where it would divide by 0."""
        function = ValueFunction.from_state(state)
        if not bool((function.scale > 0).all()):
            raise ValueError("it would divide by 0")
        return cls(function.to(model.device), card.calibration.step_size, card.calibration.updates)

    def tried(self, embeddings: Float[Tensor, "1 T D"], states: Float[Tensor, "T D"]) -> Iterable[Tensor]:
        """V(h), and its hidden layer."""
        yield self.function(states)
        yield self.function.inside(states)


class GradientAscent:
    """h <- h + step_size * grad V(h) repeated, in closed form for V's perceptron.

    With V(h) = w . silu(z) + c and z = A h + b (the standardisation is part of A and b), grad V = A^T g for
    g = w * silu'(z). A step moves z by step_size * A A^T g, so that all updates run in the hidden layer, and the state
    itself moves once: by A^T times the sum of step_size * g.
    """

    def __init__(self, function: ValueFunction) -> None:
        self.function = function
        self.slopes = (function.inner.weight / function.scale).detach()
        self.gram = self.slopes @ self.slopes.T
        self.outer = function.outer.weight[0].detach()

    @torch.no_grad()
    def __call__(
        self,
        hidden: Float[Tensor, "P D"],
        step_size: Float[Tensor, " P"],
        updates: Int[Tensor, " P"],
        targets: Float[Tensor, " P"],
    ) -> Edited:
        """Climb from states [P, D] in float32 with step sizes [P] (negative goes down) and numbers of updates [P].

        `targets` [P] are values to climb or descend to; infinity is none. A row with step size 0 or no updates
        keeps its state exactly.
        """
        step_size, updates, targets = (one.to(hidden.device) for one in (step_size, updates, targets))
        inner = self.function.inside(hidden)
        before = after = self.function.read(inner)
        total = torch.zeros_like(inner)
        moving = (step_size != 0) & (updates > 0)
        if bool(moving.any()):
            rounds = torch.arange(int(updates[moving].max()), device=hidden.device)
            steps = torch.where(updates > rounds.unsqueeze(1), step_size, 0.0).unsqueeze(2)
            outer = self.outer.expand_as(inner)
            aimed = targets.isfinite()
            is_aimed = bool(aimed.any())
            for step in steps:
                climb = torch.ops.aten.silu_backward(outer, inner).mul_(step)
                if is_aimed:
                    left = (targets - self.function.read(inner)).clamp(-1, 1)
                    # By choice and not by product: a value that has left the numbers is no other row's business.
                    climb *= torch.where(aimed, left, 1.0).unsqueeze(1)
                inner = torch.addmm(inner, climb, self.gram)
                total += climb
            after = torch.where(moving, self.function.read(inner), before)
        return Edited(hidden + total @ self.slopes, before, after)
