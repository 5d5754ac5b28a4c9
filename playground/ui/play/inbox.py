"""What was asked last: the newest inputs of each browser session, and that one hand at a time answers it.

Holds plain values only, never a reply: two sessions share the engine's time and nothing else.
"""

from threading import Lock

from playground.ui.play.view import Inputs

NOTHING = Inputs()
"""What a session wants after its page was emptied: the run under way ends and leaves the page alone."""


class Inbox:
    """The newest inputs of each session, the order in which sessions came, and which are being served."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._newest: dict[str, Inputs] = {}
        self._waiting: list[str] = []
        self._served: set[str] = set()

    def put(self, session: str, inputs: Inputs) -> int:
        """Put a session's newest inputs down; how many other sessions stand before it."""
        with self._lock:
            self._newest[session] = inputs
            if session not in self._waiting:
                self._waiting.append(session)
            return self._waiting.index(session)

    def newest(self, session: str) -> Inputs | None:
        """What a session wants now; None after it stopped, left or never asked."""
        with self._lock:
            return self._newest.get(session)

    def claim(self, session: str) -> bool:
        """Begin to serve a session; False while another hand does, which will see to the newest inputs as well."""
        with self._lock:
            if session in self._served:
                return False
            self._served.add(session)
            return True

    def following(self, session: str, answered: Inputs | None) -> Inputs | None:
        """What to answer next; None when nothing is left, which ends the serving in the same breath."""
        with self._lock:
            newest = self._newest.get(session)
            if newest not in (None, answered, NOTHING):
                return newest
            self._leave(session)
            return None

    def leave(self, session: str) -> None:
        """The hand that served goes, whatever is left."""
        with self._lock:
            self._leave(session)

    def withdraw(self, session: str) -> None:
        """Stop, or the page was closed: nothing is wanted any more."""
        with self._lock:
            self._newest.pop(session, None)
            if session in self._waiting:
                self._waiting.remove(session)

    def _leave(self, session: str) -> None:
        self._served.discard(session)
        if session in self._waiting:
            self._waiting.remove(session)
