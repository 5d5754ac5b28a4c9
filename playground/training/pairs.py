"""Preference pairs: read, checked line by line, split by conversation. Knows files and texts, no tensors."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from playground.errors import InvalidInput, PlaygroundError
from playground.events import Finished
from playground.files import JSON_LINES, parse_json, read_entries, suffix_of, write_json_lines
from playground.settings import Message, Settings, conversation
from playground.texts import is_blank
from playground.training import formats

SHOWN = 5
"""How many bad lines a complaint names."""

_PROMPT_HINT = "Correct the line, or give one prompt a line as .txt."


class Pair(Settings):
    """A conversation that ends with the user's turn, and two replies to it: one more, one less of the axis.

    A reply that is empty is the model's own, still to be written: see `rollouts.completed`.
    """

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    chosen_ends: bool = Field(default=True, description="False if it was cut off: where it ends is not to be learnt.")
    rejected_ends: bool = Field(default=True, description="The same of the other reply.")

    @property
    def is_complete(self) -> bool:
        """Whether both replies are there."""
        return bool(self.chosen and self.rejected)


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


def load(path: Path, where: tuple[str, str] | None = None, incomplete: bool = False) -> list[Pair]:
    """Read pairs from JSON Lines or a JSON list, maybe .gz: all, or those that hold `where`'s value under its key.

    With `incomplete` one reply of a pair may be null: the model's own. Raises InvalidInput that names the bad lines and
    what is wrong with them.
    """
    good: list[Pair] = []
    bad: list[str] = []
    for place, text in read_entries(path, plain=False):
        try:
            record = _object(text)
            if where is None or str(record.get(where[0])) == where[1]:
                good.append(_pair(record, incomplete))
        except PlaygroundError as error:
            bad.append(f"{place}: {error.message}")
    if bad:
        more = f" (and {len(bad) - SHOWN} more)" if len(bad) > SHOWN else ""
        raise InvalidInput(
            f"{path} has {len(bad)} bad pairs. {' '.join(bad[:SHOWN])}{more}",
            'Write each as {"prompt": text or messages, "chosen": text, "rejected": text}, or as TRL or HH-RLHF do.',
        )
    if not good:
        raise InvalidInput(
            f"{path} holds no pairs{f' with {where[0]} {where[1]}' if where else ''}.",
            "Give a file with one pair a line.",
        )
    return good


def _object(text: str) -> dict[str, Any]:
    record = parse_json(text)
    if not isinstance(record, dict):
        raise InvalidInput("it is not a JSON object.")
    return record


def _pair(record: dict[str, Any], incomplete: bool) -> Pair:
    """An object -> a pair; keys it does not know are ignored. Raises InvalidInput with the reason."""
    pair = Pair(
        **formats.read(record)._asdict(),
        chosen_ends=record.get("chosen_ends") is not False,
        rejected_ends=record.get("rejected_ends") is not False,
    )
    if not (incomplete or pair.is_complete):
        raise InvalidInput("a reply is null, which only pairs that an axis learns from may have.")
    return pair


def save(pairs: Sequence[Pair], path: Path) -> None:
    """Write pairs as JSONL, in one piece: a kill leaves no half of it."""
    write_json_lines(path, (pair.model_dump_json() for pair in pairs))


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
    """Read prompts: a plain text file with one a line, or JSON Lines of {"prompt": text}; .gz welcome.

    Raises InvalidInput that names the line, or why a file of another kind is not read.
    """
    is_json = suffix_of(path) in JSON_LINES
    prompts: list[str] = []
    for place, text in read_entries(path, plain=True):
        try:
            prompt = _object(text).get("prompt") if is_json else text
        except InvalidInput as error:
            raise InvalidInput(f"{path} {place}: {error.message}", _PROMPT_HINT) from None
        if not isinstance(prompt, str) or is_blank(prompt):
            raise InvalidInput(f'{path} {place} is not {{"prompt": text}}, or the text is empty.', _PROMPT_HINT)
        prompts.append(prompt.strip())
    if not prompts:
        raise InvalidInput(f"{path} holds no prompts.", "Give a file with one prompt a line.")
    return list(dict.fromkeys(prompts))


def some(prompts: Iterable[str], count: int) -> list[str]:
    """At most `count` prompts, picked and ordered by hash."""
    return sorted(prompts, key=lambda prompt: hashlib.sha256(prompt.encode()).digest()[8:])[:count]


def some_pairs(part: Sequence[Pair], count: int) -> list[Pair]:
    """At most `count` pairs, picked and ordered by hash."""
    return sorted(part, key=lambda pair: hashlib.sha256(pair.model_dump_json().encode()).digest())[:count]
