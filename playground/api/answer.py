"""The answer to a chat request: the replies as they grow, or whole, until the client goes away."""

from collections.abc import AsyncIterator, Generator
from contextlib import closing

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from playground.api import failures
from playground.api.completion import CompletionBuilder, CompletionChunk
from playground.api.metrics import Counted, Metrics
from playground.errors import PlaygroundError
from playground.events import Event
from playground.serving.live import LiveEvents, listening


class CompletionResponse(Response):
    """Runs a request and tells its events. What keeps it from starting is raised before anything is sent."""

    def __init__(self, events: Generator[Event, None, None], builder: CompletionBuilder, metrics: Metrics) -> None:
        super().__init__()
        self.events, self.builder, self.count = events, builder, Counted(metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; nothing more is sent once the client is gone, and its rows are free within a step."""
        async with listening(self._chunks(), receive) as live:
            if self.builder.asked.stream:
                await self._stream(live, send)
                return
            async for _ in live:
                pass
        if len(self.builder.ends) == self.builder.asked.n:
            await JSONResponse(self.builder.whole().model_dump())(scope, receive, send)

    def _chunks(self) -> Generator[list[CompletionChunk], None, None]:
        """What a stream tells of each event; a token's text may have to be asked of an engine elsewhere first."""
        with closing(self.events) as events:
            for event in events:
                self.count(event)
                yield self.builder.add(event)

    async def _stream(self, live: LiveEvents[list[CompletionChunk]], send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        headers.append((b"x-accel-buffering", b"no"))  # a proxy may hold a stream back otherwise
        begun, faults = False, list[Exception]()
        async for lines in self._lines(live, faults):
            if not begun:
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                begun = True
            await send({"type": "http.response.body", "body": lines.encode(), "more_body": True})
        if begun:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        for fault in faults:  # a bug: the server's log tells where
            raise fault

    async def _lines(self, live: LiveEvents[list[CompletionChunk]], faults: list[Exception]) -> AsyncIterator[str]:
        """What a stream sends; what goes wrong on the way is its last line but one; faults are kept."""
        begun = False
        try:
            async for chunks in live:
                for chunk in chunks:
                    begun = True
                    yield _line(chunk)
        except Exception as error:
            if not begun:
                raise
            known = isinstance(error, PlaygroundError)
            faults += [] if known else [error]
            yield _line((failures.told(error) if known else failures.broken()).body())
            yield _DONE
            return
        if len(self.builder.ends) == self.builder.asked.n:
            if self.builder.asked.with_usage:
                yield _line(self.builder.last())
            yield _DONE


_DONE = "data: [DONE]\n\n"


def _line(told: BaseModel) -> str:
    return f"data: {told.model_dump_json()}\n\n"
