"""A run that draws on a page for a while, and its end, for which waits whatever is drawn next in the same place."""

from dataclasses import dataclass, field
from threading import Event

ENDS_WITHIN_S = 10.0
"""A run stops between two tokens; one that does not stop, its engine being lost, keeps nobody waiting for longer."""


@dataclass(eq=False)
class Run:
    """One run of a session: whether it is to stop, and whether it has drawn for the last time."""

    stopping: bool = False
    ended: Event = field(default_factory=Event)

    def end(self) -> None:
        """Stop it, and wait until it has drawn for the last time.

        Stopping alone would not do: what it draws just now could come after what is drawn next.
        """
        self.stopping = True
        self.ended.wait(ENDS_WITHIN_S)
