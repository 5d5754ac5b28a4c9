"""An engine at a URL: `playground serve` or a page on another machine, asked by HTTP."""

import json
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from playground.errors import InvalidInput, ModelUnavailable, PlaygroundError, shown
from playground.events import Event
from playground.remote import wire
from playground.remote.described import DescribedEngine
from playground.remote.resumed import resumed
from playground.remote.telling import BEAT_S
from playground.remote.wire import EngineDescription, EngineLost
from playground.serving.handle import NOBODY
from playground.serving.queue import Client
from playground.settings import Request

if TYPE_CHECKING:
    from playground.remote.measuring import RemoteMeasurer

DESCRIPTION, PIECES = "/v1/engine", "/v1/engine/pieces"
EVENTS, BATCHES = "/v1/engine/events", "/v1/engine/batches"

SILENCE_S = 6 * BEAT_S
"""An engine that says nothing for so long is lost."""

_KINDS = {"http": HTTPConnection, "https": HTTPSConnection}
_LARGEST = 200_000_000  # bytes of an answer that is read at once
_ATTEMPTS = 2  # the second may meet another engine behind the same name


class RemoteEngine(DescribedEngine):
    """A base model with its axes on another machine, which answers requests as one in this process does."""

    def __init__(self, url: str, key: str = "") -> None:
        """Raises ModelUnavailable where no engine answers, InvalidInput for what is no address."""
        if not _is_address(url):
            raise InvalidInput(f"{shown(url)} is no address of an engine.", "Write it like: http://192.168.0.5:8000")
        self.url, self._key, self._at = url, key, urlsplit(url)
        told = self._value(DESCRIPTION)
        try:
            self.description = EngineDescription(**told)
        except (PlaygroundError, TypeError):
            raise ModelUnavailable(
                f"What answers at {url} is another version of the playground, or something else.",
                "Install the same version on both machines.",
            ) from None

    def pieces(self) -> Sequence[str]:
        """Every token by itself as text."""
        return self._value(PIECES)

    def run(self, request: Request, client: Client = NOBODY) -> Generator[Event, None, None]:
        """Answer a request as a stream of events; closing it frees its rows there. Raises as the engine does."""
        body = self.description.asks(request)
        yield from resumed(partial(self._events, body, client), _ATTEMPTS)

    def _events(self, body: str, client: Client) -> Generator[Event, None, None]:
        with self._answer("POST", EVENTS, body, client) as answer:
            yield from wire.read(answer)

    def measurer(self, coherence: bool, client: Client = NOBODY) -> "RemoteMeasurer":
        """What measures plans there, in `coherence` too where an encoder is there."""
        from playground.remote.measuring import RemoteMeasurer

        def ask(body: str) -> Generator[bytes, None, None]:
            with self._answer("POST", BATCHES, body, client) as answer:
                yield from answer

        return RemoteMeasurer(ask, coherence)

    def _value(self, path: str) -> Any:
        with self._answer("GET", path) as answer:
            return _json(answer.read(_LARGEST))

    @contextmanager
    def _answer(
        self, method: str, path: str, body: str | None = None, client: Client = NOBODY
    ) -> Generator[HTTPResponse, None, None]:
        """The engine's answer, on a connection of its own. Raises EngineLost, or ModelUnavailable where it refuses."""
        headers = {"Content-Type": "application/json", "Connection": "close"}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        headers |= {"X-Forwarded-For": client.host} if client.host else {}
        with closing(_KINDS[self._at.scheme](str(self._at.hostname), self._at.port, timeout=SILENCE_S)) as line:
            try:
                line.request(method, self._at.path.rstrip("/") + path, body and body.encode(), headers)
                with closing(line.getresponse()) as answer:
                    if answer.status != 200:
                        raise self._refused(answer.status, answer.read(_LARGEST))
                    yield answer
            except (OSError, HTTPException) as error:
                told = str(error) or type(error).__name__
                raise EngineLost(
                    f"The engine at {self.url} does not answer ({told}).", "See whether it runs."
                ) from None

    def _refused(self, status: int, body: bytes) -> ModelUnavailable:
        told = _json(body)
        error = told.get("error") if isinstance(told, dict) else None
        reason = error.get("message") if isinstance(error, dict) else None
        kind = EngineLost if status in (502, 503, 504) else ModelUnavailable
        fix = "Name the variable that holds its key with --engine-key-env." if status == 401 else "See its own page."
        return kind(f"The engine at {self.url} refuses ({status}): {reason or 'no reason is given.'}", fix)


def _is_address(url: str) -> bool:
    try:
        at = urlsplit(url)
        return at.scheme in _KINDS and bool(at.hostname) and at.port != 0
    except ValueError:  # of brackets that are no address, or a port beyond all
        return False


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
