"""A judge of sentiment: VADER's lexicon and rules (Hutto and Gilbert 2014), which know nothing of the model."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from playground.settings import Message

_END = re.compile(r"(?<=[.!?])\s+|\n+")


def sentiment(prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> Tensor:
    """Conversations (which it does not read) and replies -> VADER's compound score [B], -1 to 1.

    The mean over a reply's sentences: VADER is made for one, and its score of a long text is nearly always an end.
    """
    del prompts
    return torch.tensor([_mean(reply) for reply in replies])


def _mean(reply: str) -> float:
    scores = [_analyzer().polarity_scores(part)["compound"] for part in _END.split(reply) if part.strip()]
    return sum(scores) / len(scores) if scores else 0.0


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
