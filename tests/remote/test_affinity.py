"""A conversation stays with one replica, and only those of a replica that comes or goes move. Nobody imports Ray."""

import asyncio
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from playground.errors import InvalidInput
from playground.player import Player
from playground.remote import wire
from playground.remote.affinity import key_of, order
from playground.remote.joined import joined
from playground.remote.replica import Replica
from playground.remote.wire import END
from playground.settings import Message, Request, Row, Strength, conversation


def asked(prompt: str, *history: Message, **strength: Any) -> Request:
    strengths = (Strength(axis="cheer", **strength),) if strength else ()
    return Request(rows=(Row(messages=conversation(prompt, "Be kind.", history), strengths=strengths),))


def test_turns_and_strengths_of_a_conversation_have_one_key() -> None:
    talk = Message(role="user", content="How was it?"), Message(role="assistant", content="Fine.")
    assert key_of(asked("How was it?")) == key_of(asked("And then?", *talk)) == key_of(asked("How was it?", alpha=2))
    assert key_of(asked("How was it?")) != key_of(asked("How is it?"))


def test_only_the_keys_of_a_replica_that_comes_or_goes_move() -> None:
    names, keys = [f"r{number}" for number in range(5)], [f"k{number}" for number in range(1000)]
    first = {key: order(key, names)[0] for key in keys}
    assert min([*first.values()].count(name) for name in names) > 100  # of 200 each
    for gone in names:
        left = {key: order(key, [name for name in names if name != gone])[0] for key in keys}
        assert all(left[key] == first[key] for key in keys if first[key] != gone)
    assert all(order(key, reversed(names)) == order(key, names) for key in keys)


@pytest.mark.filterwarnings("ignore")
def test_the_router_ranks_replicas_by_the_key() -> None:
    from playground.remote.router import PrefixRouter

    replicas: list[Any] = [SimpleNamespace(replica_id=SimpleNamespace(unique_id=name)) for name in "abc"]
    request: Any = SimpleNamespace(kwargs={"key": "k"}, routing_context=SimpleNamespace(should_backoff=False))
    ranks = asyncio.run(PrefixRouter.choose_replicas(None, replicas, request))  # type: ignore[arg-type]
    assert [[one.replica_id.unique_id for one in rank] for rank in ranks] == [[name] for name in order("k", "abc")]
    assert request.routing_context.should_backoff
    assert len(asyncio.run(PrefixRouter.choose_replicas(None, replicas, None))) == 3  # type: ignore[arg-type]


def replica_of(player: Player) -> Replica:
    replica = object.__new__(Replica)
    replica.player = player
    return replica


def test_a_replica_that_nobody_listens_to_frees_its_rows(player: Player) -> None:
    async def leaves() -> None:
        lines = replica_of(player).run(wire.body(asked("How was it?", alpha=1)), "key")
        assert "started" in await anext(lines)
        await lines.aclose()

    asyncio.run(leaves())
    while player.scheduler.under_way:
        pass
    assert player.scheduler.running == 0


@pytest.mark.parametrize(
    ("body", "told"), [("", "no request"), (wire.body(asked("word " * 600)), "context"), (wire.body(asked("Hi.")), END)]
)
def test_a_replica_ends_with_how_it_ended(player: Player, body: str, told: str) -> None:
    async def answered() -> str:
        return "".join([some async for some in replica_of(player).run(body, "key")])

    assert told in asyncio.run(answered()).splitlines()[-1]


def test_without_the_extra_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match="pip install"), joined():
        pass


def test_nobody_imports_ray_who_does_not_ask_for_it() -> None:
    modules = (
        "playground.remote.opening", "playground.remote.replica", "playground.api.server", "playground.cli.main",
        "playground.ui.app", "playground.player",
    )  # fmt: skip
    code = f"import sys, {', '.join(modules)}; print({{'ray', 'grpc'}} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert ran.stdout.strip() == "set()"
