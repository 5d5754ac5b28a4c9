"""The endpoint as people's programs load it: streams over HTTP, on this machine, at once."""

import json
import socket
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

from playground.api.keys import Keys
from playground.api.server import application
from playground.player import Player
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.serving.running import running_beside, web_server

_HOST = "127.0.0.1"
_TIMEOUT_S = 600


@contextmanager
def served(player: Player) -> Generator[int]:
    """A server of a player, in a thread of this process; the value is its port."""
    app = application(LimitedPlayer(player, ServerSettings()), Keys(), _HOST)
    server = web_server(app, proxy_headers=False)
    with socket.create_server((_HOST, 0)) as listening, running_beside(server, listening):
        port = int(listening.getsockname()[1])
        _read(port, "GET", "/health")  # connections wait until it listens
        yield port


def answer(port: int, asked: Sequence[dict[str, Any]]) -> int:
    """Stream all of these chat requests at once, each on a connection of its own; how many tokens they come to."""
    options = {"stream": True, "stream_options": {"include_usage": True}}
    with ThreadPoolExecutor(len(asked)) as people:
        streams = [people.submit(_read, port, "POST", "/v1/chat/completions", {**one, **options}) for one in asked]
        lines = [stream.result().decode().split("\n\n") for stream in streams]
    chunks = [json.loads(of_one[-3].removeprefix("data: ")) for of_one in lines]  # before [DONE] and the end
    return sum(chunk["usage"]["completion_tokens"] for chunk in chunks)


def _read(port: int, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    connection = HTTPConnection(_HOST, port, timeout=_TIMEOUT_S)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        return connection.getresponse().read()
    finally:
        connection.close()
