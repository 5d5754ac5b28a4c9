"""Files as they come back from other hands: values swapped, keys lost, lines torn, encodings changed; seeded."""

import codecs
import copy
import gzip
import json
import random
from collections.abc import Callable
from typing import Any

from playground.errors import PlaygroundError

EACH = 200
"""How many files of each kind are tried."""

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 7, 0.5, -3, 10**9, 10**400, 1e300, -1e300, 1e-300, float("nan"), float("inf"), "", " ", "x",
    "\u200b", "\ud800", "\x00", "a\nb", "line\u2028end", "x" * 5000, "../../x", "1e999", "0,5", "größe", "冷静",
    "words", [], {}, [[]], [1], ["a", "a"], {"self": 1}, {"role": "user", "content": "Hi"},
    [{"role": "tool", "content": "x"}],
)  # fmt: skip
"""What stands where something else belongs."""


def mutated(value: Any, rng: random.Random) -> Any:
    """A parsed JSON value with one to three places changed."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        holder, key = _place(value, rng)
        if holder is None:
            return _odd(value, rng)
        change = rng.randrange(7)
        if change == 0:
            del holder[key]
        elif change == 1 and isinstance(holder, dict):
            holder[rng.choice(["self", "", "\ud800", "more", "__class__", "x" * 300])] = holder[key]
        elif change == 2 and isinstance(holder, list):
            holder.extend([copy.deepcopy(holder[key])] * rng.choice([1, 1, 50]))
        elif change == 3 and isinstance(holder[key], int | float):
            holder[key] = holder[key] * rng.choice([-1, 0, 0.5, 2, 1e6, 1e300])
        elif change == 4 and isinstance(holder[key], str):
            holder[key] += rng.choice(["", " ", "x", "\u2029", "\ud83d", "é", "\n"])
        else:
            holder[key] = _odd(holder[key], rng)
    return value


def _place(value: Any, rng: random.Random) -> tuple[Any, Any]:
    """A list or table somewhere in a value, and a key of it."""
    places: list[tuple[Any, Any]] = []
    level = [value]
    while level:
        one = level.pop()
        if isinstance(one, dict | list):
            keys = list(one) if isinstance(one, dict) else list(range(len(one)))
            places += [(one, key) for key in keys]
            level += [one[key] for key in keys]
    return rng.choice(places) if places else (None, None)


def _odd(old: Any, rng: random.Random) -> Any:
    if rng.random() < 0.1:
        for _ in range(rng.choice([5, 60, 70, 150])):
            old = [old] if rng.random() < 0.5 else {"a": old}
        return old
    return copy.deepcopy(rng.choice(ODD))


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """Bytes that were cut, flipped, doubled, packed or saved in another encoding."""
    at, to = sorted(rng.randrange(len(raw) + 1) for _ in range(2))
    changes: list[Callable[[], bytes]] = [
        lambda: raw[:at],
        lambda: raw[at:],
        lambda: raw[:at] + raw[to:],
        lambda: raw[:to] + raw[at:],
        lambda: raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :],
        lambda: raw[:at] + rng.randbytes(4) + raw[at:],
        lambda: raw[:at] + rng.choice([b"[", b"{", b'{"a":', b"(", b'"']) * rng.choice([1, 100, 30_000]) + raw[at:],
        lambda: codecs.BOM_UTF8 + raw,
        lambda: raw.replace(b"\n", b"\r\n"),
        lambda: raw.replace(b"\n", b"\r"),
        lambda: raw.replace(b"\n", b"\xe2\x80\xa8"),
        lambda: raw.decode("utf-8", "replace").encode("utf-16"),
        lambda: raw.decode("utf-8", "replace").encode("utf-16-le"),
        lambda: raw.decode("utf-8", "replace").encode("latin-1", "replace"),
        lambda: gzip.compress(raw, mtime=0),
        lambda: gzip.compress(raw, mtime=0)[:at],
        lambda: raw + raw,
        lambda: b"",
    ]
    return rng.choice(changes)()


def _toml(tables: dict[str, Any]) -> str:
    """Tables as TOML, as far as they can be; what cannot be is written as JSON would, and is no TOML then."""
    lines = [f"{_key(key)} = {_inline(value)}" for key, value in tables.items()]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").isalnum() else json.dumps(key)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_inline(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}.get(text := json.dumps(value), text)


def tried(use: Callable[[random.Random], object]) -> int:
    """Try every seed; how many were accepted. A refusal is one short sentence with a way out."""
    accepted = 0
    for seed in range(EACH):
        try:
            use(random.Random(seed))
        except PlaygroundError as error:
            _is_a_sentence(error, seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}") from error
        else:
            accepted += 1
    return accepted


def _is_a_sentence(error: PlaygroundError, seed: int) -> None:
    assert 0 < len(error.message) < 2000 and "pid-" not in str(error), seed
    str(error).encode()


def spoilt(record: Any, rng: random.Random, written: Callable[[Any], bytes]) -> bytes:
    """A file with its values changed, or its bytes, or both."""
    kind = rng.randrange(5)
    raw = written(mutated(record, rng) if kind < 3 else record)
    return damaged(raw, rng) if kind > 1 else raw


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


def as_toml(value: Any) -> bytes:
    text = _toml(value) if isinstance(value, dict) else json.dumps(value)
    return text.encode()
