"""What an engine elsewhere says of itself, as those read it who hold it like one in this process."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property

from playground.cards import Base
from playground.errors import AxisMismatch, shown
from playground.events import Occupancy
from playground.remote.wire import EngineDescription, RemoteAxis


class DescribedEngine(ABC):
    """An engine that described itself when it was first asked."""

    description: EngineDescription

    @abstractmethod
    def pieces(self) -> Sequence[str]:
        """Every token by itself as text, asked of the engine; see `piece`."""

    @property
    def name(self) -> str:
        """The base model's display name."""
        return self.description.name

    @property
    def base(self) -> Base:
        """What the base model is, to the last weight."""
        return self.description.base

    @property
    def dtype(self) -> str:
        """What the base model's weights are stored in."""
        return self.description.dtype

    @property
    def context_length(self) -> int:
        """The longest prompt and reply together, in tokens."""
        return self.description.context_length

    @property
    def axes(self) -> Mapping[str, RemoteAxis]:
        """The axes that the engine had when it was asked, by name."""
        return self.description.axes

    @property
    def occupancy(self) -> Occupancy:
        """How much is in use, which is not known from here."""
        return Occupancy(math.nan, math.nan, math.nan)

    def known(self, name: str) -> RemoteAxis | None:
        """The axis of this name; None for one of two descriptions, whose card stays at the engine."""
        return self.axes.get(name)

    def axis(self, name_or_folder: str) -> RemoteAxis:
        """The axis of this name. Raises AxisMismatch."""
        if name_or_folder not in self.axes:
            raise AxisMismatch(
                f"There is no axis named {shown(name_or_folder)} at the engine.",
                f"Choose one of: {', '.join(self.axes) or 'none for this model'}.",
            )
        return self.axes[name_or_folder]

    def piece(self, token: int) -> str:
        """A token by itself as text; nothing for one that ends a turn."""
        return self._pieces[token]

    @cached_property
    def _pieces(self) -> Sequence[str]:
        return self.pieces()
