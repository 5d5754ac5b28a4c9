"""An engine at a URL is the engine itself: the same events, errors, limits and keys, and whoever leaves frees it."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from gradio_client import Client as GradioClient

from playground.engine.prefix_tree import PrefixTree
from playground.errors import AxisMismatch, Busy, InvalidInput, ModelUnavailable
from playground.events import Event, Finished, Waiting, to_json
from playground.player import Player
from playground.remote import http
from playground.remote.http import RemoteEngine
from playground.remote.opening import opened
from playground.remote.wire import EngineLost
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.serving.queue import Client
from playground.settings import Request, Row, Sampling, Strength, conversation
from tests.api.conftest import LENGTH, MODEL, Served, serving
from tests.api.test_server import Gated, numbers
from tests.servers import PageServer


def asked(prompt: str = "How was it?", seeds: int = 2, **more: Any) -> Request:
    rows = tuple(
        Row(messages=conversation(prompt), strengths=strengths, seed=seed, alternatives=2)
        for seed in range(seeds)
        for strengths in ((), (Strength(axis="cheer", alpha=1.5, control=0.5),))
    )
    return Request(rows=rows, sampling=Sampling(temperature=0.8), **{"max_new_tokens": LENGTH, **more})


def fresh(player: Player, request: Request) -> list[Event]:
    """A request's events from an engine that remembers nothing."""
    player.tree = PrefixTree()
    return list(player.run(request))


@pytest.fixture(scope="module")
def engine(served: Served) -> RemoteEngine:
    return RemoteEngine(served.url)


def test_it_is_what_the_engine_is(player: Player, engine: RemoteEngine) -> None:
    for name in ("name", "base", "dtype", "context_length"):
        assert getattr(engine, name) == getattr(player, name)
    assert {name: axis.card for name, axis in engine.axes.items()} == {n: a.card for n, a in player.axes.items()}
    assert [engine.piece(token) for token in range(50)] == [player.piece(token) for token in range(50)]
    assert engine.axis("cheer").methods_for("control") == player.axis("cheer").methods_for("control")
    with pytest.raises(AxisMismatch, match="cheer, warm"):
        engine.axis("grace")


def test_its_events_are_the_engine_s_own_to_the_last_bit(player: Player, engine: RemoteEngine) -> None:
    request = asked()
    expected = [to_json(event) for event in fresh(player, request)]
    player.tree = PrefixTree()
    assert [to_json(event) for event in engine.run(request)] == expected


def test_it_refuses_as_the_engine_does(engine: RemoteEngine, served: Served) -> None:
    with pytest.raises(InvalidInput, match="context"):
        list(engine.run(asked("word " * 600)))
    with pytest.raises(InvalidInput) as refused:
        list(engine.run(asked(max_new_tokens=3000)))
    assert refused.value.field == "max_new_tokens"
    with serving(served.player, ServerSettings(model=MODEL, max_rows=8)) as small:
        near = RemoteEngine(small.url)
        with pytest.raises(InvalidInput, match="at once"):
            list(near.run(asked(seeds=5)))


def test_who_waits_in_its_line_is_told(player: Player) -> None:
    with serving(player, ServerSettings(model=MODEL, queue=1)) as served:
        engine = RemoteEngine(served.url)
        waiting = engine.run(asked())
        with ThreadPoolExecutor(8) as people:
            with player.scheduler.alone():
                running = [people.submit(lambda: list(engine.run(asked()))) for _ in range(8)]
                while numbers(served)["playground_requests_answering"] < 8:
                    pass
                assert next(waiting) == Waiting(0)
                with pytest.raises(Busy):
                    list(engine.run(asked()))
            ends = [event for event in waiting if isinstance(event, Finished)]
            assert all([e for e in one.result() if isinstance(e, Finished)] for one in running)
        assert len(ends) == 4


def test_who_leaves_frees_their_rows_within_a_step(
    player: Player, engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gated(player, monkeypatch)
    with closing(engine.run(asked(max_new_tokens=400))) as events:
        told = Thread(target=lambda: next(events))
        told.start()
        gate.allow(3)
        told.join()
        assert (gate.taken, player.scheduler.running) == (3, 4)
    assert gate.left.wait(60)
    gate.may.release()
    assert gate.closed.wait(60)
    assert (gate.taken, player.scheduler.running, player.scheduler.under_way) == (4, 0, 0)


def test_it_asks_with_a_key_and_tells_for_whom(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    run = player.run
    monkeypatch.setattr(player, "run", lambda request, client=None: seen.append(client) or run(request, client))
    with serving(player, ServerSettings(model=MODEL, proxies=1), keys=["secret"]) as served:
        for key in ("", "wrong"):
            with pytest.raises(ModelUnavailable, match="key"):
                RemoteEngine(served.url, key)
        monkeypatch.setenv("ENGINE_KEY", "secret")
        hosting = ServerSettings(engine=served.url, engine_key_env="ENGINE_KEY")
        with opened(hosting) as (engine, within):
            assert list(LimitedPlayer(engine, within).run(asked(), Client("1.2.3.4", "tab")))
        with (
            pytest.raises(InvalidInput, match="NOWHERE"),
            opened(hosting.model_copy(update={"engine_key_env": "NOWHERE"})),
        ):
            pass
    assert [client.host for client in seen] == ["1.2.3.4"]


def test_a_page_before_it_keeps_its_limits_and_adds_nothing(served: Served) -> None:
    with opened(ServerSettings(engine=served.url, max_rows=9, max_new_tokens=100_000)) as (engine, within):
        assert (within.model, within.max_rows, within.max_new_tokens) == (MODEL, 9, 2048)
        hosted = LimitedPlayer(engine, within)
        assert not within.adds_axes and not hosted.damaged
        with pytest.raises(InvalidInput, match="elsewhere"):
            hosted.load("/folder")
        from playground.measure.plan import SweepPlan

        plan = SweepPlan(axis="cheer", prompts=("Hello.",))
        for refused in (lambda: list(hosted.sweep(plan)), lambda: hosted.identity(plan)):
            with pytest.raises(InvalidInput, match="cannot measure"):
                refused()


def test_an_endpoint_before_it_answers_as_the_engine_s_own(served: Served) -> None:
    with opened(ServerSettings(engine=served.url)) as (engine, within), serving(engine, within) as front:
        options: dict[str, Any] = {
            "model": f"{MODEL}@cheer=1", "messages": [{"role": "user", "content": "How was it?"}], "seed": 4,
            "n": 2, "logprobs": True, "top_logprobs": 2, "max_tokens": LENGTH,
        }  # fmt: skip
        far, near = (one.client().chat.completions.create(**options) for one in (front, served))
        assert [choice.message.content for choice in far.choices] == [choice.message.content for choice in near.choices]
        texts = [[token.token for token in choice.logprobs.content] for choice in far.choices]
        assert texts == [[token.token for token in choice.logprobs.content] for choice in near.choices]


def test_an_address_where_no_engine_is_is_told_in_a_sentence(served: Served) -> None:
    for url in ("here", "ftp://here", "http://"):
        with pytest.raises(InvalidInput, match="is no address"):
            RemoteEngine(url)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(EngineLost, match="does not answer"):
        RemoteEngine(f"http://127.0.0.1:{port}")
    with pytest.raises(ModelUnavailable, match="404"):
        RemoteEngine(f"{served.url}/elsewhere")


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of what takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_an_engine_that_says_nothing_is_lost(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SILENCE_S", 0.05)
    with pytest.raises(EngineLost, match="timed out"):
        RemoteEngine(silent)


def test_while_nothing_happens_the_engine_says_that_it_is_there(
    player: Player, engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playground.remote.telling.BEAT_S", 0.01)
    beats: list[bytes] = []
    read = http.wire.read
    monkeypatch.setattr(http.wire, "read", lambda lines: read(beats.append(line) or line for line in lines))
    with player.scheduler.alone():
        ran = Thread(target=lambda: list(engine.run(asked())))
        ran.start()
        while beats.count(b"\n") < 3:
            pass
    ran.join()
    assert beats[-1].strip() == http.wire.END.encode()


def test_a_page_before_an_engine_loads_no_tensors(served: Served) -> None:
    code = (
        "import sys\nfrom playground.remote.opening import opened\n"
        "from playground.serving.hosting import ServerSettings\n"
        "from playground.serving.limits import LimitedPlayer\nfrom playground.ui.app import build\n"
        f"with opened(ServerSettings(engine={served.url!r})) as (engine, within):\n"
        "    build(LimitedPlayer(engine, within))\n"
        "print(sorted({'torch', 'transformers', 'ray'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.splitlines()[-1:] == ["[]"], ran.stdout + ran.stderr


def test_a_page_before_an_engine_answers_as_the_engine_s_own_page(tmp_path: Path) -> None:
    with PageServer(tmp_path / "engine") as engine, PageServer(tmp_path / "page", PLAYGROUND_ENGINE=engine.url) as page:
        told = []
        for server in (engine, page):
            with closing(GradioClient(server.url, verbose=False)) as client:
                asked: dict[str, Any] = {"max_new_tokens": 8, "seed": 1, "temperature": 1}
                told.append(client.predict("Describe your morning.", **asked, api_name="/say"))
        assert told[0] == told[1] and told[0][0]["text"]
