"""`playground spectrum`: every reply along a stretch of alpha."""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Annotated, Any

import typer

from playground.cli.fields import of, only, with_fields
from playground.cli.options import Answering
from playground.cli.progress import ProgressPrinter, printable, tell_note, told
from playground.events import Finished, Spectrum, exhaust, to_json
from playground.measure.spectrum import SpectrumPlan
from playground.settings import MAIN, conversation


@with_fields(SpectrumPlan, Answering)
def spectrum(
    given: Mapping[str, Any],
    prompt: Annotated[str, typer.Argument(help="What to say to the model.")],
    axis: Annotated[str, typer.Option(metavar="NAME", help="An axis by its name or folder.")],
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="System text before the prompt.")] = None,
) -> None:
    """Find all replies for alpha in a range, and exactly where each gives way to the next."""
    from playground import sources
    from playground.measure.spectrum import spectrum as find
    from playground.player import Player

    how = of(given, Answering)
    sources.check_placement(how.dtype, how.device)
    stretch = SpectrumPlan(messages=conversation(prompt, system), axis=axis, **only(given, SpectrumPlan))
    print(f"Looking for every reply for {MAIN} from {stretch.low:g} to {stretch.high:g}.", file=sys.stderr)
    tell = ProgressPrinter(as_json=False)
    player = Player.open(how.model, how.dtype, tell, how.device)
    exhaust(player.prepare([axis]), tell)
    tell_note(axis, player.axis(axis).note)
    found: list[Finished] = []
    with contextlib.closing(find(player, stretch)) as events:
        for event in events:
            if isinstance(event, Finished):
                found.append(event)
            if how.as_json:
                print(to_json(event), flush=True)
            elif isinstance(event, Finished):
                print(_reply(event), flush=True)
            else:
                print(_order(event, found))


def _reply(found: Finished) -> str:
    """A reply with the range of alpha it holds in."""
    return f"[{found.row}] {_span(*(found.alpha_interval or (None, None)))}\n{printable(found.text)}\n"


def _span(low: float | None, high: float | None) -> str:
    parts = ["" if low is None else f"from {low:.4f}", "" if high is None else f"to {high:.4f}"]
    return f"{MAIN} {' '.join(part for part in parts if part) or 'of any size'}"


def _order(found: Spectrum, replies: Sequence[Finished]) -> str:
    """The replies in order of alpha, and what changes between them."""
    lines = [f"{len(found.rows)} replies for {MAIN} from {found.low:g} to {found.high:g}, in order:"]
    for row, at in zip_longest(found.rows, found.breakpoints):
        lines.append(f"  [{row}]")
        change = replies[row].changes
        if at is not None and change is not None and change[1] is not None:
            lines[-1] += f" until {at:.4f}, where {told(change[1].old)} becomes {told(change[1].new)}"
    for low, high in found.gaps:
        lines.append(f"The budget did not reach {MAIN} from {low:.4f} to {high:.4f}.")
    return "\n".join([*lines, f"{found.decoded_tokens} tokens decoded."])
