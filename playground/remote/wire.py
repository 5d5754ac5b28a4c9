"""An engine's words as JSON, there and back: what it is, what it is asked, its events, and how it refuses."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

from pydantic import Field

from playground import __version__
from playground.cards import Base, Card
from playground.errors import AxisDamaged, AxisMismatch, Busy, InvalidInput, ModelUnavailable, PlaygroundError
from playground.events import Event, from_json
from playground.serving.handle import EngineHandle
from playground.serving.hosting import ServerSettings
from playground.settings import SLIDERS, Request, Settings

END = '{"event":"end"}'
"""The last line of a request that was answered. Without it something broke."""

_ERROR = '{"event":"error",'
_KINDS = {kind.__name__: kind for kind in (InvalidInput, ModelUnavailable, AxisMismatch, AxisDamaged, Busy)}


class EngineLost(ModelUnavailable):
    """An engine went away, or cannot be reached; another one, or the same one later, may well answer."""


class RemoteAxis(Settings):
    """An axis of an engine elsewhere; `methods` has title and name of each, by slider."""

    card: Card
    note: str = ""
    methods: dict[str, tuple[tuple[str, str], ...]] = Field(default_factory=dict)

    def methods_for(self, slider: str) -> list[tuple[str, str]]:
        """The methods behind a slider: title and name of each."""
        return list(self.methods.get(slider, ()))


class EngineDescription(Settings):
    """What those need to know who ask an engine: its model and axes, and how much it writes at most."""

    version: str = __version__
    model: str = Field(description="What commands call the model.")
    name: str
    base: Base
    dtype: str
    context_length: int
    axes: dict[str, RemoteAxis]
    max_new_tokens: int
    max_rows: int
    max_replies: int

    @classmethod
    def of(cls, engine: EngineHandle, hosting: ServerSettings) -> "EngineDescription":
        """What an engine is, within its limits."""
        axes = {
            name: RemoteAxis(
                card=axis.card,
                note=axis.note,
                methods={slider: tuple(axis.methods_for(slider)) for slider in SLIDERS},
            )
            for name, axis in engine.axes.items()
        }
        return cls(
            model=hosting.model,
            name=engine.name,
            base=engine.base,
            dtype=engine.dtype,
            context_length=engine.context_length,
            axes=axes,
            max_new_tokens=hosting.max_new_tokens,
            max_rows=hosting.max_rows,
            max_replies=hosting.max_replies,
        )

    @property
    def fingerprint(self) -> str:
        """What all replies depend on beside the axes: the same software, weights and numbers."""
        told = [self.version, self.dtype, self.base.model_dump(mode="json")]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def asks(self, request: Request) -> str:
        """A request to this very engine with these very axes."""
        return body(request, self.fingerprint, self._digests(request))

    def take(self, told: str | bytes) -> Request:
        """The request in what `asks` wrote. Raises InvalidInput for anything else, or where another engine is asked."""
        asked = _asked(told)
        found = _request(asked)
        if asked["engine"] != self.fingerprint or asked["axes"] != self._digests(found):
            raise InvalidInput("The engine has another model, axis or version than before.", "Start this page again.")
        return found

    def _digests(self, request: Request) -> dict[str, str]:
        return {name: self.axes[name].card.digest for name in sorted(request.axes) if name in self.axes}


def body(request: Request, engine: str = "", axes: Mapping[str, str] | None = None) -> str:
    """A request, to whichever engine unless told. Each conversation is told once, however many rows reply to it."""
    places = {messages: place for place, messages in enumerate(dict.fromkeys(row.messages for row in request.rows))}
    told = request.model_dump(mode="json", exclude_defaults=True)
    for row, own in zip(told["rows"], request.rows, strict=True):
        row["messages"] = places[own.messages]
    conversations = [[message.model_dump(mode="json") for message in messages] for messages in places]
    return json.dumps({"engine": engine, "axes": axes or {}, "conversations": conversations, "request": told})


def request(told: str | bytes) -> Request:
    """The request in what `body` wrote. Raises InvalidInput for anything else."""
    return _request(_asked(told))


def _asked(told: str | bytes) -> dict[str, Any]:
    try:
        asked = json.loads(told)
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or set(asked) != {"engine", "axes", "conversations", "request"}:
        raise InvalidInput("The body is no request to an engine.", "Ask by playground app --engine URL.")
    return asked


def _request(asked: dict[str, Any]) -> Request:
    try:
        conversations, told = asked["conversations"], asked["request"]
        rows = [{**row, "messages": conversations[_place(row["messages"])]} for row in told["rows"]]
    except (ValueError, TypeError, LookupError):
        raise InvalidInput("The body is no request to an engine.", "Ask by playground app --engine URL.") from None
    return Request(**dict[str, Any](told, rows=rows))


def _place(index: Any) -> int:
    if not isinstance(index, int) or index < 0:
        raise ValueError(index)
    return index


def refusal(error: PlaygroundError) -> str:
    """The last line of a request that was refused or failed."""
    kind = next((name for name, known in _KINDS.items() if type(error) is known), ModelUnavailable.__name__)
    told = {"kind": kind, "message": error.message, "hint": error.hint, "field": error.field}
    return _ERROR + json.dumps(told)[1:]


def failure() -> str:
    """The last line where an engine's own fault kept it from answering."""
    return refusal(ModelUnavailable("The engine failed at this request.", "Its log tells why."))


def read(lines: Iterable[str | bytes]) -> Generator[Event, None, None]:
    """The events of an answer. Raises as `whole` does."""
    yield from map(from_json, whole(lines))


def whole(lines: Iterable[str | bytes], stops: Callable[[], bool] = lambda: False) -> Generator[str, None, None]:
    """The lines of an answer up to its end, or until it `stops`; empty ones only tell that the engine is there.

    Raises what the engine refused it with, and EngineLost where the answer has no end.
    """
    for told in lines:
        text = (told if isinstance(told, str) else told.decode("utf-8", "replace")).strip()
        if text == END or stops():
            return
        check(text)
        if text:
            yield text
    raise EngineLost("The engine went away before the reply was whole.", "Ask again.")


def check(line: str) -> None:
    """Raise what a line refuses with, if it does."""
    if line.startswith(_ERROR):
        raise _error(json.loads(line))


def _error(told: Mapping[str, Any]) -> PlaygroundError:
    kind = _KINDS.get(str(told.get("kind")), ModelUnavailable)
    return kind(*(str(told.get(name, "")) for name in ("message", "hint", "field")))
