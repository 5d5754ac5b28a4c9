"""`playground generate`: replies to a prompt at one or more strengths."""

import contextlib
import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from playground.cli.fields import only, with_fields
from playground.cli.options import Answering
from playground.cli.progress import on_stderr, printable, tell_note, told
from playground.errors import InvalidInput
from playground.events import Event, Finished, Progress, Started, Token, exhaust, to_json
from playground.files import read_json
from playground.settings import (
    MAIN,
    SLIDERS,
    Length,
    Message,
    Noise,
    Request,
    Row,
    Sampling,
    Stopping,
    Strength,
    conversation,
)

if TYPE_CHECKING:
    from playground.player import Player


@with_fields(Sampling, Noise, Length, Stopping, Answering, repeated=(Strength,))
def generate(
    given: Mapping[str, Any],
    prompt: Annotated[str | None, typer.Argument(help="What to say to the model.")] = None,
    axis: Annotated[
        list[str] | None,
        typer.Option("--axis", metavar="NAME[=ALPHA]", help="An axis by its name or folder; repeat to mix several."),
    ] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="System text before the prompt.")] = None,
    messages: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A talk to go on: a JSON list of role and content; the prompt comes last."),
    ] = None,
) -> None:
    """Reply to a prompt at one or more strengths: a row for each alpha with each control that is given.

    One axis without a strength of its own takes those of --alpha and --control, alpha 1 unless any is given. Several
    axes take their own: --axis calm=0.5 --axis warm=1 --control warm=1.
    """
    talk = _talk(prompt, system, messages)
    used = strengths(axis or [], {name: given[name] or [] for name in Strength.model_fields if name != "axis"})
    rows = tuple(Row(messages=talk, strengths=own, seed=given["seed"]) for own in used)
    ends = only(given, Length) | only(given, Stopping)
    request = Request(rows=rows, sampling=Sampling(**only(given, Sampling)), **ends)
    events = _open(given["model"], given["dtype"], given["device"], request.axes).run(request)
    with contextlib.closing(events):
        for piece in (f"{to_json(event)}\n" for event in events) if given["as_json"] else _as_text(events, request):
            sys.stdout.write(piece)
            sys.stdout.flush()


def _talk(prompt: str | None, system: str | None, file: Path | None) -> tuple[Message, ...]:
    """The messages of a file, if one is named, with the prompt as the last turn."""
    if file is None:
        if prompt is None:
            raise InvalidInput("There is no prompt.", "Give it as the first argument, or a talk by --messages FILE.")
        return conversation(prompt, system)
    told = read_json(file)
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise InvalidInput(f"{file} is no list of messages.", 'Write [{"role": "user", "content": "..."}, ...].')
    talk = tuple(Message(**one) for one in told)
    opening = () if system is None else (Message(role="system", content=system),)
    return (*opening, *talk, *(() if prompt is None else (Message(role="user", content=prompt),)))


def strengths(axes: Sequence[str], given: Mapping[str, Sequence[str]]) -> list[tuple[Strength, ...]]:
    """What steers each row: `axes` as NAME or NAME=ALPHA, and for each slider and option values as VALUE or NAME=VALUE.

    Values of sliders that name no axis belong to the one without a strength of its own, or to the only one, and make a
    row each; options that name none belong to all. Raises InvalidInput where it is not told which.
    """
    own = dict(_with_strength(text) for text in axes)
    if len(own) < len(axes):
        raise InvalidInput("An axis is named twice.", "Give each axis once.")
    loose: dict[str, list[str]] = {}
    for field, values in given.items():
        for value in values:
            name, _, rest = value.rpartition("=")
            if name in own:
                own[name][field] = _checked(field, rest)
            else:
                loose.setdefault(field, []).append(_checked(field, value))
    grid = {field: values for field, values in loose.items() if field in SLIDERS}
    options = {field: values[-1] for field, values in loose.items() if field not in SLIDERS}
    if not own:
        _check_base(grid, options)
        return [()] * math.prod(map(len, grid.values()))
    free = [name for name, values in own.items() if values.keys().isdisjoint(SLIDERS)]
    along = free[0] if len(free) == 1 else next(iter(own)) if len(own) == 1 else None
    if grid and along is None:
        field = next(iter(grid))
        raise InvalidInput(f"--{field} does not say of which axis.", f"Write --{field} {next(iter(own))}=VALUE.")
    for name in free:
        if name != along or not grid:
            own[name][MAIN] = "1"
    points: list[dict[str, Any]] = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    return [
        tuple(
            Strength(axis=name, **dict[str, Any](options | values | (point if name == along else {})))
            for name, values in own.items()
        )
        for point in points
    ]


def _with_strength(text: str) -> tuple[str, dict[str, Any]]:
    """NAME or NAME=ALPHA; what follows a sign that is no number is part of the name, or of a path."""
    name, _, amount = text.rpartition("=")
    try:
        float(amount)
    except ValueError:
        return text, {}
    return (name, {MAIN: amount}) if name else (text, {})


def _checked(field: str, value: str) -> str:
    """A value as it was given. Raises InvalidInput that names the option where it cannot be."""
    given: dict[str, Any] = {"axis": "any", field: value}
    try:
        Strength(**given)
    except InvalidInput as error:
        raise InvalidInput(f"--{field.replace('_', '-')}: {error.message}", error.hint) from None
    return value


def _check_base(grid: Mapping[str, Sequence[str]], options: Mapping[str, str]) -> None:
    """Without an axis nothing can be steered."""
    hint = "Name one with --axis; see: playground axes"
    for field in options:
        raise InvalidInput(f"--{field.replace('_', '-')} belongs to an axis.", hint)
    if any(float(value) != 0 for values in grid.values() for value in values):
        raise InvalidInput("A strength other than 0 needs an axis.", hint)


def _open(model: str, dtype: str, device: str, axes: Collection[str]) -> "Player":
    # What is wrong with these two is told before seconds go into importing torch.
    from playground import sources

    sources.check_placement(dtype, device)
    with on_stderr() as report:
        sources.resolve(model, report)
        report(Progress("loading the model", 0, 1))
        from playground.player import Player

        player = Player.open(model, dtype, report, device)
        exhaust(player.prepare(axes), report)
    for name in axes:
        tell_note(name, player.axis(name).note)
    return player


def _as_text(events: Iterator[Event], request: Request) -> Iterator[str]:
    """Pieces of readable text: row after row, the earliest unfinished one as it grows, the others held back."""
    held = ["" for _ in request.rows]
    ends: dict[int, Finished] = {}
    showing = 0
    for event in events:
        match event:
            case Started():
                yield _heading(request.rows[0])
            case Token():
                text = printable(event.text)
                if event.row == showing:
                    yield text
                else:
                    held[event.row] += text
            case Finished():
                ends[event.row] = event
                while showing in ends:
                    yield f"\n{_summary(ends[showing])}\n"
                    showing += 1
                    if showing < len(request.rows):
                        yield f"\n{_heading(request.rows[showing])}{held[showing]}"
            case Progress():
                pass


def _heading(row: Row) -> str:
    if not row.strengths:
        return "== base model ==\n"
    return f"== {row.strengths[0].in_words()} ==\n"


def _summary(end: Finished) -> str:
    figures = [f"{len(end.token_ids)} tokens" + (", cut at the limit" if end.finish_reason == "length" else "")]
    if end.reward is not None:
        figures.append(f"reward {end.reward:.2f}")
    figures += [f"KL {end.kl:.3f} nats a token", f"perplexity {end.perplexity:.1f}"]
    if end.alpha_interval is not None:
        low, high = end.alpha_interval
        span = [f"from {low:.2f}" if low is not None else "", f"to {high:.2f}" if high is not None else ""]
        figures.append(f"the same reply for {MAIN} {' '.join(part for part in span if part) or 'of any size'}")
    for at, change in zip(end.alpha_interval or (), end.changes or (), strict=False):
        if change is not None:
            figures.append(f"at {at:.2f} {told(change.old)} becomes {told(change.new)}")
    return f"-- {' | '.join(figures)}"
