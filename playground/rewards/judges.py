"""Judges: scores that the steering never saw, so that a curve cannot only be a reward that was learnt by heart."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from playground.cards import JudgeKind
from playground.errors import InvalidInput
from playground.rewards import Reward, wins
from playground.rewards.length import brevity
from playground.rewards.sentiment import sentiment
from playground.rewards.words import WordJudge
from playground.settings import Message

KINDS: tuple[JudgeKind, ...] = get_args(JudgeKind)


def judge_of(kind: JudgeKind, file: Path) -> Reward:
    """The judge of a kind; that of words is read from its file. Raises InvalidInput for a damaged one."""
    match kind:
        case "words":
            return WordJudge.load(file)
        case "sentiment":
            return sentiment
        case "length":
            return brevity
        case _:
            raise InvalidInput(f"There is no judge of the kind {kind!r}.", f"Choose one of: {', '.join(KINDS)}.")


def agreement(
    judge: Reward, prompts: Sequence[Sequence[Message]], chosen: Sequence[str], rejected: Sequence[str]
) -> float:
    """Share of labelled pairs whose chosen reply a judge prefers, ties half."""
    scores = zip(judge(prompts, chosen).tolist(), judge(prompts, rejected).tolist(), strict=True)
    preferred = [wins(ours, theirs) for ours, theirs in scores]
    return sum(preferred) / len(preferred)
