"""A judge of brevity: a plain count of words."""

from collections.abc import Sequence

import torch
from torch import Tensor

from playground.settings import Message


def brevity(prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> Tensor:
    """Conversations (which it does not read) and replies -> minus their numbers of words [B].

    A reply that was cut off counts as far as it goes, so two that reached the same limit are about even.
    """
    del prompts
    return torch.tensor([-float(len(reply.split())) for reply in replies])
