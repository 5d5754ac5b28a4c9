"""Rewards: how much a reply shows what an axis is about. A reward maps (prompts, replies) to numbers [B]."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from playground.settings import Message

if TYPE_CHECKING:
    from torch import Tensor


class Reward(Protocol):
    """Anything that scores replies: the higher, the more."""

    def __call__(self, prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> "Tensor":
        """Conversations and the replies to them -> rewards [B]."""
        ...


def wins(ours: float, theirs: float) -> float:
    """Whether a judge's score is the higher: 1 for ours, 0 for theirs, 0.5 for a tie."""
    return ((ours > theirs) + (ours >= theirs)) / 2
