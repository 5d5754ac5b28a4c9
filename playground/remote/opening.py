"""The engine that a page or an endpoint asks: one in this process, or elsewhere, as its settings say."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple

from playground.errors import InvalidInput
from playground.events import Progress
from playground.remote.http import RemoteEngine
from playground.remote.wire import EngineDescription
from playground.serving.handle import EngineHandle
from playground.serving.hosting import NONE, ServerSettings


class Opened(NamedTuple):
    """An engine, and the settings of whoever asks it: they are never wider than the engine's own."""

    engine: EngineHandle
    hosting: ServerSettings


@contextmanager
def opened(hosting: ServerSettings, report: Callable[[Progress], None] | None = None) -> Generator[Opened, None, None]:
    """The engine of these settings, for the length of a `with`. Raises PlaygroundError where it cannot be had."""
    if hosting.engine != NONE:
        engine = RemoteEngine(hosting.engine, _key(hosting.engine_key_env))
        yield Opened(engine, within(hosting, engine.description))
        return
    if hosting.replicas:
        from playground.remote.cluster import replicas  # loads ray

        with replicas(hosting) as engine:
            yield Opened(engine, within(hosting, engine.description))
        return
    from playground.player import Player  # loads torch

    player = Player.open(hosting.model, hosting.dtype, report, hosting.device, keep=not hosting.public)
    yield Opened(player, hosting)


def within(hosting: ServerSettings, engine: EngineDescription) -> ServerSettings:
    """The settings of a page before an engine elsewhere: its model, and no wider limits than its."""
    limits = ("max_new_tokens", "max_rows", "max_replies")
    narrower = {name: min(getattr(hosting, name), getattr(engine, name)) for name in limits}
    return hosting.model_copy(update={"model": engine.model, **narrower})


def _key(variable: str) -> str:
    if variable == NONE:
        return ""
    if not (key := os.environ.get(variable, "").strip()):
        raise InvalidInput(f"There is no API key in the variable {variable}.", f"Set it: export {variable}=...")
    return key
