"""Whose turn it is: many requests share one model, each a step at a time, in the order in which they asked for it."""

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, Lock

from playground.errors import Busy

PLACES = 16
"""How many requests may be under way at once."""


class Turns:
    """A bounded number of places, and one turn that goes round among those who want it, first come, first served."""

    def __init__(self, places: int = PLACES) -> None:
        self.places = places
        self.taken = 0
        """How many requests are under way: as many others take a step between two of a newcomer's."""
        self._lock = Lock()
        self._line: deque[Event] = deque()

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
    def turn(self) -> Generator[None, None, None]:
        """Wait for the turn and hold it for one step."""
        mine = Event()
        with self._lock:
            self._line.append(mine)
            if self._line[0] is mine:
                mine.set()
        try:
            mine.wait()
            yield
        finally:  # also when the wait is interrupted: nobody behind may wait for one who left
            with self._lock:
                self._line.remove(mine)
                if self._line:
                    self._line[0].set()
