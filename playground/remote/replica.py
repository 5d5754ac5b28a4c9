"""One engine of a cluster, as Ray Serve holds it: lines in, lines out."""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing
from threading import Event as Flag
from typing import Any

from playground.errors import PlaygroundError
from playground.events import to_json
from playground.remote import wire
from playground.remote.telling import BEAT_S, Told, lines
from playground.remote.wire import EngineDescription
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.serving.live import LiveEvents


class Replica:
    """A player in a process of its own, on some machine of the cluster."""

    def __init__(self, hosting: dict[str, Any], axes: Sequence[str], version: str) -> None:
        """`axes` are folders of further axes, which lie on each machine; another `version` is another replica."""
        _keep_to_this_machine()
        from playground.player import Player  # loads torch

        self.version = version
        self.hosting = ServerSettings(**hosting)
        keep = not self.hosting.public
        self.player = Player.open(self.hosting.model, self.hosting.dtype, None, self.hosting.device, keep)
        for folder in axes:
            self.player.axis(folder)
        self.hosted = LimitedPlayer(self.player, self.hosting)

    def describe(self) -> str:
        """What the engine is, as JSON."""
        return EngineDescription.of(self.player, self.hosting).model_dump_json()

    def pieces(self) -> list[str]:
        """Each token by itself as text, in order of their ids."""
        return [self.player.piece(token) for token in range(self.player.base.vocab_size)]

    async def run(self, body: str, key: str) -> AsyncGenerator[str, None]:  # noqa: ARG002 - the router reads the key
        """Answer a request, as whole lines; its rows are free within a step once nobody listens."""
        try:
            request = wire.request(body)
        except PlaygroundError as error:
            yield f"{wire.refusal(error)}\n"
            return
        async with aclosing(_lines(self.player.run(request), to_json, BEAT_S)) as told:
            async for some in told:
                yield some

    async def batches(self, body: str, key: str) -> AsyncGenerator[str, None]:  # noqa: ARG002 - the router reads the key
        """Measure batches of a plan, as whole lines; it stops within a step once nobody listens."""
        from playground.remote import measuring

        gone = Flag()
        try:
            asked = measuring.request(body)
        except PlaygroundError as error:
            yield f"{wire.refusal(error)}\n"
            return
        found = self.hosted.batches(asked, stops=gone.is_set)
        try:
            async with aclosing(_lines(found, measuring.line, measuring.BEAT_S)) as told:
                async for some in told:
                    yield some
        finally:
            gone.set()


async def _lines(
    found: Generator[Told, None, None], line: Callable[[Told], str], beat_s: float
) -> AsyncGenerator[str, None]:
    """The lines of a generator, which is closed before its next step once nobody listens."""
    live = LiveEvents(found)
    try:
        async with aclosing(lines(live, line, beat_s)) as told:
            async for some in told:
                yield some
    finally:
        live.leave()


def _keep_to_this_machine() -> None:
    """Have what Ray Serve opens next listen on 127.0.0.1.

    Each of its replicas opens a port to the network (`[::]:0` in 2.60), by which deployments may call each other, with
    pickles. Ours are called by Ray's own way.
    """
    from grpc.aio._server import Server  # what grpc.aio calls so is its interface

    opens: Any = Server.add_insecure_port

    def opens_here(self: Server, address: str) -> int:
        return opens(self, address.replace("[::]", "127.0.0.1"))

    Server.add_insecure_port = opens_here  # pyrefly: ignore[method-assign]
