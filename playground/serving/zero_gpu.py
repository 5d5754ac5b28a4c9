"""Replies on a ZeroGPU Space, where a GPU is lent for one call at a time.

The call runs in a forked copy of this process, which is killed when its time is over. It finds the player by a global
name, gets the request pickled and sends its events back pickled; what it remembers is lost with the copy.
"""

import math
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from playground.errors import Busy, ModelUnavailable, PlaygroundError
from playground.events import Event, Started, Token
from playground.settings import Request

if TYPE_CHECKING:
    from playground.player import Player

_LONGEST_S = 120
_MARGIN = 2  # how many times as long as measured a call may take
_FADING = 0.9  # what a slow call counts for after one more

_player: "Player | None" = None
_calibrations: Path | None = None
"""Where one call finds the instant axes that another has calibrated."""
_copies: "dict[int, Player]" = {}
"""The player of a process that holds a GPU, by its id."""


class Pace:
    """How long calls take: seconds until one is started, and of a step; the slower ones count longest."""

    def __init__(self) -> None:
        self.start, self.step = 0.0, 0.0

    def note(self, start: float, step: float) -> None:
        """Learn from a call."""
        self.start, self.step = max(start, _FADING * self.start), max(step, _FADING * self.step)

    def seconds(self, request: Request) -> int:
        """How long the GPU is borrowed for a request: twice what was measured, or a guess before anything was."""
        if not self.step:
            return min(_LONGEST_S, 15 + request.max_new_tokens // 8)
        return min(_LONGEST_S, 1 + math.ceil(_MARGIN * (self.start + request.max_new_tokens * self.step)))


def answer(request: Request) -> Generator[Event | PlaygroundError, None, None]:
    """Answer a request in the process that holds the GPU; a refusal is told as the last, for an error loses its words.

    Its scheduler is its own: the one it was copied with may have been in use at that moment, and would be for ever.
    """
    from playground.player import Player

    assert _player is not None
    own = _copies.setdefault(os.getpid(), Player(_player.model, _player.axes, calibrations=_calibrations))
    try:
        yield from own.run(request)
    except PlaygroundError as error:
        yield error


def borrowing(player: "Player", public: bool) -> Callable[[Request], Generator[Event, None, None]]:
    """`player.run` with a GPU borrowed for each call. Raises ModelUnavailable without the package `spaces`.

    Instant axes are kept for the next call, on a public page only as long as this program runs. A call raises Busy when
    the GPU is taken back before the reply is finished.
    """
    global _player, _calibrations
    try:
        import spaces  # pyrefly: ignore[missing-import]
    except ImportError:
        raise ModelUnavailable("A ZeroGPU page needs the package `spaces`.", "Add it to requirements.txt.") from None
    _player, _calibrations, pace = player, Path(tempfile.mkdtemp(prefix="instant-")) if public else None, Pace()
    lent = spaces.GPU(duration=pace.seconds)(answer)

    def run(request: Request) -> Generator[Event, None, None]:
        asked, started, written = time.monotonic(), 0.0, 0
        with closing(lent(request)) as told:
            try:
                for one in told:
                    if isinstance(one, PlaygroundError):
                        raise one
                    if isinstance(one, Started):
                        started = time.monotonic()
                    elif isinstance(one, Token):
                        written = max(written, one.position + 1)
                    yield one
            except PlaygroundError:
                raise
            except Exception as error:
                if not started:  # no GPU was to be had, and why is told by whoever lends them
                    raise
                raise Busy("The GPU was taken back before the reply was finished.", "Ask for a shorter one.") from error
        if written:
            pace.note(started - asked, (time.monotonic() - started) / written)

    if _calibrations is not None:
        weakref.finalize(run, shutil.rmtree, _calibrations, ignore_errors=True)
    return run
