"""A judge of words: logistic regression on which words, and pairs of neighbouring words, a reply holds.

It reads the text alone and shares nothing with the model's hidden states, so steering cannot have climbed it.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from playground.errors import InvalidInput
from playground.files import read_json
from playground.settings import Message

FILE_NAME = "judge.json"
RIDGE = 1e-3
MOST_TERMS = 8000
LEAST_TEXTS = 2
"""A term that fewer texts hold tells of those texts, not of the axis."""

_LARGEST = 1e6  # of a term's numbers

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


class WordWeight(NamedTuple):
    """How rare a term is, and how much it speaks for the positive pole."""

    rarity: float
    weight: float


@dataclass(frozen=True)
class WordJudge:
    """Scores a reply by its terms: sum of rarity * weight over the length of the rarities; 0 where it knows none."""

    terms: Mapping[str, WordWeight]

    def __call__(self, prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> Tensor:
        """Conversations (which it does not read) and replies -> log-odds [B] of being a chosen rather than rejected."""
        del prompts
        return torch.tensor([self._score(reply) for reply in replies])

    def _score(self, reply: str) -> float:
        known = [self.terms[term] for term in terms_of(reply) if term in self.terms]
        length = math.sqrt(sum(term.rarity**2 for term in known))
        return sum(term.rarity * term.weight for term in known) / length if known else 0.0

    def save(self, folder: Path) -> None:
        """Write the terms as JSON that a person can read, the most telling first."""
        ordered = sorted(self.terms.items(), key=lambda item: -abs(item[1].weight))
        lines = [f"{json.dumps(term)}: [{rarity:.3f}, {weight:.4f}]" for term, (rarity, weight) in ordered]
        (folder / FILE_NAME).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "WordJudge":
        """Read what `save` wrote. Raises InvalidInput for anything else."""
        try:
            found = {term: WordWeight(*map(float, pair)) for term, pair in read_json(path).items()}
        except (AttributeError, TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(f"{path} is no list of terms: {error}.", "Restore the file.") from None
        if not all(0 < term.rarity <= _LARGEST and abs(term.weight) <= _LARGEST for term in found.values()):
            raise InvalidInput(f"{path} holds a term whose numbers are not finite, or too large.", "Restore the file.")
        return cls(found)


def terms_of(text: str) -> set[str]:
    """The words of a text, in lower case, and its pairs of neighbouring words."""
    words = _WORD.findall(text.lower().replace("’", "'"))
    return {*words, *(f"{first} {second}" for first, second in pairwise(words))}


def fit(chosen: Sequence[str], rejected: Sequence[str], ridge: float = RIDGE) -> WordJudge:
    """Fit by -log sigmoid(score(chosen) - score(rejected)), averaged over pairs, + ridge / 2 |weights|^2.

    Deterministic (L-BFGS on a convex loss). Raises InvalidInput where the texts share no words.
    """
    texts = [terms_of(text) for text in [*chosen, *rejected]]
    counts = Counter(term for text in texts for term in text)
    ranked = sorted(counts, key=lambda term: (-counts[term], term))
    kept = [term for term in ranked if counts[term] >= LEAST_TEXTS][:MOST_TERMS]
    if not kept:
        raise InvalidInput(
            f"{len(chosen)} pairs share too few words for a judge of words.", "Give more pairs, or another --judge."
        )
    rarity = {term: math.log((1 + len(texts)) / (1 + counts[term])) + 1 for term in kept}
    weights = _fit([{term: rarity[term] for term in text if term in rarity} for text in texts], kept, ridge)
    return WordJudge({term: WordWeight(rarity[term], weight) for term, weight in zip(kept, weights, strict=True)})


def _fit(texts: Sequence[Mapping[str, float]], kept: Sequence[str], ridge: float) -> list[float]:
    """The weight of each kept term, from texts as their terms' rarities: the chosen ones, then the rejected ones."""
    place = {term: index for index, term in enumerate(kept)}
    entries = [
        (row, place[term], rarity / math.sqrt(sum(other**2 for other in text.values())))
        for row, text in enumerate(texts)
        for term, rarity in sorted(text.items())
    ]
    rows, columns, values = (torch.tensor(column) for column in zip(*entries, strict=True))
    weight = torch.zeros(len(kept), dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=100, line_search_fn="strong_wolfe")
    half = len(texts) // 2

    def loss() -> Tensor:
        optimizer.zero_grad()
        scores = weight.new_zeros(len(texts)).index_add(0, rows, weight[columns] * values.double())
        value = (
            -torch.nn.functional.logsigmoid(scores[:half] - scores[half:]).mean() + ridge / 2 * weight.square().sum()
        )
        value.backward()
        return value

    optimizer.step(loss)
    return weight.tolist()
