"""Pairs of replies as the file that LLM Comparator opens (arXiv 2402.10524). Pure values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDEST = 1.5
"""Scores lie between -1.5 and 1.5, as that tool expects."""


@dataclass(frozen=True)
class Compared:
    """One prompt with two replies; a `score` above 0 prefers A, None where nobody judged."""

    prompt: str
    a: str
    b: str
    score: float | None
    numbers: Mapping[str, tuple[float | None, float | None]]
    """What is known of either reply, by name; None for what is not."""
    tags: tuple[str, ...] = ()
    raters: tuple[Mapping[str, Any], ...] = ()
    """One object for each person's score, where people judged."""


def against_base(
    prompt: str, steered: str, base: str, numbers: Mapping[str, float], base_numbers: Mapping[str, float]
) -> Compared:
    """A steered reply (A) beside the base's (B), with the numbers that both have.

    The score is the difference in the judge's, None where no judge read them: a reward is what was steered for, and
    judges nothing.
    """
    gain = numbers.get("judge", math.nan) - base_numbers.get("judge", math.nan)
    both: dict[str, tuple[float | None, float | None]] = {}
    both |= {name: (number, base_numbers[name]) for name, number in numbers.items() if name in base_numbers}
    return Compared(prompt, steered, base, gain if math.isfinite(gain) else None, both)


def comparator(source: str, models: tuple[str, str], pairs: Sequence[Compared]) -> dict[str, Any]:
    """The file's one object: where the pairs come from, what A and B are called, and the pairs."""
    fields = dict.fromkeys(name for pair in pairs for name in pair.numbers)
    return {
        "metadata": {
            "source_path": source,
            "custom_fields_schema": [{"name": name, "type": "per_model_number"} for name in fields],
        },
        "models": [{"name": name} for name in models],
        "examples": [_example(pair) for pair in pairs],
    }


def _example(pair: Compared) -> dict[str, Any]:
    score = None if pair.score is None else max(-WIDEST, min(WIDEST, pair.score))
    return {
        "input_text": pair.prompt,
        "tags": list(pair.tags),
        "output_text_a": pair.a,
        "output_text_b": pair.b,
        "score": score,
        "individual_rater_scores": [dict(rater) for rater in pair.raters],
        "custom_fields": {name: [_finite(number) for number in both] for name, both in pair.numbers.items()},
    }


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
