"""The engine itself, for pages on other machines: what it is, and a request's events as lines of JSON."""

from collections.abc import Callable, Generator, Mapping
from functools import cached_property
from threading import Event as Flag
from typing import Any

from fastapi import Request as HttpRequest
from fastapi import Response
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from playground.api.metrics import Counted, Metrics
from playground.events import Event, to_json
from playground.remote import measuring
from playground.remote.telling import BEAT_S, lines
from playground.remote.wire import EngineDescription
from playground.serving.handle import AxisHandle
from playground.serving.limits import LimitedPlayer
from playground.serving.live import listening


class LinesResponse(Response):
    """Tells what a generator gives, one a line; its rows are free within a step once the client is gone."""

    def __init__(
        self, found: Generator[Any, None, None], line: Callable[[Any], str], beat_s: float, gone: Flag | None = None
    ) -> None:
        """After silence of `beat_s` an empty line tells that the engine is there; `gone` is set once the client is."""
        super().__init__()
        self.found, self.line, self.beat_s, self.gone = found, line, beat_s, gone or Flag()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer at once, so that who waits in line hears that, too."""
        headers = [(b"content-type", b"application/x-ndjson"), (b"x-accel-buffering", b"no")]
        try:
            async with listening(self.found, receive) as live:
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                async for told in lines(live, self.line, self.beat_s):
                    await send({"type": "http.response.body", "body": told.encode(), "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.gone.set()


class EngineRoutes:
    """What the engine's own routes answer."""

    def __init__(self, player: LimitedPlayer, metrics: Metrics) -> None:
        self.player, self.metrics = player, metrics
        self._known: tuple[Mapping[str, AxisHandle], EngineDescription] | None = None

    def _description(self) -> EngineDescription:
        axes = self.player.axes  # another mapping once an axis came
        if self._known is None or self._known[0] is not axes:
            self._known = axes, EngineDescription.of(self.player, self.player.hosting)
        return self._known[1]

    def describe(self) -> Response:
        """The engine's model, axes and limits."""
        return Response(self._description().model_dump_json(), media_type="application/json")

    @cached_property
    def _pieces(self) -> list[str]:
        return [self.player.piece(token) for token in range(self.player.base.vocab_size)]

    def pieces(self) -> Response:
        """Each token by itself as text, in order of their ids."""
        return JSONResponse(self._pieces)

    async def events(self, http: HttpRequest) -> Response:
        """Answer a request of `playground app --engine`."""
        request, count = self._description().take(await http.body()), Counted(self.metrics)
        for name in request.axes:
            self.player.check_named(name)

        def line(event: Event) -> str:
            count(event)
            return to_json(event)

        return LinesResponse(self.player.run(request, self.player.caller(http)), line, BEAT_S)

    async def batches(self, http: HttpRequest) -> Response:
        """Measure batches of a plan for the Curves page of `playground app --engine`."""
        asked, gone = measuring.request(await http.body()), Flag()
        self.player.check_named(asked.plan.axis)
        found = self.player.batches(asked, self.player.caller(http), gone.is_set)
        return LinesResponse(found, measuring.line, measuring.BEAT_S, gone)
