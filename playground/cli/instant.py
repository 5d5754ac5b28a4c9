"""`playground axis instant`: an axis of two descriptions, calibrated in seconds."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from playground import descriptions
from playground.cli.options import Answering
from playground.cli.progress import ProgressPrinter
from playground.descriptions import Described
from playground.errors import InvalidInput
from playground.events import exhaust
from playground.files import write_text
from playground.settings import SLIDERS, Settings

if TYPE_CHECKING:
    from playground.cards import Card


class Table(Settings):
    """What an instant axis is told beside its descriptions."""

    name: str = Field(default="", max_length=60, description="What to call it. [default: the positive description]")
    left: str = Field(default="", max_length=60, description="A word or two for the negative end.")
    right: str = Field(default="", max_length=60, description="The same for the positive end.")
    licence: str = Field(default="", max_length=200, description="Licence of the descriptions.")
    notes: str = Field(default="", max_length=2000, description="What a person should know of it.")


def told(positive: str | None, negative: str | None, file: Path | None, more: Table) -> Described:
    """The axis that the options describe. Raises InvalidInput where they do not, or do so twice."""
    if file is not None and positive is None and negative is None:
        axis = descriptions.read(file)
    elif file is None and positive is not None and negative is not None:
        axis = descriptions.of(positive, negative)
    else:
        raise InvalidInput("An axis is two descriptions.", "Give --positive and --negative, or a file by --from.")
    return Described(**{**axis.model_dump(), **more.model_dump(exclude_defaults=True)})


def make(axis: Described, out: Path | None, how: Answering) -> None:
    """Write the axis into a file if one is named, calibrate it, and print what that found."""
    from playground import sources

    if out is not None:
        if out.exists() or out.suffix != ".toml":
            raise InvalidInput(f"{out} is there already or is no .toml file.", "Name a new one.")
        write_text(out, descriptions.to_toml(axis))
    sources.check_placement(how.dtype, how.device)

    from playground.player import Player

    tell = ProgressPrinter(how.as_json)
    player = Player.open(how.model, how.dtype, tell, how.device)
    card = exhaust(player.instant(axis), tell).card
    print(card.model_dump_json() if how.as_json else _found(card, str(out) if out else axis.address), flush=True)


def _found(card: "Card", name: str) -> str:
    lines = [f"{card.name}: from {card.poles.negative} to {card.poles.positive}."]
    for point in card.curve:
        reward, kl = point.metrics["reward"].mean, point.metrics["kl"].mean
        lines.append(f"  {point.at.in_words()}: reward {reward:+.2f}, KL {kl:.2f}")
    spans = [f"{slider} {low:g} to {high:g}" for slider in SLIDERS for low, high in [card.safe_range.of(slider)]]
    lines.append(f"Replies stay fluent at {' and at '.join(spans)}.")
    lines.append(f"Try: playground generate 'How was your day?' --axis {shlex.quote(f'{name}=1')}")
    return "\n".join(lines)
