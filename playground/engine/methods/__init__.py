"""How the engine steers: a module for each method, with its equation, its weights and its range.

A method is a value with two seams, see `base.Method`. A new one is a module here, and a line in `METHODS` if it has
weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from playground.engine.methods.base import Method, StoredMethod
from playground.engine.methods.clm import CLM
from playground.engine.methods.identity_layer import IdentityLayer
from playground.engine.methods.prompt_contrast import PromptContrast as PromptContrast
from playground.engine.methods.re_control import REControl
from playground.engine.methods.steering_vector import SteeringVector
from playground.errors import InvalidInput
from playground.settings import Strength

METHODS: tuple[type[StoredMethod], ...] = (CLM, REControl, SteeringVector)
"""Those with weights, in the order in which they act; of those that share a slider the first acts unless another is
named."""


M = TypeVar("M", bound=Method)


@dataclass(frozen=True)
class Steering:
    """The methods by which an axis steers, in the order in which they act."""

    methods: tuple[Method, ...]

    def of(self, kind: type[M]) -> M:
        """The axis's method of this kind. Raises KeyError without one."""
        for method in self.methods:
            if isinstance(method, kind):
                return method
        raise KeyError(kind.name)

    @property
    def stored(self) -> list[StoredMethod]:
        """Those with weights."""
        return [method for method in self.methods if isinstance(method, StoredMethod)]

    def acting(self, strength: Strength) -> Iterator[Method]:
        """The method behind each slider: the one that the strength names, or the first.

        Raises InvalidInput where it names one that the axis does not have.
        """
        names = [method.name for method in self.methods]
        if strength.method is not None and strength.method not in names:
            raise InvalidInput(
                f"The axis {strength.axis!r} has no method {strength.method!r}.",
                f"Choose one of: {', '.join(names)}.",
                "strengths",
            )
        chosen = {method.slider: method for method in reversed(self.methods)}
        chosen |= {method.slider: method for method in self.methods if method.name == strength.method}
        return iter(chosen[slider] for slider in dict.fromkeys(method.slider for method in self.methods))


def by_layer(layer: IdentityLayer) -> Steering:
    """Steering by CLM alone."""
    return Steering((CLM(layer),))
