"""The one event stream: everything the engine and the trainers tell, as frozen values that survive JSON.

A run is a generator of these events; closing the generator is Stop.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, cast

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    WrapSerializer,
)

from playground.errors import InvalidInput
from playground.settings import SLIDERS, Sliders, Strength


@dataclass(frozen=True, slots=True)
class Started:
    """The prompts are read; `prompt_tokens[i]` is the length of row i's prompt in tokens."""

    prompt_tokens: tuple[int, ...]
    event: Literal["started"] = "started"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The request waits for a place: `before` others are let in before it. It comes again while that lasts."""

    before: int
    event: Literal["waiting"] = "waiting"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that could come next, by itself as text, with its log-probability in nats at temperature 1."""

    id: int
    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Token:
    """One token of one row's reply.

    `logprob` and `base_logprob` are the token's log-probabilities in nats under the steered and the base
    distribution at temperature 1; `kl` is KL(steered || base) in nats over the whole vocabulary. `value_before`
    and `value_after` are the value function's reading of the hidden state before and after control, None without
    one. `text` is what the reply grew by: empty while a character is incomplete and for the end-of-turn token; what
    may yet become a stop string comes once it cannot.
    `likely` and `base_likely` are the likeliest tokens under the steered and the base distribution, the likeliest
    first: as many as the row's `alternatives`.
    """

    row: int
    position: int
    id: int
    text: str
    logprob: float
    base_logprob: float
    kl: float
    value_before: float | None = None
    value_after: float | None = None
    likely: tuple[Candidate, ...] = ()
    base_likely: tuple[Candidate, ...] = ()
    event: Literal["token"] = "token"


@dataclass(frozen=True, slots=True)
class Change:
    """How a reply becomes another one at an end of its alpha interval: at `position` the token `old` becomes `new`.

    Both are given as id and as what the text grows by, which is nothing for the end of the turn.
    """

    position: int
    old_id: int
    old: str
    new_id: int
    new: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A row's whole reply: its tokens, and their text up to the stop string if it ended by one.

    `at` tells how far along each slider its first axis went (0 without one); in JSON each slider is a key of its own.
    `alpha_interval` is the range of the first slider in which exactly this reply is given (an end that is None is
    unbounded); None altogether where no closed form holds (a climb, top-k, top-p, repetition penalty, no axis).
    `changes` tells what changes at its low and at its high end. `kl` is the mean in nats per token, `perplexity` that
    of the reply under the base model, `reward` the first axis's (None without one).
    """

    row: int
    at: Sliders
    text: str
    token_ids: tuple[int, ...]
    alpha_interval: tuple[float | None, float | None] | None
    reward: float | None
    kl: float
    perplexity: float
    finish_reason: Literal["stop", "length"]
    seed: int = 0
    strengths: tuple[Strength, ...] = ()
    changes: tuple[Change | None, Change | None] | None = None
    event: Literal["finished"] = "finished"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long piece of work has come: `done` of `total` units of `stage`."""

    stage: str
    done: float
    total: float
    unit: str = ""
    rate: float | None = None
    seconds_left: float | None = None
    note: str = ""
    event: Literal["progress"] = "progress"


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Which replies were found for alpha from `low` to `high`, and where each gives way to the next.

    `rows` names the replies (Finished.row) in order of alpha, `breakpoints` the alphas between them. `gaps` is what the
    budget did not reach, in stretches of the `resolution` or wider; it is empty when the search is complete.
    `decoded_tokens` counts the tokens of all replies, those that replies share once.
    """

    low: float
    high: float
    resolution: float
    rows: tuple[int, ...]
    breakpoints: tuple[float, ...]
    gaps: tuple[tuple[float, float], ...]
    decoded_tokens: int
    event: Literal["spectrum"] = "spectrum"


class Occupancy(NamedTuple):
    """How much of an engine is in use: rows that run, and their memory. What is not known is nan."""

    rows_running: float
    kv_bytes: float
    kv_budget_bytes: float


Event = Waiting | Started | Token | Finished | Progress | Spectrum

Step = TypeVar("Step")
Result = TypeVar("Result")


def _nested(told: Any) -> Any:
    """A finished reply as read, whose sliders stand among the other keys."""
    if not isinstance(told, dict):
        return told
    values = cast(dict[str, Any], told)
    at = {name: values[name] for name in SLIDERS if name in values}
    return {**{name: value for name, value in values.items() if name not in at}, "at": at}


def _flat(event: Finished, tell: SerializerFunctionWrapHandler) -> dict[str, Any]:
    told = tell(event)
    return {"row": told.pop("row"), **told.pop("at"), **told}


_Finished = Annotated[Finished, BeforeValidator(_nested), WrapSerializer(_flat)]

_adapter: TypeAdapter[Event] = TypeAdapter(
    Annotated[Waiting | Started | Token | _Finished | Progress | Spectrum, Field(discriminator="event")]
)


def to_json(event: Event) -> str:
    """One line of JSON; the key `event` names the kind."""
    return _adapter.dump_json(event).decode()


def exhaust(steps: Generator[Step, None, Result], tell: Callable[[Step], object] = lambda step: None) -> Result:
    """Run a generator to its end, telling what it yields, and give what it returns."""
    while True:
        try:
            tell(next(steps))
        except StopIteration as stop:
            return stop.value


def finished(events: Iterable[Event]) -> list[Finished]:
    """The replies among events, in the order of their rows."""
    return sorted((event for event in events if isinstance(event, Finished)), key=lambda end: end.row)


def from_json(line: str) -> Event:
    """The event a line of JSON holds. Raises InvalidInput for anything else."""
    try:
        return _adapter.validate_json(line)
    except (ValidationError, InvalidInput):
        raise InvalidInput(f"Not an event: {line[:80]!r}.", "Give one line of the event stream.") from None
