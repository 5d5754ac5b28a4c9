"""Judges: scores that the steering never saw, so that a curve cannot only be a reward that was learnt by heart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor

from playground.rewards import Reward
from playground.rewards.length import brevity
from playground.rewards.sentiment import sentiment
from playground.rewards.words import WordJudge
from playground.settings import Message

Kind = Literal["words", "sentiment", "length"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def judge_of(kind: Kind, file: Path) -> Reward:
    """The judge of a kind; that of words is read from its file. Raises OSError or ValueError for a damaged one."""
    if kind == "words":
        return WordJudge.load(file)
    return sentiment if kind == "sentiment" else brevity


def wins(ours: Tensor, theirs: Tensor) -> Tensor:
    """Where a judge's score is the higher [B]: 1 for ours, 0 for theirs, 0.5 for a tie."""
    return ((ours > theirs).float() + (ours >= theirs).float()) / 2


def agreement(
    judge: Reward, prompts: Sequence[Sequence[Message]], chosen: Sequence[str], rejected: Sequence[str]
) -> float:
    """Share of labelled pairs whose chosen reply a judge prefers, ties half."""
    return float(wins(judge(prompts, chosen), judge(prompts, rejected)).mean())
