"""Serves the endpoint alone."""

import os
from collections.abc import Callable
from contextlib import suppress

from starlette.types import ASGIApp

from playground.api import app
from playground.api.keys import Keys
from playground.events import Progress
from playground.remote.opening import opened
from playground.serving.address import Address, check_port, listen
from playground.serving.cors import Cors
from playground.serving.gate import Gate
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.serving.origins import callers, is_local
from playground.serving.running import web_server

_OPEN = (
    "Warning: this endpoint is open to the network, and asks for no key. Keep it to yourself with --host 127.0.0.1, "
    "or name the variable that holds its keys with --api-key-env."
)


def application(player: LimitedPlayer, keys: Keys, host: str) -> ASGIApp:
    """The endpoint alone, behind what stands before every page's routes; `host` is the address it will listen on."""
    return Cors(Gate(app.build(player, keys), player.hosting.access(host)), callers(player.hosting.origins))


def serve(
    hosting: ServerSettings,
    host: str = "127.0.0.1",
    port: int = 8000,
    report: Callable[[Progress], None] | None = None,
) -> None:
    """Load a model and serve it until interrupted; `report` hears how far a first fetch has come.

    Raises PlaygroundError if the model, the port, the keys or the default steering cannot be had.
    """
    check_port(host, port)  # before the model is loaded: that takes longer
    keys = Keys.of(os.environ, hosting.api_key_env)
    address = Address(host, port)
    with opened(hosting, report) as (engine, within), listen(address) as line:
        player = LimitedPlayer(engine, within)
        print(f"Loaded {player.name}.\nThe endpoint is at {address.url}v1 (Ctrl-C stops it).", flush=True)  # noqa: T201
        if hosting.api_key_env == "none" and not is_local(host):
            print(_OPEN, flush=True)  # noqa: T201
        with suppress(KeyboardInterrupt):  # uvicorn raises it again once all is closed
            web_server(application(player, keys, host), proxy_headers=False).run(sockets=[line])
