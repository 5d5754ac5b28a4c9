"""What everybody asks of an engine, be it a player alone, one behind limits, or one made up for a test."""

from collections.abc import Generator, Mapping
from typing import Protocol

from playground.cards import Base, Card
from playground.events import Event, Occupancy
from playground.serving.queue import Client
from playground.settings import Request

NOBODY = Client()
"""Whoever asks from within this process."""


class AxisHandle(Protocol):
    """An axis as those need it who show it or name it in a request."""

    @property
    def card(self) -> Card:
        """What is known of it."""
        ...

    @property
    def note(self) -> str:
        """A warning to show beside it, or nothing."""
        ...

    def methods_for(self, slider: str) -> list[tuple[str, str]]:
        """The methods behind a slider: title and name of each."""
        ...


class EngineHandle(Protocol):
    """A base model with its axes, which answers requests: a `Player` in this process, or one elsewhere."""

    @property
    def name(self) -> str:
        """The base model's display name."""
        ...

    @property
    def base(self) -> Base:
        """What the base model is, to the last weight."""
        ...

    @property
    def dtype(self) -> str:
        """What the base model's weights are stored in."""
        ...

    @property
    def context_length(self) -> int:
        """The longest prompt and reply together, in tokens."""
        ...

    @property
    def occupancy(self) -> Occupancy:
        """How much of it is in use now."""
        ...

    @property
    def axes(self) -> Mapping[str, AxisHandle]:
        """The axes loaded so far, by name."""
        ...

    def known(self, name: str) -> AxisHandle | None:
        """The axis of this name if it steers at once: loaded, or an instant one that is calibrated."""
        ...

    def axis(self, name_or_folder: str) -> AxisHandle:
        """The axis of this name, or the one in this folder. Raises AxisMismatch."""
        ...

    def piece(self, token: int) -> str:
        """A token by itself as text; nothing for one that ends a turn."""
        ...

    def run(self, request: Request, client: Client = NOBODY) -> Generator[Event, None, None]:
        """Answer a request as a stream of events; closing it stops."""
        ...
