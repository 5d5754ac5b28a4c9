"""An engine at a URL is the engine itself: the same events, errors, limits and keys, and whoever leaves frees it."""

import json
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

import httpx
import pytest
from gradio_client import Client as GradioClient

from playground.engine.prefix_tree import PrefixTree
from playground.errors import AxisMismatch, Busy, InvalidInput, ModelUnavailable
from playground.events import Event, Finished, Progress, Waiting, exhaust, to_json
from playground.measure.local import LocalMeasurer
from playground.measure.plan import SweepPlan
from playground.measure.sweep import PLAN, STORE, Identity, PointMeasured, replies_in
from playground.player import Player
from playground.remote import http
from playground.remote.http import RemoteEngine
from playground.remote.measuring import RemoteMeasurer
from playground.remote.opening import opened
from playground.remote.resumed import ATTEMPTS
from playground.remote.wire import EngineLost
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.serving.queue import Client
from playground.settings import Request, Row, Sampling, Strength, conversation
from tests.api.conftest import LENGTH, MODEL, Served, serving
from tests.api.test_server import Gated, numbers
from tests.conftest import FolderOf
from tests.servers import PageServer
from tests.tiny_axis import make_tiny_axis


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


def test_it_opens_no_folder_named_as_an_axis(engine: RemoteEngine, tiny_folder: FolderOf, tmp_path: Path) -> None:
    folder = str(make_tiny_axis(tmp_path / "grace", tiny_folder("llama"), "grace"))
    rows = (Row(messages=conversation("How was it?"), strengths=(Strength(axis=folder),)),)
    with pytest.raises(ModelUnavailable, match="no axis named"):
        list(engine.run(Request(rows=rows, max_new_tokens=2)))
    with pytest.raises(ModelUnavailable, match="no axis named"):
        exhaust(engine.measurer(coherence=False).identity(plan(axis=folder)))


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


# --- measuring --------------------------------------------------------------------------------------------------------


def plan(**changes: Any) -> SweepPlan:
    prompts = ("Tell me about rain.", "What is a bridge?", "Who are you?")
    return SweepPlan(
        **{"axis": "cheer", "alphas": (0.0, 1.0), "prompts": prompts, "batch": 2, "max_new_tokens": 6} | changes
    )


@pytest.mark.parametrize("axis", ["cheer", "a pirate | a clerk"])
def test_a_sweep_before_it_makes_the_folder_that_the_engine_makes(served: Served, tmp_path: Path, axis: str) -> None:
    with opened(ServerSettings(engine=served.url)) as (engine, within):
        far, near = LimitedPlayer(engine, within), LimitedPlayer(served.player, ServerSettings(model=MODEL))
        what = plan(axis=axis)
        told = [[*player.identity(what)][-1] for player in (near, far)]
        assert json.loads(json.dumps(told[0])) == json.loads(json.dumps(told[1]))
        points = [
            [event for event in player.sweep(what, out=tmp_path / name) if isinstance(event, PointMeasured)]
            for name, player in (("far", far), ("near", near))
        ]
    assert points[0] == points[1] and len(points[0]) == 2 * 3
    for name in (PLAN, STORE):
        assert (tmp_path / "far" / name).read_bytes() == (tmp_path / "near" / name).read_bytes()


@pytest.mark.usefixtures("own_cache")
def test_a_sweep_before_it_tells_how_far_its_axis_is_calibrated(player: Player) -> None:
    fresh = Player(player.model, player.axes)
    with serving(fresh) as served, opened(ServerSettings(engine=served.url)) as (engine, within):
        *before, last = LimitedPlayer(engine, within).identity(plan(axis="a cook | a judge"))
    assert isinstance(last, Identity)
    assert len([one for one in before if isinstance(one, Progress) and one.stage == "calibrating"]) > 1


def test_a_sweep_before_it_is_stopped_and_gone_on_with(
    player: Player, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    batches = LocalMeasurer.batches

    def counted(self: LocalMeasurer, what: SweepPlan, numbers: range, stops: Any) -> Iterator[Any]:
        measured.append(numbers.start)
        return batches(self, what, numbers, stops)

    monkeypatch.setattr(LocalMeasurer, "batches", counted)
    with opened(ServerSettings(engine=served.url)) as (engine, within):
        far, out = LimitedPlayer(engine, within), tmp_path / "sweep"
        for event in (steps := far.sweep(plan(), out=out)):
            if isinstance(event, Progress) and event.done:
                break
        steps.close()
        assert len(replies_in(out)) == 2
        assert exhaust(far.sweep(plan(), out=out)) is None
        assert measured == [0, 1] and len(replies_in(out)) == 6
        with pytest.raises(InvalidInput, match="another sweep"):
            next(far.sweep(plan(seed=1), out=out))


def test_who_stops_a_sweep_before_it_frees_its_rows(
    player: Player, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playground.remote.measuring.BEAT_S", 0.01)
    gate, stopping = Gated(player, monkeypatch), Flag()
    with opened(ServerSettings(engine=served.url)) as (engine, within):
        steps = LimitedPlayer(engine, within).sweep(plan(max_new_tokens=400), stops=stopping.is_set)
        ran = Thread(target=lambda: list(steps))
        ran.start()
        gate.allow(3)
        stopping.set()
        ran.join()
    assert gate.left.wait(60)
    while not gate.closed.wait(0.05):
        gate.may.release()
    assert gate.taken < 400 and player.scheduler.running == 0


def test_a_sweep_outlives_a_connection_and_refuses_another_engine(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, lost = http.wire.whole, [2, 1]

    def cut(lines: Any, stops: Any) -> Iterator[str]:
        """The line breaks after a first and after a second batch."""
        for number, line in enumerate(whole(lines, stops)):
            yield line
            if number and lost and lost.pop():
                raise EngineLost("gone")

    with opened(ServerSettings(engine=served.url)) as (engine, within):
        far = LimitedPlayer(engine, within)
        monkeypatch.setattr(http.wire, "whole", cut)
        points = [event for event in far.sweep(plan(), out=tmp_path / "far") if isinstance(event, PointMeasured)]
        assert not lost and len(points) == 6
        lost.append(1)
        told = LimitedPlayer.batches

        def another(*args: Any) -> Iterator[Any]:
            for one in told(*args):
                yield one._replace(told={**one.told, "dtype": f"{len(lost)}"}) if isinstance(one, Identity) else one

        monkeypatch.setattr(LimitedPlayer, "batches", another)
        with pytest.raises(ModelUnavailable, match="became another"):
            list(far.sweep(plan(seed=3)))


def test_an_engine_that_ends_too_early_is_asked_again_and_then_lost() -> None:
    asked: list[str] = []

    def ask(body: str) -> Generator[str, None, None]:
        asked.append(body)
        yield from ('{"identity":{}}', http.wire.END)

    def nothing(body: str) -> Generator[str, None, None]:
        yield http.wire.END

    with pytest.raises(EngineLost, match="before it was whole"):
        list(RemoteMeasurer(ask, coherence=False).batches(plan(), range(3)))
    assert len(asked) == ATTEMPTS
    with pytest.raises(EngineLost, match="before it was whole"):
        exhaust(RemoteMeasurer(nothing, coherence=False).identity(plan()))


def test_a_sweep_before_it_keeps_to_the_limits_of_both(served: Served) -> None:
    with serving(served.player, ServerSettings(model=MODEL, max_replies=5)) as small:
        for url, limits in ((small.url, {}), (served.url, {"max_replies": 5})):
            hosting = ServerSettings(engine=url, **limits)
            with opened(hosting) as (engine, within), pytest.raises(InvalidInput, match="6 replies"):
                list(LimitedPlayer(engine, within).sweep(plan()))
        measurer = RemoteEngine(small.url).measurer(coherence=False)
        with pytest.raises(InvalidInput, match="6 replies"):
            exhaust(measurer.identity(plan()))
        for wrong in ("", "[]", '{"plan": 1}', '{"plan": {}, "numbers": [0, 1], "coherence": false}'):
            assert httpx.post(f"{small.url}/v1/engine/batches", content=wrong).status_code == 400
        with pytest.raises(ModelUnavailable, match="no such batches"):
            list(measurer.batches(plan(prompts=("Hello.",)), range(5, 9)))


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
    for url in ("here", "ftp://here", "http://", "http://[", "http://here:99999"):
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
    monkeypatch.setattr("playground.api.engine.BEAT_S", 0.01)
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
        "    hosted = LimitedPlayer(engine, within)\n    build(hosted)\n"
        "    from playground.measure.plan import SweepPlan\n"
        "    list(hosted.sweep(SweepPlan(axis='cheer', prompts=('Hello.',), alphas=(0, 1), max_new_tokens=4)))\n"
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
