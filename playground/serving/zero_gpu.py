"""Replies on a ZeroGPU Space, where a GPU is lent for one call at a time.

The call runs in a forked copy of this process: it finds the player by a global name, gets the request pickled and sends
its events back pickled. What it remembers is lost afterwards, so nothing is replayed from an earlier request.
"""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from playground.errors import ModelUnavailable
from playground.events import Event
from playground.settings import Request

if TYPE_CHECKING:
    from playground.player import Player

_LONGEST_S = 120
_player: "Player | None" = None


def seconds(request: Request) -> int:
    """How long the GPU is borrowed for a request: a moment to begin, and its steps with a wide margin."""
    return min(_LONGEST_S, 15 + request.max_new_tokens // 8)


def answer(request: Request) -> Generator[Event, None, None]:
    """Answer a request in the process that holds the GPU."""
    assert _player is not None
    yield from _player.run(request)


def borrowing(player: "Player") -> Callable[[Request], Generator[Event, None, None]]:
    """`player.run` with a GPU borrowed for each call. Raises ModelUnavailable without the package `spaces`."""
    global _player  # noqa: PLW0603 - the forked process can reach it by no other way
    try:
        import spaces  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ModelUnavailable("A ZeroGPU page needs the package `spaces`.", "Add it to requirements.txt.") from None
    _player = player
    return spaces.GPU(duration=seconds)(answer)
