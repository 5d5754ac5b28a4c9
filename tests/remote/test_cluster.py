"""Replicas on a Ray cluster are one engine: the same text, whichever dies, is replaced or is asked."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from threading import Event as Flag
from threading import Semaphore
from typing import Any

import psutil
import pytest
from openai import APIError

from playground.engine.language_model import threads
from playground.errors import InvalidInput, ModelUnavailable
from playground.events import Event, Finished, Progress, Started, Token, exhaust, finished
from playground.measure.local import LocalMeasurer
from playground.measure.plan import SweepPlan
from playground.measure.sweep import PLAN, STORE, replies_in, sweep
from playground.player import Player
from playground.remote import wire
from playground.remote.affinity import key_of, order
from playground.remote.cluster import NAME, ClusterEngine, deploy
from playground.remote.joined import joined
from playground.remote.machines import Machines, Place
from playground.remote.opening import within
from playground.remote.replies import answers
from playground.remote.sweeps import ClusterMeasurer, measured
from playground.serving.hosting import ServerSettings
from playground.serving.limits import PLACES, LimitedPlayer
from playground.settings import Request, Row, Sampling, Strength, conversation
from tests.api.conftest import Served, serving
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
    # What Ray leaves open, and what it warns of, is Ray's.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def axes(tmp_path_factory: pytest.TempPathFactory, tiny_folder: FolderOf) -> list[str]:
    folder = tmp_path_factory.mktemp("axes")
    return [
        str(make_tiny_axis(folder / name, tiny_folder("llama"), name, i)) for i, name in enumerate(("cheer", "warm"))
    ]


@pytest.fixture(scope="module")
def hosting(tiny_folder: FolderOf) -> ServerSettings:
    return ServerSettings(model=str(tiny_folder("llama")), device="cpu", replicas=2, queue=500)


@pytest.fixture(scope="module")
def near(hosting: ServerSettings, axes: list[str]) -> Player:
    """The same engine in this process."""
    player = Player.open(hosting.model, hosting.dtype, None, "cpu")
    for folder in axes:
        player.axis(folder)
    return player


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    with joined(cpus=2) as package:
        yield package


@pytest.fixture(scope="module")
def engine(ray: Any, hosting: ServerSettings, axes: list[str]) -> ClusterEngine:
    return deploy(hosting, ray, axes)


@pytest.fixture(scope="module")
def served(engine: ClusterEngine, hosting: ServerSettings) -> Iterator[Served]:
    with serving(engine, within(hosting, engine.description)) as server:
        yield server


def asked(prompt: str, seed: int = 0, length: int = 24) -> Request:
    strengths = ((), (Strength(axis="cheer", alpha=1.5, control=0.5),))
    rows = tuple(Row(messages=conversation(prompt), strengths=own, seed=seed, alternatives=2) for own in strengths)
    return Request(rows=rows, sampling=Sampling(temperature=0.8), max_new_tokens=length)


def texts(events: "Iterator[Event] | list[Event]") -> dict[int, str]:
    """The replies of a request, as they end; each was told token by token."""
    grown: dict[int, str] = {}
    ends: dict[int, str] = {}
    for event in events:
        if isinstance(event, Token):
            grown[event.row] = grown.get(event.row, "") + event.text
        if isinstance(event, Finished):
            ends[event.row] = event.text
    assert grown == ends
    return ends


def names(ray: Any) -> list[str]:
    """The replicas that there are."""
    found = ray.util.list_named_actors(all_namespaces=True)
    return [one["name"] for one in found if one["name"].startswith(f"SERVE_REPLICA::{NAME}#")]


def answering(ray: Any) -> int:
    """How many replicas answer."""
    deployment = ray.serve.status().applications[NAME].deployments["engine"]
    return deployment.replica_states.get("RUNNING", 0)


def preferred(ray: Any, request: Request) -> str:
    """The replica that answers a request."""
    by_id = {name.rpartition("#")[2]: name for name in names(ray)}
    return by_id[order(key_of(request), by_id)[0]]


def kill(ray: Any, name: str) -> None:
    with suppress(ValueError):  # it is gone already
        ray.kill(ray.get_actor(name, namespace="serve"))


def test_nothing_listens_for_other_machines_and_nothing_is_reported(engine: ClusterEngine) -> None:
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    listening = {
        (line.laddr.ip.removeprefix("::ffff:"), process.name())
        for process in psutil.Process().children(recursive=True)
        for line in process.net_connections()
        if line.status == psutil.CONN_LISTEN
    }
    assert listening
    assert not [(where, who) for where, who in listening if not ip_address(where).is_loopback]


def test_it_is_the_engine_and_writes_the_same(engine: ClusterEngine, near: Player) -> None:
    assert (engine.name, engine.dtype, engine.base) == (near.name, near.dtype, near.base)
    assert [engine.piece(token) for token in range(40)] == [near.piece(token) for token in range(40)]
    for seed, prompt in enumerate(("How was it?", "And you?", "Why?")):
        request = asked(prompt, seed)
        far, own = list(engine.run(request)), list(near.run(request))
        assert texts(far) == texts(own)
        assert [event for event in far if isinstance(event, Started)] == [own[0]]
        told, expected = ([e for e in events if isinstance(e, Token)] for events in (far, own))
        assert sorted((e.row, e.position, e.id) for e in told) == sorted((e.row, e.position, e.id) for e in expected)
        for one, other in zip(*(sorted(e, key=lambda e: (e.row, e.position)) for e in (told, expected)), strict=True):
            assert (one.logprob, one.kl) == (pytest.approx(other.logprob, abs=1e-4), pytest.approx(other.kl, abs=1e-4))
    with pytest.raises(InvalidInput, match="context"):
        list(engine.run(asked("word " * 600)))


def test_a_reply_goes_on_where_its_replica_dies(
    ray: Any, engine: ClusterEngine, near: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks: list[str] = []
    ask = engine._events
    monkeypatch.setattr(engine, "_events", lambda body, key: asks.append(key) or ask(body, key))
    for seed in range(5):  # until one was killed before all was written
        request = asked("Tell me everything.", seed, 300)
        with closing(engine.run(request)) as events:
            begun = [next(events) for _ in range(6)]
            kill(ray, preferred(ray, request))
            assert texts([*begun, *events]) == texts(near.run(request))
        if len(asks) > seed + 1:
            break
    assert len(asks) > seed + 1


def test_while_replicas_are_killed_each_of_many_clients_gets_its_own_reply_or_one_error(
    ray: Any, served: Served, near: Player
) -> None:
    clients, kills = 24, 2
    begun, over, ended = Semaphore(0), Flag(), []

    def talk(number: int) -> None:
        with served.client(timeout=300) as client:
            request = {"model": f"{served.player.description.base.name}@cheer=1", "seed": number, "max_tokens": 100}
            stream = client.chat.completions.create(
                messages=[{"role": "user", "content": f"Talk about {number}."}], stream=True, **request
            )  # type: ignore[call-overload]
            found, error = [], None
            try:
                for chunk in stream:
                    begun.release()
                    found += [choice.delta.content or "" for choice in chunk.choices]
            except APIError as failed:
                error = str(failed)
            ended.append((number, "".join(found), error))

    def killer() -> None:
        for _ in range(kills):
            for _ in range(40):
                while not begun.acquire(timeout=1):
                    if over.is_set():
                        return
            for name in names(ray)[:1]:
                kill(ray, name)

    with ThreadPoolExecutor(clients + 1) as people:
        killing = people.submit(killer)
        list(people.map(talk, range(clients)))
        over.set()
        killing.result()
    assert sorted(number for number, _, _ in ended) == list(range(clients))
    for number, text, error in ended:
        row = Row(
            messages=conversation(f"Talk about {number}."), strengths=(Strength(axis="cheer", alpha=1.0),), seed=number
        )
        request = Request(rows=(row,), sampling=Sampling(temperature=1.0), max_new_tokens=100)
        [whole] = texts(near.run(request)).values()
        assert whole.startswith(text) and (error is not None or text == whole)
        assert error is None or "replica" in error
    assert [one for one in ended if one[2] is None]


def test_a_rolling_update_loses_no_request(
    ray: Any, engine: ClusterEngine, near: Player, hosting: ServerSettings, axes: list[str]
) -> None:
    before, begun = set(names(ray)), Semaphore(0)

    def talk(number: int) -> bool:
        request = asked(f"Tell me about {number}.", number, 200)
        told: list[Event] = []
        for event in engine.run(request):
            if isinstance(event, Token) and event.position == 0 and event.row == 0:
                begun.release()
            told.append(event)
        return texts(told) == texts(near.run(request))

    with ThreadPoolExecutor(12) as people:
        running = [people.submit(talk, number) for number in range(6)]
        for _ in running:
            assert begun.acquire(timeout=120)
        updating = people.submit(deploy, hosting, ray, axes, "the next version")
        number = len(running)
        while not updating.done():
            running.append(people.submit(talk, number))
            running[-1].result()
            number += 1
        assert all(one.result() for one in running)
        updating.result()
    assert set(names(ray)) and not before & set(names(ray))


@pytest.mark.usefixtures("engine")
def test_a_replica_is_added_while_more_ask_than_one_answers(
    ray: Any, near: Player, hosting: ServerSettings, axes: list[str]
) -> None:
    """Ray waits half a minute before it believes that so many will go on asking."""
    ray.serve.delete(NAME)  # else as many stay as there are
    try:
        growing = deploy(hosting.model_copy(update={"replicas": 1, "most_replicas": 2}), ray, axes)
        over = Flag()

        def talk(number: int) -> tuple[Request, dict[int, str]]:
            """Ask for long replies that nobody has had yet, one after the other; the last of them."""
            while True:
                request = asked(f"Tell me about {number}.", number, 400)
                found = texts(growing.run(request))
                if over.is_set():
                    return request, found
                number += PLACES

        with ThreadPoolExecutor(PLACES) as people:
            assert answering(ray) == 1
            running = [people.submit(talk, number) for number in range(PLACES)]
            try:
                for number in count():
                    if answering(ray) == 2:
                        break
                    texts(growing.run(asked("Hello.", number, 4)))
            finally:
                over.set()
            for request, found in (one.result() for one in running):
                assert found == texts(near.run(request))
    finally:
        deploy(hosting, ray, axes)


# --- sweeps -----------------------------------------------------------------------------------------------------------


def test_a_sweep_on_a_cluster_makes_the_folder_that_one_machine_makes(
    ray: Any, near: Player, hosting: ServerSettings, axes: list[str], tmp_path: Path
) -> None:
    plan = SweepPlan(axis=axes[0], prompts=tuple(f"What is {n}?" for n in range(5)), alphas=(0.0, 1.0), batch=2,
                     max_new_tokens=12)  # fmt: skip
    how = {"model": hosting.model, "dtype": hosting.dtype, "device": "cpu", "encoder": None}
    apart = ClusterMeasurer(Machines(ray, Place(0, 0, 1), threads()), LocalMeasurer(near), how)
    exhaust(sweep(LocalMeasurer(near), plan, tmp_path / "here"))
    for event in (steps := sweep(apart, plan, tmp_path / "there")):
        if isinstance(event, Progress) and event.done:  # stopped after the first batch
            break
    steps.close()
    assert len(replies_in(tmp_path / "there")) == 2
    killed = False
    for event in sweep(apart, plan, tmp_path / "there"):
        if isinstance(event, Progress) and event.done and not killed:
            killed = True
            for worker in psutil.Process().children(recursive=True):
                if worker.name().startswith("ray::measured"):
                    worker.kill()
    assert killed
    files = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "there").iterdir())
    for name in (PLAN, STORE):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_a_page_before_the_replicas_measures_as_one_engine_does(
    engine: ClusterEngine, near: Player, hosting: ServerSettings, axes: list[str], tmp_path: Path
) -> None:
    far = LimitedPlayer(engine, within(hosting, engine.description))
    plan = SweepPlan(axis="cheer", prompts=tuple(f"What is {n}?" for n in range(6)), alphas=(0.0, 1.0), batch=2,
                     max_new_tokens=40)  # fmt: skip
    exhaust(LimitedPlayer(near, ServerSettings()).sweep(plan, out=tmp_path / "here"))
    killed = False
    for event in far.sweep(plan, out=tmp_path / "there"):
        if isinstance(event, Progress) and event.done and not killed:
            killed = True
            for replica in psutil.Process().children(recursive=True):
                if replica.name().startswith("ray::ServeReplica"):
                    replica.kill()
    assert killed
    for name in (PLAN, STORE):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_requests_on_a_cluster_are_answered_as_here_whoever_dies(
    ray: Any, near: Player, hosting: ServerSettings, axes: list[str]
) -> None:
    how = {"model": hosting.model, "dtype": hosting.dtype, "device": "cpu"}
    along = (Strength(axis=axes[0], alpha=1.0),)
    asked = [
        Request(rows=(Row(messages=conversation(f"What is {n}?"), strengths=along, seed=n),), max_new_tokens=12)
        for n in range(6)
    ]
    found: list[list[Finished]] = []
    for ends in answers(Machines(ray, Place(0, 0, 1), threads()), near, axes, how, asked):
        if not found:
            for worker in psutil.Process().children(recursive=True):
                if worker.name().startswith("ray::answered"):
                    worker.kill()
        found.append(ends)
    assert found == [finished(near.run(request)) for request in asked]


def test_a_machine_that_has_another_axis_is_told(
    near: Player, hosting: ServerSettings, axes: list[str], tiny_folder: FolderOf, tmp_path: Path
) -> None:
    plan = SweepPlan(axis=axes[0], prompts=("Hello.",), alphas=(0.0, 1.0), max_new_tokens=2)
    how = {"model": hosting.model, "dtype": hosting.dtype, "device": "cpu", "encoder": None}
    job = {"how": how, "plan": plan.model_dump(mode="json"), "identity": {}}
    with pytest.raises(InvalidInput, match="another model, axis"):
        wire.check(measured(json.dumps(job), 0))


def test_a_batch_takes_a_gpu_or_a_whole_machine() -> None:
    def node(alive: bool = True, **there: float) -> dict[str, Any]:
        return {"Alive": alive, "Resources": there}

    assert Place.of([node(CPU=8.0), node(CPU=4.0), node(False, CPU=2.0)], "auto") == (4, 0, 2)
    assert Place.of([node(CPU=8.0, GPU=2.0), node(CPU=8.0, GPU=1.0)], "auto") == (1, 1, 3)
    assert Place.of([node(CPU=8.0, GPU=2.0)], "cpu") == (8, 0, 1)
    with pytest.raises(ModelUnavailable):
        Place.of([node()], "cpu")
