"""Engines on a Ray cluster as one engine: Ray Serve holds the replicas, and a request outlives its replica."""

import asyncio
import json
import logging
import queue
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any

from playground import __version__
from playground.errors import InvalidInput, ModelUnavailable
from playground.events import Event, Waiting, to_json
from playground.remote import wire
from playground.remote.affinity import key_of
from playground.remote.described import DescribedEngine
from playground.remote.http import SILENCE_S
from playground.remote.joined import joined
from playground.remote.replica import Replica
from playground.remote.resumed import resumed
from playground.remote.wire import EngineDescription, EngineLost
from playground.serving.handle import NOBODY
from playground.serving.hosting import ServerSettings
from playground.serving.limits import PLACES
from playground.serving.queue import Client
from playground.settings import Request

if TYPE_CHECKING:
    from playground.remote.measuring import RemoteMeasurer

NAME = "alignment-playground"
"""What the engines are called on a cluster."""

START_S = 900.0
"""So long may engines take until the first is there: it may have to fetch its model."""

_LONGEST_REPLY_S = 600.0  # for replies that are under way when their replica is to go
_TELL_S = 0.5  # who waits for a replica hears so at least so often, and can be gone by then
_ROUTER = "playground.remote.router.PrefixRouter"


class ClusterEngine(DescribedEngine):
    """The replicas of one engine, which answer requests as one in this process does."""

    def __init__(self, handle: Any) -> None:
        """`handle` is Ray Serve's. Raises ModelUnavailable where no replica comes up."""
        self.handle = handle
        self.description = EngineDescription(**json.loads(self._value("describe")))
        self._loop = asyncio.new_event_loop()
        Thread(target=self._loop.run_forever, name="cluster", daemon=True).start()

    def pieces(self) -> Sequence[str]:
        """Every token by itself as text."""
        return self._value("pieces")

    def _value(self, method: str) -> Any:
        try:
            return getattr(self.handle, method).remote().result(timeout_s=START_S)
        except Exception as error:  # whatever kept a replica from coming up
            reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise ModelUnavailable(f"No replica came up: {reason[0][:200]}", "See Ray's logs.") from None

    def run(self, request: Request, client: Client = NOBODY) -> Generator[Event, None, None]:  # noqa: ARG002
        """Answer a request as a stream of events; closing it frees its rows at the replica.

        Where the replica dies the request goes on at another. Raises as the engine does, and EngineLost.
        """
        body, key = wire.body(request), key_of(request)
        yield from resumed(partial(self._events, body, key))

    def _events(self, body: str, key: str) -> Generator[Event, None, None]:
        with closing(self._lines(body, key, "run")) as lines:
            yield from wire.read(lines)

    def measurer(self, coherence: bool, client: Client = NOBODY) -> "RemoteMeasurer":  # noqa: ARG002
        """What measures plans at a replica, in `coherence` too where an encoder is there."""
        from playground.remote.measuring import RemoteMeasurer

        return RemoteMeasurer(lambda body: self._lines(body, body, "batches"), coherence)

    def _lines(self, body: str, key: str, method: str) -> Generator[str, None, None]:
        told: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()
        pump = asyncio.run_coroutine_threadsafe(self._pump(body, key, method, told), self._loop)
        try:
            yield from _lines(told)
        finally:
            pump.cancel()

    async def _pump(self, body: str, key: str, method: str, told: "queue.SimpleQueue[str | Exception]") -> None:
        response = getattr(self.handle.options(stream=True), method).remote(body, key=key)
        try:
            async for some in response:
                told.put(some)
            told.put(EngineLost("The replica stopped before the reply was whole.", "Ask again."))
        except (asyncio.CancelledError, CancelledError):
            raise
        except Exception as error:  # Ray has many kinds: the replica died, its node is gone, it is being replaced
            told.put(EngineLost(f"The replica was lost ({type(error).__name__}).", "Ask again."))
        finally:
            response.cancel()


def _lines(told: "queue.SimpleQueue[str | Exception]") -> Generator[str, None, None]:
    """What the replica says, line by line; who waits for one is told so. Raises what ended it."""
    begun, last = False, time.monotonic()
    while True:
        try:
            one = told.get(timeout=_TELL_S)
        except queue.Empty:
            silent = time.monotonic() - last
            if silent > (SILENCE_S if begun else START_S):
                raise EngineLost("The replica says nothing any more.", "Ask again.") from None
            if not begun:
                yield to_json(Waiting(0))
            continue
        if isinstance(one, Exception):
            raise one
        begun, last = True, time.monotonic()
        yield from one.split("\n")


def deploy(hosting: ServerSettings, ray: Any, axes: Sequence[str] = (), version: str = __version__) -> ClusterEngine:
    """Have Ray Serve hold the replicas that the settings ask for; others of that name are replaced.

    Replies under way are written to their end by the replica that they began at. Raises ModelUnavailable, InvalidInput.
    """
    from ray import serve
    from ray.serve.config import RequestRouterConfig

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    serve.start(proxy_location="Disabled", logging_config={"enable_access_log": False, "log_level": "ERROR"})
    most, there = max(hosting.replicas, hosting.most_replicas), ray.cluster_resources()
    device = _device(hosting, there)
    scaling = {"min_replicas": hosting.replicas, "max_replicas": most, "target_ongoing_requests": PLACES // 2}
    how: dict[str, Any] = {
        "name": "engine",
        "max_ongoing_requests": PLACES,
        "ray_actor_options": _share(device, there, most),
        "graceful_shutdown_timeout_s": _LONGEST_REPLY_S,
        "graceful_shutdown_wait_loop_s": 1.0,
        "health_check_period_s": 2.0,
        "request_router_config": RequestRouterConfig.model_validate({"request_router_class": _ROUTER}),
    }
    how |= {"autoscaling_config": scaling} if most > hosting.replicas else {"num_replicas": most}
    deployment = serve.deployment(**how)(Replica)
    try:
        handle = serve.run(deployment.bind(_own(hosting, device), list(axes), version), name=NAME, route_prefix=None)
    except RuntimeError as error:
        raise ModelUnavailable(f"The replicas did not come up: {error}", "See Ray's logs.") from None
    return ClusterEngine(handle)


def _own(hosting: ServerSettings, device: str) -> dict[str, Any]:
    """The settings of each replica."""
    told = {"model", "dtype", "public", "max_new_tokens", "max_rows", "max_replies"}
    return hosting.model_dump(include=told) | {"device": device}


def _device(hosting: ServerSettings, there: Mapping[str, float]) -> str:
    """Where each replica holds its model: on a GPU of its own where that is asked for, or where there are any."""
    if hosting.device not in ("auto", "cpu", "cuda"):
        raise InvalidInput("Each replica has one device of its own.", "Set the device to auto, cpu or cuda.", "device")
    return ("cuda" if there.get("GPU", 0) else "cpu") if hosting.device == "auto" else hosting.device


def _share(device: str, there: Mapping[str, float], most: int) -> dict[str, float]:
    """What of the cluster each replica takes: a GPU, or its share of the processors."""
    if device == "cuda":
        return {"num_cpus": 1, "num_gpus": 1}
    return {"num_cpus": max(1, int(there.get("CPU", 1)) // most)}


@contextmanager
def replicas(hosting: ServerSettings) -> Generator[ClusterEngine, None, None]:
    """The engine of a cluster that is joined or started, for the length of a `with`; in a joined one it stays."""
    with joined(hosting.ray_address) as ray:
        yield deploy(hosting, ray)
