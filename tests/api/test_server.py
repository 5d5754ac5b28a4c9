"""The endpoint as a server: keys, ids, limits, who goes away, what it counts, and whose pages may call it."""

import asyncio
import json
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from threading import Event as Flag
from threading import Semaphore
from typing import Any

import httpx
import pytest
from openai import APIError, AuthenticationError, OpenAI, RateLimitError

from playground.api.keys import Keys
from playground.engine.live_request import Step
from playground.engine.prefix_tree import PrefixTree
from playground.errors import AxisMismatch, InvalidInput, ModelUnavailable
from playground.events import Event, Finished, Token
from playground.player import Player
from playground.serving.hosting import ServerSettings
from playground.serving.live import LiveEvents
from playground.settings import Strength
from tests.api.conftest import LENGTH, MODEL, Served, data, serving

BODY = {"model": MODEL, "messages": [{"role": "user", "content": "How was it?"}], "max_tokens": LENGTH}


def ask(client: OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(**{**BODY, **more})  # type: ignore[arg-type]


def test_a_token_s_text_is_asked_for_beside_the_event_loop(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine elsewhere has to be waited for."""
    real = player.piece

    def piece(token: int) -> str:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return real(token)

    monkeypatch.setattr(player, "piece", piece)
    with serving(player) as served:
        assert ask(served.client(), logprobs=True).choices[0].logprobs.content
        chunks = list(ask(served.client(), logprobs=True, stream=True))
        assert any(chunk.choices[0].logprobs for chunk in chunks)


# --- keys and ids -----------------------------------------------------------------------------------------------------


def test_a_key_opens_all_but_what_says_whether_it_runs(player: Player) -> None:
    with serving(player, keys=("first-key", "second-key")) as served:
        for key in ("first-key", "second-key"):
            assert ask(served.client(key)).choices
        for key in ("first-keys", "first-ke", "FIRST-KEY", "Bearer"):
            with pytest.raises(AuthenticationError) as refused:
                ask(served.client(key))
            assert refused.value.code == "invalid_api_key"
        for path in ("/v1/models", "/metrics", "/v1/openapi.json", "/nowhere"):
            answer = httpx.get(served.url + path)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert httpx.get(served.url + path, headers={"Authorization": "Basic first-key"}).status_code == 401
        for path in ("/health", "/ready"):
            assert httpx.get(served.url + path).json() == {"status": "ok"}


def test_keys_come_from_the_variable_that_is_named_and_are_not_kept() -> None:
    keys = Keys.of({"MINE": "one, two three"}, "MINE")
    assert [keys.fit(f"Bearer {key}") for key in ("one", "two", "three", "", "one,")] == [True] * 3 + [False] * 2
    assert keys.fit("bearer one") and not keys.fit("one")
    assert not {b"one", "one", "two", "three"} & set(vars(keys)["_digests"])
    assert Keys.of({}, "none").fit("")
    for environment in ({}, {"MINE": " , "}):
        with pytest.raises(InvalidInput, match="variable MINE"):
            Keys.of(environment, "MINE")


def test_an_answer_has_the_id_of_its_request(served: Served) -> None:
    for path, status in (("/v1/models", 200), ("/v1/models/x", 404), ("/nowhere", 404)):
        answer = httpx.get(served.url + path, headers={"X-Request-Id": "mine-1"})
        assert (answer.status_code, answer.headers["x-request-id"]) == (status, "mine-1")
    made = {
        httpx.get(f"{served.url}/health", headers={"X-Request-Id": given}).headers["x-request-id"]
        for given in ("", "x" * 201, "a b")
    }
    assert len(made) == 3 and all(one.startswith("req_") for one in made)
    with httpx.stream("POST", f"{served.url}/v1/chat/completions", json={**BODY, "stream": True}) as stream:
        assert stream.headers["x-request-id"].startswith("req_")
        assert stream.headers["content-type"].startswith("text/event-stream")


# --- limits -----------------------------------------------------------------------------------------------------------


def test_when_it_is_full_the_last_is_told_to_come_back(player: Player) -> None:
    with serving(player, ServerSettings(model=MODEL, queue=1)) as served, ThreadPoolExecutor(9) as people:
        with player.scheduler.alone():  # nobody's step is taken meanwhile
            asked = [people.submit(lambda seed=seed: ask(served.client(), seed=seed)) for seed in range(9)]
            while httpx.get(f"{served.url}/ready").status_code != 503:
                pass
            gauges = numbers(served)
            assert (gauges["playground_requests_answering"], gauges["playground_requests_waiting"]) == (8, 1)
            for stream in (False, True):
                with pytest.raises(RateLimitError) as refused:
                    ask(served.client(), stream=stream)
                assert refused.value.code == "rate_limit_exceeded"
                assert int(refused.value.response.headers["retry-after"]) > 0
        found = [one.result().choices[0].message.content for one in asked]
        assert found == [served.run("How was it?", seeds=(seed,)).ends[0].text for seed in range(9)]
        assert httpx.get(f"{served.url}/ready").status_code == 200


@pytest.mark.parametrize(("proxies", "host"), [(0, "127.0.0.1"), (1, "1.2.3.4")])
def test_whom_a_proxy_speaks_for_is_believed_where_there_is_one(
    player: Player, monkeypatch: pytest.MonkeyPatch, proxies: int, host: str
) -> None:
    asked: list[Any] = []
    run = player.run
    monkeypatch.setattr(player, "run", lambda request, client=None: asked.append(client) or run(request, client))
    with serving(player, ServerSettings(model=MODEL, proxies=proxies)) as served:
        for _ in range(2):
            ask(served.client(default_headers={"X-Forwarded-For": "6.6.6.6, 1.2.3.4"}), max_tokens=2)
    assert [client.host for client in asked] == [host] * 2
    assert len({client.session for client in asked}) == 2, "connections are sessions"


def test_a_public_server_keeps_its_limits(player: Player) -> None:
    limits = ServerSettings.read({"PLAYGROUND_PUBLIC": "1", "PLAYGROUND_MAX_NEW_TOKENS": "12"}, model=MODEL)
    with serving(player, limits) as served:
        client = served.client()
        assert ask(client, max_tokens=12).usage.completion_tokens == 12
        plain = {name: value for name, value in BODY.items() if name != "max_tokens"}
        assert client.chat.completions.create(**plain).usage.completion_tokens == 12  # type: ignore[call-overload]
        for given, param in (({"max_tokens": 13}, "max_tokens"), ({"n": 17, "max_tokens": 2}, "n")):
            with pytest.raises(APIError) as refused:
                ask(client, **given)
            assert refused.value.param == param


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"[]", 400), (b'"x"', 400), (b"{", 400), (b"\xff", 400), (b"[" * 40 + b"]" * 40, 400),
        (b'{"a": NaN}', 400), (b"1" * 5000, 400),
        (json.dumps(BODY | {"\ud800": 1}).encode(), 400), (json.dumps(BODY).encode("utf-16"), 400),
        (json.dumps(BODY).encode("utf-16-le"), 400), (b" " * 1_000_001, 413),
    ],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused_in_the_usual_shape(served: Served, body: bytes, status: int) -> None:
    before = answered(served, status)
    answer = httpx.post(f"{served.url}/v1/chat/completions", content=body, headers={"X-Request-Id": "mine"})
    assert (answer.status_code, answer.headers.get("x-request-id")) == (status, "mine")
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answered(served, status) == before + 1


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/x", 404), ("GET", "/v1/chat/completions", 405)])
def test_what_there_is_not_is_told_in_the_usual_shape(served: Served, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, served.url + path)
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, "invalid_request_error")


def test_a_default_steers_whoever_does_not_say(player: Player) -> None:
    with serving(player, ServerSettings(model=MODEL, steering="cheer=2,cheer.control=1", reply_tokens=7)) as served:
        client, steered = served.client(), Strength(axis="cheer", alpha=2, control=1)
        expected = served.run("How was it?", steered, max_new_tokens=7).ends[0].text
        plain = {name: value for name, value in BODY.items() if name != "max_tokens"} | {"seed": 0}
        assert client.chat.completions.create(**plain).choices[0].message.content == expected  # type: ignore[call-overload]
        base = served.run("How was it?").ends[0].text
        for given in ({"extra_body": {"steering": []}}, {"model": f"{MODEL}@cheer=0"}):
            assert ask(client, seed=0, **given).choices[0].message.content == base != expected
    for steering, kind in (("grace=1", AxisMismatch), ("cheer=x", InvalidInput), (",", InvalidInput)):
        with pytest.raises(kind), serving(player, ServerSettings(model=MODEL, steering=steering)):
            pass


# --- going away -------------------------------------------------------------------------------------------------------


class Gated:
    """Steps of a player's requests that are taken only when they are allowed."""

    def __init__(self, player: Player, patch: pytest.MonkeyPatch) -> None:
        self.may, self.asked, self.taken = Semaphore(0), Semaphore(0), 0
        self.left, self.closed = Flag(), Flag()
        run, leave = player.scheduler.run, LiveEvents.leave

        def steps(*given: Any, **more: Any) -> Generator[Step, None, None]:
            told = run(*given, **more)
            try:
                while self._allowed() and (step := next(told, None)) is not None:
                    self.taken += 1
                    yield step
            finally:
                told.close()
                self.closed.set()

        def leaving(live: LiveEvents) -> None:
            leave(live)
            self.left.set()

        patch.setattr(player, "tree", PrefixTree())  # else what was written before is read off, and no row runs
        patch.setattr(player.scheduler, "run", steps)
        patch.setattr(LiveEvents, "leave", leaving)

    def _allowed(self) -> bool:
        self.asked.release()
        return self.may.acquire()

    def allow(self, steps: int) -> None:
        """Let a request take so many steps, and wait until it asks for one more."""
        assert self.asked.acquire(timeout=60)
        for _ in range(steps):
            self.may.release()
            assert self.asked.acquire(timeout=60)


@contextmanager
def asking(served: Served, **asked: Any) -> Iterator[HTTPConnection]:
    """A request that was sent, and whose answer nobody reads; its connection is closed at the end."""
    connection = HTTPConnection(served.url.removeprefix("http://"), timeout=60)
    connection.request("POST", "/v1/chat/completions", json.dumps({**BODY, **asked}))
    with closing(connection):
        yield connection


@pytest.mark.parametrize("stream", [True, False])
def test_who_goes_away_frees_their_rows_within_a_step(
    player: Player, served: Served, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    gate = Gated(player, monkeypatch)
    with asking(served, stream=stream, n=3, max_tokens=400):
        gate.allow(4)
        assert (gate.taken, player.scheduler.running) == (4, 3)
    assert gate.left.wait(60)
    assert not gate.closed.is_set()
    gate.may.release()
    assert gate.closed.wait(60)
    assert (gate.taken, player.scheduler.running, player.scheduler.under_way) == (5, 0, 0)


def test_who_goes_away_while_waiting_is_out_of_the_line(player: Player) -> None:
    with serving(player, ServerSettings(model=MODEL, queue=1)) as served, ThreadPoolExecutor(9) as people:
        with player.scheduler.alone():
            asked = [people.submit(lambda seed=seed: ask(served.client(), seed=seed)) for seed in range(8)]
            while numbers(served)["playground_requests_answering"] < 8:
                pass
            with asking(served):
                while not numbers(served)["playground_requests_waiting"]:
                    pass
            while numbers(served)["playground_requests_waiting"]:
                pass
        assert all(one.result().choices for one in asked)


# --- faults -----------------------------------------------------------------------------------------------------------


class Failing:
    """A player whose requests fail after some tokens."""

    name, axes, context_length = MODEL, {}, 512  # type: ignore[var-annotated]

    def __init__(self, player: Player, after: int, error: Exception) -> None:
        self.player, self.after, self.error = player, after, error
        self.occupancy, self.piece = player.occupancy, player.piece

    def run(self, request: Any, client: Any = None) -> Iterator[Event]:
        for event in self.player.run(request):
            if isinstance(event, Finished) or (isinstance(event, Token) and event.position == self.after):
                raise self.error
            yield event


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ModelUnavailable("The weights are gone.", "Fetch them."), "The weights are gone."),
        (RuntimeError("secret"), "The server failed"),
    ],
)
def test_a_request_that_fails_on_its_way_ends_with_one_error(player: Player, error: Exception, told: str) -> None:
    failing = Failing(player, 3, error)
    with serving(failing) as served:
        stream = iter(ask(served.client(), stream=True, seed=1))
        begun = [next(stream) for _ in range(3)]
        assert any(chunk.choices[0].delta.content for chunk in begun)
        with pytest.raises(APIError, match=told):
            list(stream)
        with pytest.raises(APIError, match=told) as whole:
            ask(served.client())
        assert whole.value.status_code == (503 if isinstance(error, ModelUnavailable) else 500)  # type: ignore[attr-defined]
        with httpx.stream("POST", f"{served.url}/v1/chat/completions", json={**BODY, "stream": True}) as answer:
            lines = list(data(answer.iter_lines()))
        assert [line for line in lines if "error" in line] == [lines[-2]]
        assert lines[-1] == "[DONE]"


# --- what it counts and tells -----------------------------------------------------------------------------------------


def numbers(served: Served) -> dict[str, float]:
    """What /metrics says, by name and labels."""
    lines = httpx.get(f"{served.url}/metrics").text.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def answered(served: Served, status: int) -> float:
    """How many requests were answered with it."""
    told = numbers(served).items()
    return sum(count for name, count in told if name.startswith("playground_requests_total") and f'"{status}"' in name)


def test_metrics_count_requests_tokens_and_the_time_to_the_first(player: Player) -> None:
    with serving(player) as served:
        client = served.client()
        used = [ask(client, n=2).usage, ask(client).usage]
        *_, last = ask(client, stream=True, stream_options={"include_usage": True})
        with pytest.raises(APIError):
            ask(client, n=0)
        told = numbers(served)
        assert told["playground_prompt_tokens_total"] == sum(one.prompt_tokens for one in [*used, last.usage])
        assert told["playground_completion_tokens_total"] == sum(one.completion_tokens for one in [*used, last.usage])
        assert told["playground_time_to_first_token_seconds_count"] == 3
        chat = 'playground_requests_total{path="/v1/chat/completions",status="%s"}'
        assert (told[chat % 200], told[chat % 400]) == (3, 1)
        assert (told["playground_rows_running"], told["playground_kv_bytes"]) == (0, 0)
        assert told["playground_kv_budget_bytes"] == player.scheduler.kv_budget


def test_what_is_in_use_is_told_while_it_is(player: Player, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gated(player, monkeypatch)
    with asking(served, stream=True, n=3):
        gate.allow(3)
        told = numbers(served)
        assert (told["playground_rows_running"], told["playground_requests_answering"]) == (3, 1)
        assert 0 < told["playground_kv_bytes"] < told["playground_kv_budget_bytes"]
    assert gate.left.wait(60)
    gate.may.release()
    assert gate.closed.wait(60)


def test_the_description_names_every_parameter_and_leads_nowhere_else(served: Served) -> None:
    described = httpx.get(f"{served.url}/v1/openapi.json").json()
    text = json.dumps(described)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        place: Any = described
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    asked = described["components"]["schemas"]["ChatRequest"]
    assert {"model", "messages", "steering", "n", "seed", "stop", "stream", "top_logprobs"} <= set(asked["properties"])
    assert all("description" in one or "$ref" in json.dumps(one) for one in asked["properties"].values())
    assert set(described["paths"]) == {
        "/v1/models", "/v1/models/{model}", "/v1/chat/completions", "/health", "/ready", "/metrics",
        "/v1/engine", "/v1/engine/pieces", "/v1/engine/batches", "/v1/engine/events",
    }  # fmt: skip


# --- browsers ---------------------------------------------------------------------------------------------------------


def test_other_sites_are_refused_unless_the_owner_names_them(player: Player, served: Served) -> None:
    here, there = {"Origin": "https://chat.example.org"}, {"Origin": "https://other.example.org"}
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    path = "/v1/models"
    for headers in (here, {**here, **asking}, {"Sec-Fetch-Site": "cross-site"}):
        answer = httpx.request("OPTIONS" if len(headers) > 1 else "GET", served.url + path, headers=headers)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert httpx.get(served.url + path, headers={"Host": "evil.example.org"}).status_code == 403
    with serving(player, ServerSettings(model=MODEL, origins="https://chat.example.org")) as shared:
        answer = httpx.get(shared.url + path, headers={**here, "Sec-Fetch-Site": "cross-site"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, here["Origin"])
        answer = httpx.options(shared.url + path, headers={**here, **asking})
        assert (answer.status_code, answer.headers["access-control-allow-headers"]) == (204, "authorization")
        assert httpx.get(shared.url + path, headers=there).status_code == 403
        assert httpx.get(f"{shared.url}/health", headers=here).status_code == 403
        assert httpx.get(shared.url + path, headers={**here, "Host": "evil.example.org"}).status_code == 403


@pytest.mark.parametrize(
    "sites", ["example.org", "https://example.org/path", "https://Example.org", "file://x", "https://a b"]
)
def test_a_site_that_could_not_call_is_refused(sites: str) -> None:
    with pytest.raises(InvalidInput, match="is no site"):
        ServerSettings(origins=sites)
