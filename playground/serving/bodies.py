"""What a request may carry: its body's size and depth are checked before anybody parses it. No gradio."""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import numpy as np

LARGEST = 1_000_000
"""Bytes of a body; a form of the Curves page with a thousand prompts comes to a fifth of that."""

DEEPEST = 32
"""Levels of lists and objects in a body; what the pages send has six."""

MOST_VALUES = 20_000
"""Values in the lists and objects of a body; what the pages send has some fifty."""

_READ_ON = 20 * LARGEST  # bytes of a refused body that are read and dropped, so that its sender hears the answer
# A run of plain letters in one go: letter by letter, a long string would take a hundred times its size.
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Bodies:
    """An ASGI application behind limits on request bodies; `uploads` lets files through, which have their own.

    A larger body is answered with 413, and with 400 one that is no UTF-8, a deeper one or one of more values, each in a
    sentence.
    """

    def __init__(self, app: App, uploads: bool = False) -> None:
        self.app, self.uploads = app, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http" or (self.uploads and scope["path"].rstrip("/").endswith("/upload")):
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        if body is None:
            await _refuse(send, 413, f"This is more than the {LARGEST:,} bytes that a request may have. Send less.")
        elif not is_utf8(body):
            await _refuse(send, 400, "The body is no text in UTF-8. Send it as UTF-8.")
        elif too_deep(body):
            await _refuse(send, 400, f"Lists and objects stand more than {DEEPEST} deep. Send plain values.")
        elif too_many(body):
            await _refuse(send, 400, f"Lists and objects hold more than {MOST_VALUES:,} values. Send fewer.")
        else:
            await self.app(scope, _told_again(body, receive), send)


def is_utf8(body: bytes) -> bool:
    """Whether a body is text in UTF-8, without the zero bytes of UTF-16: there brackets could not be counted."""
    try:
        return "\0" not in body.decode()
    except UnicodeDecodeError:
        return False


def too_deep(body: bytes) -> bool:
    """Whether lists and objects of a JSON text stand more than DEEPEST deep; brackets in strings are text."""
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return False
    letters = np.frombuffer(_STRINGS.sub(b"", body), dtype=np.uint8)
    opens = np.isin(letters, list(b"[{")).astype(np.int8)
    closes = np.isin(letters, list(b"]}")).astype(np.int8)
    return int(np.cumsum(opens - closes, dtype=np.int32).max(initial=0)) > DEEPEST


def too_many(body: bytes) -> bool:
    """Whether a JSON text holds more than MOST_VALUES values, by its commas; those in strings are text."""
    return body.count(b",") >= MOST_VALUES and _STRINGS.sub(b"", body).count(b",") >= MOST_VALUES


async def _read(receive: Receive) -> bytes | None:
    """A whole body, or None for one that is too large or whose sender went away."""
    parts: list[bytes] = []
    read, more = 0, True
    while more and read <= _READ_ON:
        message = await receive()
        if message["type"] != "http.request":
            return None
        read, more = read + len(message.get("body", b"")), message.get("more_body", False)
        if read <= LARGEST:
            parts.append(message.get("body", b""))
    return b"".join(parts) if read <= LARGEST else None


def _told_again(body: bytes, receive: Receive) -> Receive:
    """`receive` that gives a body that was read once more, then goes on as before."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


async def _refuse(send: Send, status: int, sentence: str) -> None:
    # One key for gradio's clients, one for OpenAI's.
    error = {"message": sentence, "type": "invalid_request_error", "param": None, "code": None}
    answer = json.dumps({"detail": sentence, "error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
