"""Whose turn it is: many requests share one model, a step at a time, and each client gets as many steps as another."""

from collections import deque
from collections.abc import Generator, Hashable
from contextlib import contextmanager
from threading import Event, Lock

from playground.errors import Busy

PLACES = 16
"""How many requests may be under way at once."""


class Turns:
    """A bounded number of places, and one turn that goes round among clients, and among each one's requests."""

    def __init__(self, places: int = PLACES) -> None:
        self.places = places
        self.taken = 0
        """How many requests are under way."""
        self._lock = Lock()
        self._lines: dict[Hashable, deque[Event]] = {}  # who is next stands first
        self._holder: Event | None = None

    @property
    def wanted(self) -> int:
        """How many have the turn or wait for it."""
        with self._lock:
            return sum(map(len, self._lines.values()))

    @contextmanager
    def place(self) -> Generator[None, None, None]:
        """Hold a place for as long as a request is under way. Raises Busy when none is free."""
        with self._lock:
            if self.taken >= self.places:
                raise Busy(f"{self.taken} requests are being answered, as many as fit.", "Try again in a moment.")
            self.taken += 1
        try:
            yield
        finally:
            with self._lock:
                self.taken -= 1

    @contextmanager
    def turn(self, client: Hashable = None) -> Generator[None, None, None]:
        """Wait for the turn and hold it for one step."""
        mine = Event()
        with self._lock:
            self._lines.setdefault(client, deque()).append(mine)
            self._give()
        try:
            mine.wait()
            yield
        finally:  # also when the wait is interrupted: nobody behind may wait for one who left
            with self._lock:
                line = self._lines.pop(client)
                line.remove(mine)
                if line:
                    self._lines[client] = line  # behind all other clients
                if self._holder is mine:
                    self._holder = None
                self._give()

    def _give(self) -> None:
        """Give the turn to the next client, if nobody has it."""
        if self._holder is None and self._lines:
            self._holder = next(iter(self._lines.values()))[0]
            self._holder.set()
