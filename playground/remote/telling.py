"""The events of a request that runs here as lines for whoever asked from elsewhere."""

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from playground.errors import PlaygroundError
from playground.remote import wire
from playground.serving.live import LiveEvents

Told = TypeVar("Told")

BEAT_S = 5.0
"""After so long a silence an empty line tells that the engine is there."""


async def lines(live: LiveEvents[Told], line: Callable[[Told], str], beat_s: float) -> AsyncGenerator[str, None]:
    """Whole lines: what was told since the last time, then how it ended. A bug is raised once that is told."""
    try:
        async for some in live.gathered(beat_s):
            yield "\n".join([*map(line, some), ""]) or "\n"
    except PlaygroundError as error:
        yield f"{wire.refusal(error)}\n"
    except Exception:
        yield f"{wire.failure()}\n"
        raise
    else:
        yield f"{wire.END}\n"
