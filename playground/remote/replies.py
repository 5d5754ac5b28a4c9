"""Requests that are answered on the machines of a Ray cluster."""

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from functools import lru_cache

from playground.errors import InvalidInput, PlaygroundError
from playground.events import Finished, finished, from_json, to_json
from playground.player import Player
from playground.remote import wire
from playground.remote.machines import Machines
from playground.serving.handle import EngineHandle
from playground.settings import Request


def answers(
    machines: Machines, player: EngineHandle, axes: Sequence[str], how: Mapping[str, str], requests: Iterable[Request]
) -> Generator[list[Finished], None, None]:
    """The replies of each request, in the order of its rows, as the player would give them.

    `how` is the model, dtype and device that it was opened with; these and the `axes` lie at the same place on every
    machine.
    """
    asked = (request.model_dump_json() for request in requests)
    for told in machines.each(answered, job_of(player, axes, how), asked):
        yield finished(map(from_json, told.split("\n")))  # by no other line ends: a reply may hold any


def job_of(player: EngineHandle, axes: Sequence[str], how: Mapping[str, str]) -> str:
    """What a worker opens, and what that must be."""
    return json.dumps({"how": dict(how), "axes": list(axes), "identity": _identity(player, axes)})


def answered(job: str, request: str) -> str:
    """The ends of a request's replies, one a line, or a refusal: what a worker does."""
    try:
        return "\n".join(map(to_json, finished(_opened(job).run(Request.model_validate_json(request)))))
    except PlaygroundError as error:
        return wire.refusal(error)


@lru_cache(maxsize=1)
def _opened(job: str) -> Player:
    """What a worker opens once. Raises InvalidInput where it is not what was asked."""
    told = json.loads(job)
    how = told["how"]
    player = Player.open(how["model"], how["dtype"], None, how["device"])
    if _identity(player, told["axes"]) != told["identity"]:
        raise InvalidInput("A machine of the cluster has another model or axis than this one.", "Put the same on each.")
    return player


def _identity(player: EngineHandle, axes: Sequence[str]) -> str:
    """All that replies depend on, but for the request."""
    parts = {name: dict(player.axis(name).card.parts) for name in axes}
    return json.dumps({"base": player.base.model_dump(mode="json"), "dtype": player.dtype, "axes": parts})
