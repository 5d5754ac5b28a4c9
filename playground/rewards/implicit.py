"""The reward that two descriptions bring along: how much likelier a reply is under the one than under the other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from playground.cards import Contrast
from playground.engine.forced import reply_logprobs
from playground.engine.language_model import LanguageModel
from playground.settings import Message


class ImplicitReward:
    """(log p(reply | positive) - log p(reply | negative)) / tokens, standardised over the base model's own replies."""

    def __init__(self, model: LanguageModel, contrast: Contrast) -> None:
        self.model, self.contrast = model, contrast

    def __call__(self, prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> Tensor:
        """Conversations and replies -> rewards [B]."""
        # An empty reply still ends its turn, which is something to be likely.
        ids = [self.model.reply_ids(reply, ends=False) or self.model.reply_ids(reply) for reply in replies]
        positive, negative = (
            reply_logprobs(self.model, [self._under(prompt, description) for prompt in prompts], ids)
            for description in (self.contrast.positive, self.contrast.negative)
        )
        raw = (positive - negative) / torch.tensor([max(1, len(one)) for one in ids])
        return (raw - self.contrast.zero) / self.contrast.unit

    def _under(self, prompt: Sequence[Message], description: str) -> list[int]:
        return self.model.prompt_ids(self.model.described_as(prompt, description))
