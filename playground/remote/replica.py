"""One engine of a cluster, as Ray Serve holds it: lines in, lines out."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from playground.errors import PlaygroundError
from playground.remote import wire
from playground.remote.telling import lines
from playground.remote.wire import EngineDescription
from playground.serving.hosting import ServerSettings
from playground.serving.live import LiveEvents


class Replica:
    """A player in a process of its own, on some machine of the cluster."""

    def __init__(self, hosting: dict[str, Any], axes: Sequence[str], version: str) -> None:
        """`axes` are folders of further axes, which lie on each machine; another `version` is another replica."""
        _keep_to_this_machine()
        from playground.player import Player  # loads torch

        self.version = version
        self.hosting = ServerSettings(**hosting)
        self.player = Player.open(self.hosting.model, self.hosting.dtype, None, self.hosting.device)
        for folder in axes:
            self.player.axis(folder)

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
        live = LiveEvents(self.player.run(request))
        try:
            async with aclosing(lines(live)) as told:
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
