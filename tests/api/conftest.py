"""The endpoint on a tiny random model with two axes, served on 127.0.0.1 by a thread of the tests."""

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import httpx
import pytest
from openai import OpenAI

from playground.api.keys import Keys
from playground.api.server import application
from playground.engine.loading import load_model
from playground.events import Finished, Token
from playground.player import Player
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.serving.running import web_server
from playground.settings import Request, Row, Sampling, Strength, conversation
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis

MODEL = "tiny:llama"
LENGTH = 24


@dataclass
class Served:
    """A server, and the player behind it."""

    url: str
    player: Any
    clients: list[OpenAI] = field(default_factory=list)

    def client(self, key: str = "any", **more: Any) -> OpenAI:
        """OpenAI's own client, which tries nothing twice."""
        self.clients.append(OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, **more))
        return self.clients[-1]

    def run(self, prompt: str, *strengths: Strength, seeds: Sequence[int] = (0,), **more: Any) -> "InProcess":
        """The same request in this process, by a player's own method."""
        messages = conversation(prompt)
        alternatives = more.pop("alternatives", 0)
        rows = tuple(
            Row(messages=messages, strengths=strengths, seed=seed, alternatives=alternatives) for seed in seeds
        )
        sampling = Sampling(temperature=more.pop("temperature", 1.0), top_p=more.pop("top_p", 1.0))
        request = Request(rows=rows, sampling=sampling, **{"max_new_tokens": LENGTH, **more})
        events = list(self.player.run(request))
        ends = sorted((event for event in events if isinstance(event, Finished)), key=lambda end: end.row)
        return InProcess(ends, [event for event in events if isinstance(event, Token)])


@dataclass
class InProcess:
    """What a request gave in this process."""

    ends: list[Finished]
    tokens: list[Token]


@contextmanager
def serving(player: Any, hosting: ServerSettings | None = None, keys: Sequence[str] = ()) -> Iterator[Served]:
    """A server of a player for the length of a `with`, made as `playground serve` makes it."""
    hosting = hosting or ServerSettings(model=MODEL)
    guarded = application(LimitedPlayer(player, hosting), Keys(keys), "127.0.0.1")
    server = web_server(guarded, proxy_headers=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        served = Served(f"http://127.0.0.1:{listening.getsockname()[1]}", player)
        try:
            httpx.get(f"{served.url}/health", timeout=60)  # connections wait until it listens
            yield served
        finally:
            for client in served.clients:
                client.close()
            server.should_exit = True
            thread.join(60)


@pytest.fixture(scope="session")
def player(tmp_path_factory: pytest.TempPathFactory, tiny_folder: FolderOf) -> Player:
    """A tiny model that ends no turn, with two axes."""
    model = load_model(tiny_folder("llama"), name=MODEL)
    model.stop_ids = frozenset()
    player = Player(model)
    folder = tmp_path_factory.mktemp("axes")
    for seed, name in enumerate(("cheer", "warm")):
        player.axis(str(make_tiny_axis(folder / name, tiny_folder("llama"), name, seed)))
    return player


@pytest.fixture(scope="module")
def served(player: Player) -> Iterator[Served]:
    """A server that asks for no key."""
    with serving(player) as server:
        yield server


def data(lines: Iterable[str]) -> Iterator[str]:
    """What a stream of server-sent events says."""
    for line in lines:
        if line:
            name, _, rest = line.partition(": ")
            assert name == "data"
            yield rest
