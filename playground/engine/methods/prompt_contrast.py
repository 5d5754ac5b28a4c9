"""Prompt contrast: the base model itself reads the conversation under two opposite descriptions of who replies.

    logits = base + alpha scale (positive - negative) / 2

No training. Contrast of two descriptions as in RLCD (arXiv 2307.12950), while decoding as in classifier-free guidance
for language models (arXiv 2306.17806). Each logit is a straight line in alpha, as CLM's is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from playground.cards import Contrast
from playground.engine.methods.base import Description, Method, Term
from playground.errors import InvalidInput
from playground.settings import Strength


@dataclass(frozen=True)
class PromptContrast(Method):
    """The two descriptions, and the `scale` at which alpha 1 costs what it is to cost."""

    name: ClassVar[str] = "prompt_contrast"
    title: ClassVar[str] = "prompt contrast"
    slider: ClassVar[str] = "alpha"

    positive: str
    negative: str
    scale: float

    @classmethod
    def of(cls, contrast: Contrast) -> "PromptContrast":
        """What a card tells of it."""
        return cls(contrast.positive, contrast.negative, contrast.scale)

    def streams(self, strength: Strength) -> Sequence[Term]:
        """One under each description. Raises InvalidInput where alpha is to act before the decoder."""
        if strength.merge == "embeddings":
            raise InvalidInput(
                f"The axis {strength.axis!r} has no layer that could act before the decoder.",
                "Merge its streams at the logits.",
                "strengths",
            )
        half = self.scale / 2
        return [
            Term(Description(self.positive), weight=strength.alpha * half, slope=half),
            Term(Description(self.negative), weight=-strength.alpha * half, slope=-half),
        ]
