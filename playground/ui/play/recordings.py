"""The opening preset answered before the page is opened, so that there is something to read at once.

`python -m playground.ui.play.recordings` answers the first shipped preset with the embedded model and its axes, once
in each of `DTYPES`, since a dtype that rounds otherwise may choose other words. It is shown only where the same axes
steer the same model.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import playground
from playground import places, presets
from playground.cards import Card
from playground.errors import InvalidInput, PlaygroundError
from playground.events import Event, Finished, Token, from_json, to_json
from playground.files import parse_json, read_json_lines, write_json_lines
from playground.presets import Preset
from playground.serving.handle import EngineHandle
from playground.settings import Request, Settings
from playground.ui.play import present
from playground.ui.play.view import Inputs, View

OPENING = places.PRESETS / "opening.jsonl"
"""In float32; what another dtype says lies beside it, as `opening.bfloat16.jsonl`."""

DTYPES = ("float32", "bfloat16")

_DIGITS = 4  # of numbers that are only looked at


@dataclass(frozen=True)
class Recording:
    """What a model answered: the request, its events, and what made them."""

    model: str
    version: str
    axes: Mapping[str, str]
    """Digests of the axes that steered, by name."""
    request: Request
    events: tuple[Event, ...]

    @property
    def by(self) -> str:
        """What made it, in words."""
        return f"{self.model}, {', '.join(self.axes) or 'no axis'}"

    def fits(self, model: str, cards: Mapping[str, Card]) -> bool:
        """Whether this model with these axes would be asked the same."""
        return model == self.model and all(
            name in cards and cards[name].digest == made_by for name, made_by in self.axes.items()
        )


def asked_by(preset: Preset, axes: Iterable[str]) -> Request:
    """What the page asks when a preset is opened."""
    inputs = present.of_preset(preset, Inputs(), frozenset(axes).__contains__)
    request = present.request(present.begin(View(), inputs))
    if request is None:
        raise InvalidInput(f"The preset {preset.title!r} asks nothing.", "Give it a prompt.")
    return request


def record(player: EngineHandle, model: str, cards: Mapping[str, Card], preset: Preset) -> Recording:
    """Answer a preset. Of the steered reply every token is kept, of the others only the end."""
    request = asked_by(preset, cards)
    used = sorted(request.axes)
    with closing(player.run(request)) as events:
        kept = [_rounded(event) for event in events if isinstance(event, Finished) or getattr(event, "row", None) == 0]
    axes = {name: cards[name].digest for name in used}
    return Recording(model, playground.__version__, axes, request, tuple(kept))


def _rounded(event: Event) -> Event:
    """An event with fewer digits where they are only looked at; intervals stay exact."""
    if isinstance(event, Token):
        names = ("logprob", "base_logprob", "kl", "value_before", "value_after")
    elif isinstance(event, Finished):
        names = ("reward", "kl", "perplexity")
    else:
        return event
    numbers = {name: getattr(event, name) for name in names}
    return replace(event, **{name: round(n, _DIGITS) for name, n in numbers.items() if n is not None})


def write(recording: Recording, path: Path) -> None:
    """Write a recording as JSON Lines: what made it, then its events."""
    head = {
        "model": recording.model,
        "version": recording.version,
        "axes": dict(recording.axes),
        "request": recording.request.model_dump(mode="json", exclude_defaults=True),
    }
    lines = [json.dumps(head, ensure_ascii=False), *(_line(event) for event in recording.events)]
    write_json_lines(path, lines)


def _line(event: Event) -> str:
    """An event as JSON without what it leaves empty; the row's strengths are in the request."""
    values = {key: value for key, value in json.loads(to_json(event)).items() if value not in ([], None)}
    values.pop("strengths", None)
    return json.dumps(values, ensure_ascii=False)


class _Head(Settings):
    """The first line: what made the rest."""

    model: str
    version: str
    axes: dict[str, str]
    request: Request


def read(path: Path) -> Recording:
    """The recording in a file. Raises InvalidInput for anything else."""
    try:
        about, *lines = read_json_lines(path, parse_json)
        head = _Head(**about)
        events = tuple(_event(line, head.request) for line in lines)
        return Recording(head.model, head.version, head.axes, head.request, events)
    except (PlaygroundError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InvalidInput(f"The recording {path.name} cannot be read: {error}.", "Record it again.") from None


def _event(values: dict[str, Any], request: Request) -> Event:
    if values["event"] == "finished":
        values = {"alpha_interval": None, "reward": None, **values}
    event = from_json(json.dumps(values))
    if not isinstance(event, Token | Finished) or not 0 <= event.row < len(request.rows):
        raise InvalidInput("It holds an event of no row.")
    return replace(event, strengths=request.rows[event.row].strengths) if isinstance(event, Finished) else event


def path_for(dtype: str) -> Path:
    """Where the recording of a model held in this dtype lies."""
    return OPENING if dtype == DTYPES[0] else OPENING.with_suffix(f".{dtype}.jsonl")


def opening(dtype: str = DTYPES[0]) -> Recording | None:
    """What ships for a model held in this dtype, or else what it says in float32.

    None where that is missing or broken: the page works without it.
    """
    for path in dict.fromkeys((path_for(dtype), OPENING)):
        with suppress(PlaygroundError):
            return read(path)
    return None


def main() -> None:
    """Record the opening preset."""
    from playground.player import Player  # loads torch

    for dtype in DTYPES:
        player = Player.open(dtype=dtype)
        cards = {name: axis.card for name, axis in player.axes.items()}
        write(record(player, player.name, cards, presets.read_all()[0]), path_for(dtype))


if __name__ == "__main__":
    main()
