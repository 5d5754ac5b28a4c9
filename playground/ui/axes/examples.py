"""What a shipped axis does in one example: a prompt answered at three strengths, kept as text beside its weights.

`python -m tools.presets --write` makes them. One is shown only for the very axis that made it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from playground import cards
from playground.cards import Card
from playground.errors import PlaygroundError
from playground.files import read_json, write_text
from playground.settings import MAIN

FILE_NAME = "example.json"


@dataclass(frozen=True)
class Example:
    """A prompt, and (strength, reply) from the low end to the high one."""

    prompt: str
    replies: tuple[tuple[float, str], ...]


def strengths(card: Card) -> tuple[float, float, float]:
    """Three inside the tested range: either end as far as 1 and the base, or two steps on a one-sided axis."""
    low, high = (max(min(end, 1.0), -1.0) for end in card.safe_range.of(MAIN))
    if low >= 0:
        return 0.0, high / 2, high
    return (low, low / 2, 0.0) if high <= 0 else (low, 0.0, high)


def of(card: Card) -> Example | None:
    """The example that ships with this axis; None where there is none, or it is of other weights."""
    for folder in cards.shipped_folders():
        try:
            found = read_json(folder / FILE_NAME)
            if found["of"] == card.digest:
                replies = tuple((float(one[MAIN]), str(one["text"])) for one in found["replies"])
                return Example(str(found["prompt"]), replies)
        except (PlaygroundError, ValueError, KeyError, TypeError):
            continue  # missing or damaged: Show answers live
    return None


def write(example: Example, card: Card, folder: Path) -> None:
    """Keep an example beside the weights of its axis."""
    replies = [{MAIN: amount, "text": text} for amount, text in example.replies]
    found = {"prompt": example.prompt, "of": card.digest, "replies": replies}
    write_text(folder / FILE_NAME, json.dumps(found, ensure_ascii=False, indent=1) + "\n")
