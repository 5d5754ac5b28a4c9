"""Who wants what: the newest wish of each browser session, so that an older one being served can give way.

Holds plain values only, never a reply: two sessions share the engine's time and nothing else.
"""

from threading import Lock

from playground.ui.present import Wish


class Desk:
    """The newest wish of each session, and the order in which sessions came."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._newest: dict[str, Wish] = {}
        self._waiting: list[str] = []

    def wish(self, session: str, wish: Wish) -> int:
        """Put a session's newest wish down; how many other sessions stand before it."""
        with self._lock:
            self._newest[session] = wish
            if session not in self._waiting:
                self._waiting.append(session)
            return self._waiting.index(session)

    def newest(self, session: str) -> Wish | None:
        """What a session wants now; None after it stopped, left or never asked."""
        with self._lock:
            return self._newest.get(session)

    def served(self, session: str, wish: Wish) -> None:
        """Leave the line, unless a newer wish keeps the session in it."""
        with self._lock:
            if self._newest.get(session, wish) == wish and session in self._waiting:
                self._waiting.remove(session)

    def withdraw(self, session: str) -> None:
        """Stop, or the page was closed: nothing is wanted any more."""
        with self._lock:
            self._newest.pop(session, None)
            if session in self._waiting:
                self._waiting.remove(session)
