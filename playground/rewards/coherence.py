"""Coherence: how close a reply is in meaning to what was asked, by a sentence encoder of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.models.auto.modeling_auto import AutoModel
from transformers.models.auto.tokenization_auto import AutoTokenizer

from playground.errors import ModelUnavailable
from playground.files import read_record
from playground.settings import Message
from playground.sources.quiet import no_bars

MOST_TOKENS = 256
"""Longer texts are cut: what MiniLM was trained to read."""
BATCH = 32


class Coherence:
    """A frozen sentence encoder; as a score, the cosine of prompt and reply embeddings."""

    def __init__(self, encoder: Any, tokenizer: Any, reads_first_token: bool = False) -> None:
        self.encoder = encoder.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.reads_first_token = reads_first_token

    @classmethod
    def load(cls, folder: Path) -> "Coherence":
        """Read an encoder's folder of safetensors. Raises ModelUnavailable when it cannot be used."""
        try:
            with no_bars():
                encoder = AutoModel.from_pretrained(
                    folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, trust_remote_code=False
                )
                tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            pooling = folder / "1_Pooling" / "config.json"
            how = read_record(pooling, dict) if pooling.exists() else {}
        except Exception as error:  # a damaged folder can fail in any of the library's ways
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelUnavailable(
                f"The sentence encoder in {folder} cannot be loaded: {reason}",
                "Give the folder of a sentence encoder with safetensors weights, or run: playground model fetch minilm",
            ) from error
        return cls(encoder, tokenizer, bool(how.get("pooling_mode_cls_token")))

    def __call__(self, prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> Tensor:
        """Conversations and replies -> cosine of the embeddings of the last user turn and the reply [B], -1 to 1."""
        asked = [prompt[-1].content for prompt in prompts]
        different = list(dict.fromkeys(asked))  # a sweep asks the same at many strengths
        place = {text: index for index, text in enumerate(different)}
        return (self.embed(different)[[place[text] for text in asked]] * self.embed(replies)).sum(1)

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> Tensor:
        """Texts -> embeddings [B, D] of length 1: the mean over tokens, or the first token where it was trained so."""
        found: dict[int, Tensor] = {}
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            read = self.tokenizer(
                [texts[index] for index in part],
                padding=True, truncation=True, max_length=MOST_TOKENS, return_tensors="pt",
                split_special_tokens=True,  # a text that spells one of them is text
            )  # fmt: skip
            states = self.encoder(**read).last_hidden_state
            mask = read["attention_mask"].unsqueeze(2)
            pooled = states[:, 0] if self.reads_first_token else (states * mask).sum(1) / mask.sum(1)
            found |= dict(zip(part, torch.nn.functional.normalize(pooled, dim=1), strict=True))
        return torch.stack([found[index] for index in range(len(texts))])
