"""Replies of one's own, from a table: made by other models or by people, shown as they are.

A CSV file with a line for each reply: `prompt` (the id of a prompt of the study), `strength` and `reply`; where there
are several of them `seed` and `condition`; and what is known of it: `tokens`, `reward`, `kl`, `perplexity`.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from playground import files
from playground.errors import InvalidInput
from playground.study.typed import clean, number

_NEEDED = ("prompt", "strength", "reply")
_NUMBERS = ("tokens", "reward", "kl", "perplexity")
_KNOWN = (*_NEEDED, "seed", "condition", *_NUMBERS)

Place = tuple[str, str, int, float]
"""Condition, prompt, seed and strength."""


class OwnReply(NamedTuple):
    """A reply, and what its table tells of it; None where it does not."""

    text: str
    tokens: int
    reward: float | None
    kl: float | None
    perplexity: float | None


def read(path: Path) -> dict[Place, OwnReply]:
    """The replies in a CSV file by their place. Raises InvalidInput that names the line."""
    if not path.is_file():
        raise InvalidInput(f"There is no file {path}.", "replies names a CSV file, from where the study file is.")
    text = files.read_text(path)
    table = csv.DictReader(io.StringIO(text), strict=True)
    columns = list(table.fieldnames or ())
    missing = next((name for name in _NEEDED if name not in columns), None)
    unknown = next((name for name in columns if name not in _KNOWN), None)
    if missing or unknown:
        what = f"has no column {missing!r}" if missing else f"has a column {unknown!r}, which is none of a reply's"
        raise InvalidInput(f"{path.name} {what}.", f"Its first line names some of: {', '.join(_KNOWN)}.")
    found: dict[Place, OwnReply] = {}
    for line, row in _rows(table, path):
        place, own = _reply(row, f"{path.name}, line {line}")
        if place in found:
            raise InvalidInput(f"{path.name}, line {line}: that reply is there twice.", "Give each once.")
        found[place] = own
    return found


def _rows(table: "csv.DictReader[str]", path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        for row in table:
            if None in row or None in row.values():
                raise InvalidInput(f"{path.name}, line {table.line_num}: other columns than the first line.")
            yield table.line_num, row
    except csv.Error as error:
        raise InvalidInput(f"{path.name}, line {table.line_num}: {error}.", "Save it as CSV with commas.") from None


def _reply(row: Mapping[str, str], where: str) -> tuple[Place, OwnReply]:
    text = clean(row["reply"], 100_000)
    if not text:
        raise InvalidInput(f"{where}: the reply is empty.", "Give it a text.")
    seed = _number(row.get("seed") or "0", "seed", where)
    known = {name: _number(row[name], name, where) if row.get(name) else None for name in _NUMBERS}
    if not seed.is_integer():
        raise InvalidInput(f"{where}: seed is no whole number.", "Write 0, 1, ...")
    place = (
        row.get("condition", "").strip(),
        row["prompt"].strip(),
        int(seed),
        _number(row["strength"], "strength", where),
    )
    tokens = known["tokens"]
    own = OwnReply(
        text, len(text.split()) if tokens is None else int(tokens), known["reward"], known["kl"], known["perplexity"]
    )
    return place, own


def _number(text: str, name: str, where: str) -> float:
    read = number(text)
    value = math.nan if read is None else float(read)
    if not math.isfinite(value):
        raise InvalidInput(f"{where}: {name} is no number: {text!r}.", "Write it with a point.")
    return value
