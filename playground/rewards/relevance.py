"""Relevance: whether a reply answers its own prompt rather than another one."""

from collections.abc import Sequence

import torch
from torch import Tensor

from playground.engine.forced import reply_logprobs
from playground.engine.language_model import LanguageModel
from playground.settings import Message

MOST_TOKENS = 64
"""Of longer replies the beginning is read: whether it goes astray shows there, at half the cost."""


class Relevance:
    """How often the unsteered model finds a reply likelier after its own conversation than after others: 0 to 1.

    Each is compared with a few of the other conversations that are scored beside it, the next ones in their order.
    """

    def __init__(self, model: LanguageModel, others: int = 3) -> None:
        self.model, self.others = model, others

    def __call__(self, prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> Tensor:
        """Conversations and the replies to them -> shares [B]; 1 where there is one conversation alone."""
        different = list(dict.fromkeys(map(tuple, prompts)))
        place = {messages: number for number, messages in enumerate(different)}
        ids = [self.model.prompt_ids(messages) for messages in different]
        compared = min(self.others, len(different) - 1)
        asked = [ids[(place[tuple(messages)] + by) % len(ids)] for messages in prompts for by in range(compared + 1)]
        read = [self.model.reply_ids(reply)[:MOST_TOKENS] for reply in replies]
        written = [reply for reply in read for _ in range(compared + 1)]
        if not compared:
            return torch.ones(len(replies))
        found = reply_logprobs(self.model, asked, written).view(len(replies), compared + 1)
        return (found[:, :1] > found[:, 1:]).float().mean(1)
