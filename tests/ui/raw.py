"""A program that speaks to a served page without any client library, and so can send anything."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import count
from typing import Any

_sessions = count()

Headers = dict[str, str] | None


class Raw:
    """What one server answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        with urllib.request.urlopen(f"{url}/config") as answer:
            self.handlers: list[dict[str, Any]] = json.load(answer)["dependencies"]

    def post(self, path: str, body: Any, headers: Headers = None) -> tuple[int, str]:
        """Status and text of an answer; `body` is JSON unless it is bytes."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        asked = urllib.request.Request(
            f"{self.url}/gradio_api/{path}", sent, {"Content-Type": "application/json", **(headers or {})}
        )
        try:
            with urllib.request.urlopen(asked) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def call(self, handler: int, values: list[Any], event: Any = None) -> dict[str, Any]:
        """What a handler's last message says, called through the queue as the page calls it."""
        session = f"raw{next(_sessions)}"
        body = {"data": values, "fn_index": handler, "session_hash": session, "event_data": event}
        status, text = self.post("queue/join", body)
        if status != 200:
            return {"success": False, "output": {"error": text}}
        return [message for message in self.messages(session) if message["msg"] == "process_completed"][-1]

    def start(self, name: str, values: list[Any], session: str, headers: Headers = None) -> None:
        """Begin a call of an endpoint that has a name; what it answers waits among the session's messages."""
        handler = next(one["id"] for one in self.handlers if one["api_name"] == name)
        status, text = self.post("queue/join", {"data": values, "fn_index": handler, "session_hash": session}, headers)
        assert status == 200, text

    def messages(self, session: str, calls: int = 1) -> Iterator[dict[str, Any]]:
        """What a session is told until so many calls are done."""
        with urllib.request.urlopen(f"{self.url}/gradio_api/queue/data?session_hash={session}") as stream:
            for line in stream:
                if line.startswith(b"data:"):
                    message = json.loads(line[5:])
                    yield message
                    calls -= message["msg"] == "process_completed"
                    if not calls or message["msg"] == "close_stream":
                        return

    def named(self, name: str, *values: Any, headers: Headers = None) -> Iterator[tuple[str, Any]]:
        """(event, data) of an endpoint that has a name, as curl sees it."""
        status, text = self.post(f"call/{name}", {"data": list(values)}, headers)
        if status != 200:
            yield "error", text
            return
        event = json.loads(text)["event_id"]
        with urllib.request.urlopen(f"{self.url}/gradio_api/call/{name}/{event}") as stream:
            kind = ""
            for line in stream:
                word, _, rest = line.decode().partition(": ")
                if word == "event":
                    kind = rest.strip()
                elif word == "data" and kind != "heartbeat":
                    yield kind, json.loads(rest)
