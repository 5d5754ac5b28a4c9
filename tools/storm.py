"""Many clients of OpenAI's stream from two replicas while these are killed one after the other: who gets what.

    python -m tools.storm --clients 200 --kills 10

Each client's text is compared with what the same request gives in this process. A tiny random model answers.
"""

import argparse
import asyncio
import socket
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from openai import APIError, APITimeoutError, AsyncOpenAI

from playground import sources
from playground.api.keys import Keys
from playground.api.server import application
from playground.events import Finished
from playground.player import Player
from playground.remote.cluster import NAME, ClusterEngine, deploy
from playground.remote.joined import joined
from playground.remote.opening import within
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.serving.running import running_beside, web_server
from playground.settings import Request, Row, Sampling, conversation

TIMEOUT_S = 900


class Storm:
    """What is asked, and what came of it."""

    def __init__(self, told: argparse.Namespace, near: Player, ray: Any) -> None:
        self.clients, self.kills, self.tokens = told.clients, told.kills, told.tokens
        self.near, self.ray = near, ray
        self.chunks = 0
        self.ends: Counter[str] = Counter()
        self.killed = 0
        self.over = False

    async def run(self, url: str) -> None:
        """All clients at once, and who kills."""
        killer = asyncio.create_task(asyncio.to_thread(self._kill))
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=TIMEOUT_S) as client:
            await asyncio.gather(*(self._talk(client, number) for number in range(self.clients)))
        self.over = True
        await killer

    async def _talk(self, client: AsyncOpenAI, number: int) -> None:
        text, end = "", "whole and right"
        try:
            stream = await client.chat.completions.create(
                model=self.near.name, messages=[{"role": "user", "content": f"Talk about {number}."}],
                seed=number, max_tokens=self.tokens, stream=True,
            )  # fmt: skip
            async for chunk in stream:
                self.chunks += 1
                text += "".join(choice.delta.content or "" for choice in chunk.choices)
        except APIError as error:
            end = "hung" if isinstance(error, APITimeoutError) else f"one error: {str(error)[:60]}"
        right = await asyncio.to_thread(self._right, number)
        if text != right and not (end.startswith("one error") and right.startswith(text)):
            end = "another text"
        self.ends[end] += 1

    def _right(self, number: int) -> str:
        row = Row(messages=conversation(f"Talk about {number}."), seed=number)
        asked = Request(rows=(row,), sampling=Sampling(temperature=1.0), max_new_tokens=self.tokens)
        return next(event.text for event in self.near.run(asked) if isinstance(event, Finished))

    def _kill(self) -> None:
        """Kill a replica whenever enough has been written since the last, and somebody still listens."""
        share = self.clients * self.tokens // (2 * self.kills + 2)  # replies may end early
        for number in range(1, self.kills + 1):
            while self.chunks < number * share:
                if self.over:
                    return
                time.sleep(0.02)
            found = [one["name"] for one in self.ray.util.list_named_actors(all_namespaces=True)]
            replicas = [name for name in found if name.startswith(f"SERVE_REPLICA::{NAME}#")]
            with suppress(ValueError):
                self.ray.kill(self.ray.get_actor(replicas[number % len(replicas)], namespace="serve"))
                self.killed += 1


def _served(engine: ClusterEngine, hosting: ServerSettings, storm: Storm) -> float:
    app = application(LimitedPlayer(engine, within(hosting, engine.description)), Keys(), "127.0.0.1")
    server = web_server(app, proxy_headers=False)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as line, running_beside(server, line):
        began = time.monotonic()
        asyncio.run(storm.run(f"http://127.0.0.1:{line.getsockname()[1]}"))
        return time.monotonic() - began


def main() -> None:
    """Print how the streams ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=100)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, joined(cpus=2) as ray:
        model = str(sources.build_tiny(Path(folder) / "tiny", "llama"))
        hosting = ServerSettings(model=model, device="cpu", replicas=2, queue=told.clients)
        near = Player.open(model, hosting.dtype, None, "cpu")
        storm = Storm(told, near, ray)
        seconds = _served(deploy(hosting, ray), hosting, storm)
        print(f"{told.clients} clients, {storm.killed} kills, {seconds:.0f} s: {dict(storm.ends)}")


if __name__ == "__main__":
    main()
