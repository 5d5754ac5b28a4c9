"""Preference pairs: read, checked line by line, split by conversation. Knows files and texts, no tensors."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from playground.errors import InvalidInput, PlaygroundError
from playground.events import Finished
from playground.settings import Message, Row, Settings, conversation

SHOWN = 5
"""How many bad lines a complaint names."""


class Pair(Settings):
    """A conversation that ends with the user's turn, and two replies to it: one more, one less of the axis."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    chosen_ends: bool = Field(default=True, description="False if it was cut off: where it ends is not to be learnt.")
    rejected_ends: bool = Field(default=True, description="The same of the other reply.")


class Split(NamedTuple):
    """Pairs to train on and pairs to check on; no first user message is in both."""

    train: list[Pair]
    development: list[Pair]


def of_replies(prompt: str, chosen: Finished, rejected: Finished) -> Pair:
    """Two replies of the model's own to a prompt."""
    return Pair(
        prompt=conversation(prompt),
        chosen=chosen.text.strip(),
        rejected=rejected.text.strip(),
        chosen_ends=chosen.finish_reason == "stop",
        rejected_ends=rejected.finish_reason == "stop",
    )


def load(path: Path, where: tuple[str, str] | None = None) -> list[Pair]:
    """Read pairs from JSONL or .jsonl.gz, of all lines or of those that hold `where`'s value under its key.

    Raises InvalidInput that names the bad lines and what is wrong with them.
    """
    good: list[Pair] = []
    bad: list[str] = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            record = _object(line)
            if where is None or str(record.get(where[0])) == where[1]:
                good.append(_pair(record))
        except PlaygroundError as error:
            bad.append(f"line {number}: {error.message}")
    if bad:
        more = f" (and {len(bad) - SHOWN} more)" if len(bad) > SHOWN else ""
        raise InvalidInput(
            f"{path} has {len(bad)} bad pairs. {' '.join(bad[:SHOWN])}{more}",
            'Each line must be {"prompt": text or messages, "chosen": text, "rejected": text}.',
        )
    if not good:
        raise InvalidInput(
            f"{path} holds no pairs{f' with {where[0]} {where[1]}' if where else ''}.",
            "Give a file with one pair a line.",
        )
    return good


def _object(line: str) -> dict[str, Any]:
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"it is not JSON ({error}).") from None
    if not isinstance(record, dict):
        raise InvalidInput("it is not a JSON object.")
    return record


def _pair(record: dict[str, Any]) -> Pair:
    """A line's object -> a pair; keys it does not know are ignored. Raises InvalidInput with the reason."""
    for key in ("prompt", "chosen", "rejected"):
        if key not in record:
            raise InvalidInput(f"{key!r} is missing.")
    for key in ("chosen", "rejected"):
        if not isinstance(record[key], str) or not record[key].strip():
            raise InvalidInput(f"{key!r} is not a text or is empty.")
    if record["chosen"].strip() == record["rejected"].strip():
        raise InvalidInput("chosen and rejected are the same.")
    prompt = record["prompt"]
    if isinstance(prompt, str):
        messages = conversation(prompt)
    elif isinstance(prompt, list) and all(isinstance(turn, dict) for turn in prompt):
        messages = tuple(Message(**turn) for turn in prompt)
    else:
        raise InvalidInput("'prompt' is neither a text nor a list of messages.")
    Row(messages=messages)  # the same rules as for a request: not empty, ends with the user
    return Pair(
        prompt=messages,
        chosen=record["chosen"].strip(),
        rejected=record["rejected"].strip(),
        chosen_ends=record.get("chosen_ends") is not False,
        rejected_ends=record.get("rejected_ends") is not False,
    )


def save(pairs: Sequence[Pair], path: Path) -> None:
    """Write pairs as JSONL, in one piece: a kill leaves no half of it."""
    scratch = path.with_suffix(".part")
    scratch.write_text("".join(pair.model_dump_json() + "\n" for pair in pairs), encoding="utf-8")
    scratch.replace(path)


def first_user_message(messages: Sequence[Message]) -> str:
    """What a conversation began with: the key of the split, so that its prefixes stay together."""
    return next((message.content for message in messages if message.role == "user"), "")


def is_development(text: str, share: float) -> bool:
    """Whether a first user message falls into the development part, by its hash alone."""
    return int.from_bytes(hashlib.sha256(text.strip().encode()).digest()[:4]) < share * 2**32


def is_for_judge(text: str, share: float) -> bool:
    """Whether a first user message falls into the judge's part: another slice of the hash than development's."""
    return int.from_bytes(hashlib.sha256(text.strip().encode()).digest()[4:8]) < share * 2**32


def split(pairs: Sequence[Pair], share: float) -> Split:
    """Part pairs by a hash of the first user message. Raises InvalidInput when one part would be empty."""
    parts = Split([], [])
    for pair in pairs:
        parts[is_development(first_user_message(pair.prompt), share)].append(pair)
    if not parts.train or not parts.development:
        raise InvalidInput(
            f"{len(pairs)} pairs with {len({first_user_message(pair.prompt) for pair in pairs})} different prompts "
            "are too few to keep some for checking.",
            "Give pairs with at least some twenty different prompts.",
        )
    return parts


def load_prompts(path: Path) -> list[str]:
    """Read prompts: a plain text file with one a line, or JSONL of {"prompt": text}; .gz welcome."""
    is_json = path.name.removesuffix(".gz").endswith(".jsonl")
    prompts: list[str] = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            prompt = json.loads(line)["prompt"] if is_json else line
        except (ValueError, KeyError, TypeError, RecursionError):
            prompt = None
        if not isinstance(prompt, str) or not prompt.strip():
            raise InvalidInput(
                f'{path} line {number} is not {{"prompt": text}}.',
                "Correct the line, or give one prompt a line as .txt.",
            )
        prompts.append(prompt.strip())
    if not prompts:
        raise InvalidInput(f"{path} holds no prompts.", "Give a file with one prompt a line.")
    return list(dict.fromkeys(prompts))


def _lines(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8").split("\n")
    except FileNotFoundError:
        raise InvalidInput(f"There is no file {path}.", "Check the path.") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}.", "Give UTF-8 text, plain or gzipped.") from None


def some(prompts: Iterable[str], count: int) -> list[str]:
    """At most `count` prompts, picked and ordered by hash."""
    return sorted(prompts, key=lambda prompt: hashlib.sha256(prompt.encode()).digest()[8:])[:count]


def some_pairs(part: Sequence[Pair], count: int) -> list[Pair]:
    """At most `count` pairs, picked and ordered by hash."""
    return sorted(part, key=lambda pair: hashlib.sha256(pair.model_dump_json().encode()).digest())[:count]
