"""Events of a generator that blocks, for whoever must not: a thread of its own runs each, and closes it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, closing, suppress
from threading import Event as Flag
from threading import Thread, main_thread
from typing import Generic, TypeVar

from starlette.types import Receive

from playground.errors import PlaygroundError

One = TypeVar("One")


class ServerStopped(PlaygroundError):
    """The server is being stopped while a request is under way."""


class LiveEvents(Generic[One]):
    """The events of one request. Make it in a running event loop."""

    def __init__(self, events: Generator[One, None, None]) -> None:
        self._events, self._left = events, Flag()
        self._told: asyncio.Queue[One | Exception | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        # No daemon: a program that ended while one computes would be aborted.
        Thread(target=self._run, name="request", daemon=False).start()

    async def __aiter__(self) -> AsyncIterator[One]:
        """The events until the last, or until it is left.

        Raises what the generator raises, and ServerStopped when the wait for the next is cancelled.
        """
        try:
            while (one := await self._told.get()) is not None:
                if isinstance(one, Exception):
                    raise one
                yield one
        except asyncio.CancelledError:
            raise ServerStopped("The server is being stopped.", "Ask again once it is back.") from None

    async def gathered(self, beat_s: float) -> AsyncIterator[list[One]]:
        """What was told since the last time, as soon as there is something, and nothing after so long a silence.

        Raises what the generator raises.
        """
        while True:
            told: list[One | Exception | None] = []
            with suppress(TimeoutError):
                told.append(await asyncio.wait_for(self._told.get(), beat_s))
            while not self._told.empty():
                told.append(self._told.get_nowait())
            ends = [one for one in told if one is None or isinstance(one, Exception)]
            if events := [one for one in told if one is not None and not isinstance(one, Exception)]:
                yield events
            elif not ends:
                yield []
            if ends and isinstance(end := ends[0], Exception):
                raise end
            if ends:
                return

    def leave(self) -> None:
        """Have the generator closed before its next event, and let nobody wait for one."""
        self._left.set()
        self._told.put_nowait(None)

    def _run(self) -> None:
        end = None
        try:
            with closing(self._events) as events:
                for event in events:
                    if self._left.is_set() or not main_thread().is_alive():  # or the program ends
                        return
                    self._tell(event)
        except Exception as error:  # whoever reads the events is to know
            end = error
        self._tell(end)

    def _tell(self, one: One | Exception | None) -> None:
        with suppress(RuntimeError):  # the server has stopped, and its loop is closed
            self._loop.call_soon_threadsafe(self._told.put_nowait, one)


@asynccontextmanager
async def listening(events: Generator[One, None, None], receive: Receive) -> AsyncGenerator[LiveEvents[One]]:
    """A request's events for as long as its client is there; they end at once when it goes away."""
    live = LiveEvents(events)

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        live.leave()

    watch = asyncio.create_task(gone())
    try:
        yield live
    finally:
        watch.cancel()
        live.leave()
