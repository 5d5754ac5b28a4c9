"""Rewards: how much a reply shows what an axis is about. A reward maps (prompts, replies) to numbers [B]."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from playground.settings import Message


class Reward(Protocol):
    """Anything that scores replies: the higher, the more."""

    def __call__(self, prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> Tensor:
        """Conversations and the replies to them -> rewards [B]."""
        ...
