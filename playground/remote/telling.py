"""The events of a request that runs here as lines for whoever asked from elsewhere."""

from collections.abc import AsyncGenerator, Callable

from playground.errors import PlaygroundError
from playground.events import Event, to_json
from playground.remote import wire
from playground.serving.live import LiveEvents

BEAT_S = 5.0
"""After so long a silence an empty line tells that the engine is there."""


async def lines(live: LiveEvents, count: Callable[[Event], None] = lambda event: None) -> AsyncGenerator[str, None]:
    """Whole lines: what was told since the last time, then how it ended. A bug is raised once that is told."""
    try:
        async for events in live.gathered(BEAT_S):
            for event in events:
                count(event)
            yield "\n".join([*map(to_json, events), ""]) or "\n"
    except PlaygroundError as error:
        yield f"{wire.refusal(error)}\n"
    except Exception:
        yield f"{wire.failure()}\n"
        raise
    else:
        yield f"{wire.END}\n"
