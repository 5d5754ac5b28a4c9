"""Alignment Playground: how strongly should this model be aligned?

The root is light on purpose (no torch): typed requests and events. `playground.player.Player` runs them.
"""

from playground.errors import PlaygroundError
from playground.events import Event, Finished, Progress, Started, Token
from playground.settings import Message, Request, Row, Sampling, Strength, conversation

__version__ = "0.1.0"

__all__ = [
    "Event",
    "Finished",
    "Message",
    "PlaygroundError",
    "Progress",
    "Request",
    "Row",
    "Sampling",
    "Started",
    "Strength",
    "Token",
    "__version__",
    "conversation",
]
