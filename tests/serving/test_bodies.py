"""What a request may carry, and that what no page sends is refused in a sentence and not logged."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from playground.serving.bodies import DEEPEST, LARGEST, MOST_VALUES, Bodies, too_deep, too_many
from tests.browser.conftest import serve
from tests.ui.raw import Raw


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b"", False),
        (json.dumps(nested(DEEPEST)).encode(), False),
        (json.dumps(nested(DEEPEST + 1)).encode(), True),
        (json.dumps({"data": nested(DEEPEST)}).encode(), True),
        (b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1), True),
        (b"[" * 500_000, True),
        (b"[]," * 100_000, False),
        (json.dumps({"data": ["[" * 1000 + '"' + "\\" + "{" * 1000]}).encode(), False),
        (b'["' + b"\\" * 101 + b'"' + b"[" * 1000, False),
        (b'["' + b"\\" * 100 + b'"' + b"[" * 1000, True),
    ],
)
def test_depth_is_that_of_lists_and_objects_never_of_text(body: bytes, deep: bool) -> None:
    assert too_deep(body) is deep


def answered(*chunks: bytes, path: str = "/gradio_api/queue/join", uploads: bool = False) -> tuple[int, bytes]:
    """Status, and the body as the application got it or the refusal's text."""
    parts = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    parts.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        whole, more = b"", True
        while more:
            message = await receive()
            whole, more = whole + message["body"], message["more_body"]
        await send({"status": 200})
        await send({"body": whole})

    asyncio.run(Bodies(app, uploads)({"type": "http", "path": path}, receive, send))
    return sent[0]["status"], sent[1]["body"]


def test_what_is_small_enough_arrives_whole_and_what_is_not_never_arrives() -> None:
    half = b"x" * (LARGEST // 2)
    assert answered(half, half) == (200, half + half)
    status, told = answered(half, half, b"x")
    assert status == 413 and b"1,000,000 bytes" in told
    status, told = answered(b"[" * (DEEPEST + 1))
    assert status == 400 and b"32 deep" in told


def test_files_are_let_through_only_where_they_may_be_uploaded() -> None:
    large = b"x" * (LARGEST + 1)
    assert answered(large, path="/gradio_api/upload", uploads=True) == (200, large)
    assert answered(large, path="/gradio_api/upload")[0] == 413
    assert answered(large, path="/gradio_api/call/say", uploads=True)[0] == 413


# --- a whole page -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["0", "1"], ids=["own", "public"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Raw, Path]]:
    """A page of the tiny model, a person's own and one for strangers, and its log."""
    log = tmp_path_factory.mktemp("server") / "log"
    for url in serve(log, "0", PLAYGROUND_PUBLIC=request.param):
        yield Raw(url), log


def test_a_large_or_deep_body_is_refused_in_a_sentence(server: tuple[Raw, Path]) -> None:
    raw, log = server
    for path in ("queue/join", "call/say", "run/say", "api/say", "call/v2/say", "call/sweep", "upload", "cancel"):
        if path != "upload":
            status, told = raw.post(path, {"data": ["x" * LARGEST]})
            assert status == 413 and "Send less." in told
        status, told = raw.post(path, b"[" * 5000)
        assert status in (400, 422), path
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("body", "many"),
    [
        (json.dumps([0] * MOST_VALUES).encode(), False),
        (json.dumps([0] * (MOST_VALUES + 1)).encode(), True),
        (json.dumps({"data": [0] * MOST_VALUES, "more": 1}).encode(), True),
        (json.dumps({"data": "1," * 3 * MOST_VALUES}).encode(), False),
        (json.dumps({"data": '",' * 3 * MOST_VALUES}).encode(), False),
        (b"", False),
    ],
)
def test_values_are_counted_before_they_are_made_and_commas_of_texts_are_none(body: bytes, many: bool) -> None:
    assert too_many(body) is many


def test_too_many_values_are_refused_in_a_sentence() -> None:
    status, told = answered(json.dumps([0] * (MOST_VALUES + 1)).encode())
    assert status == 400 and b"more than 20,000 values" in told
