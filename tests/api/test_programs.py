"""The endpoint as its programs serve it, alone and beside the page, and as the clients people use call it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AuthenticationError, BadRequestError, OpenAI

from playground.player import Player
from tests.api.conftest import MODEL, Served, data
from tests.servers import ROOT, PageServer

SAID = {"role": "user", "content": "Hello."}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """The page of the tiny model, which asks for a key at /v1."""
    with PageServer(tmp_path_factory.mktemp("page") / "log", PLAYGROUND_API_KEY_ENV="KEYS", KEYS="page-key") as server:
        yield server


def openai_of(server: PageServer, key: str) -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0)


def test_the_pages_server_serves_it_too(page: PageServer) -> None:
    with openai_of(page, "page-key") as client:
        (model,) = client.models.list()
        asked: dict[str, Any] = {"model": model.id, "messages": [SAID], "seed": 1, "max_tokens": 20}
        whole = client.chat.completions.create(**asked)
        pieces = [one.choices[0].delta.content or "" for one in client.chat.completions.create(**asked, stream=True)]
        assert len([piece for piece in pieces if piece]) > 1, "as it grows"
        assert "".join(pieces) == whole.choices[0].message.content
        with pytest.raises(BadRequestError) as refused:
            client.chat.completions.create(**asked, n=0)
        assert refused.value.param == "n"
    with pytest.raises(AuthenticationError), openai_of(page, "another") as client:
        client.models.list()
    assert httpx.get(f"{page.url}/health").json() == httpx.get(f"{page.url}/ready").json() == {"status": "ok"}
    told = httpx.get(f"{page.url}/metrics", headers={"Authorization": "Bearer page-key"}).text
    assert 'playground_requests_total{path="/v1/chat/completions",status="200"} 2.0' in told
    assert "Alignment Playground" in httpx.get(page.url).text, "the page asks for none"


def test_the_pages_server_refuses_other_sites_there_as_well(page: PageServer) -> None:
    answer = httpx.get(f"{page.url}/v1/models", headers={"Origin": "https://example.org"})
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_serve_comes_up_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    with PageServer(tmp_path / "log", command="serve", KEYS="a-key") as server:
        with openai_of(server, "any") as client:
            (model,) = client.models.list()
            assert client.chat.completions.create(model=model.id, messages=[SAID], max_tokens=4).usage  # type: ignore[list-item]
        server.process.send_signal(signal.SIGINT)
        server.process.wait()
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("command", ["serve", "app"])
def test_ctrl_c_ends_it_amid_streams_each_of_which_ends(tmp_path: Path, command: str) -> None:
    asked = {"model": MODEL, "messages": [SAID], "n": 32, "max_tokens": 480, "stream": True}
    with PageServer(tmp_path / "log", command=command) as server, ExitStack() as open_streams:
        streams = []
        for _ in range(4):
            client = open_streams.enter_context(httpx.Client(timeout=60))
            answer = client.stream("POST", f"{server.url}/v1/chat/completions", json=asked)
            streams.append(data(open_streams.enter_context(answer).iter_lines()))
        assert all(json.loads(next(stream))["choices"] for stream in streams)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait() == 0
        if command == "serve":
            for *lines, last in streams:
                assert last == "[DONE]"
                assert "being stopped" in lines[-1] or json.loads(lines[-1])["choices"][0]["finish_reason"]
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--api-key-env", "NO_KEYS_HERE"], "no API key in the variable NO_KEYS_HERE"),
        (["--origins", "example.org/path"], "no site"),
        (["--steering", "grace=1"], "no axis named 'grace'"),
        (["--reply-tokens", "0"], "reply_tokens"),
    ],
)
def test_what_cannot_be_served_is_said_in_two_lines(options: list[str], told: str) -> None:
    command = [sys.executable, "-m", "playground", "serve", "--model", "tiny", *options]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert told in ran.stderr and "Traceback" not in ran.stderr


# --- as others call it ------------------------------------------------------------------------------------------------


def test_as_open_webui_calls_it(served: Served, player: Player) -> None:
    """It lists the models with a key, then streams, and reads the lines by itself."""
    headers = {"Authorization": "Bearer none", "Content-Type": "application/json", "X-OpenWebUI-User-Name": "Ada"}
    models = httpx.get(f"{served.url}/v1/models", headers=headers).json()
    assert models["object"] == "list"
    chosen = next(one["id"] for one in models["data"] if one["id"] == f"{MODEL}@cheer=1")
    body = {
        "stream": True, "model": chosen, "stream_options": {"include_usage": True}, "seed": 7, "max_tokens": 16,
        "messages": [{"role": "system", "content": "Be brief."}, SAID, {"role": "assistant", "content": "Hi."}, SAID],
        "temperature": 0.7, "top_p": 0.9, "frequency_penalty": 0, "presence_penalty": 0,
        "user": "8d0cf1a6", "metadata": {"chat_id": "1", "message_id": "2"},
    }  # fmt: skip
    with httpx.stream("POST", f"{served.url}/v1/chat/completions", json=body, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        *lines, last = data(answer.iter_lines())
    chunks = [json.loads(line) for line in lines]
    assert last == "[DONE]"
    text = "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
    assert text and chunks[-1]["usage"]["completion_tokens"] == 16
    whole = httpx.post(f"{served.url}/v1/chat/completions", headers=headers, json={
        **{name: value for name, value in body.items() if name != "stream_options"}, "stream": False,
    })  # fmt: skip
    assert whole.json()["choices"][0]["message"]["content"] == text


def test_as_the_llm_tool_calls_it(served: Served) -> None:
    """Options that were not given stay away; the key of a model without one is a stand-in."""
    client = served.client("DUMMY_KEY")
    asked: dict[str, Any] = {"model": MODEL, "messages": [SAID], "seed": 3}
    stream = client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    chunks = [chunk.model_dump() for chunk in stream]
    text = "".join(c["delta"]["content"] or "" for chunk in chunks for c in chunk["choices"] if c["delta"])
    assert chunks[-1]["usage"]["prompt_tokens"] and not chunks[-1]["choices"]
    assert client.chat.completions.create(**asked).choices[0].message.content == text
