"""Models of usual shapes with random weights, to be timed without a download: speed does not depend on weights."""

from typing import NamedTuple

import torch

from playground.engine.language_model import LanguageModel
from playground.errors import InvalidInput
from playground.sources import tiny


class Shape(NamedTuple):
    """What a decoder of Llama's kind is made of."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    vocabulary: int
    context: int = 8192


SHAPES = {
    "1b": Shape(16, 2048, 8192, 32, 8, 128_256),
    "8b": Shape(32, 4096, 14_336, 32, 8, 128_256),
}


def random_model(name: str, device: torch.device, dtype: torch.dtype) -> LanguageModel:
    """A model of one of SHAPES, its weights drawn on the device. Raises InvalidInput where they find no room."""
    from transformers.models.auto.modeling_auto import AutoModelForCausalLM
    from transformers.models.llama.configuration_llama import LlamaConfig

    shape, tokenizer = SHAPES[name], tiny.build_tokenizer()
    config = LlamaConfig(
        num_hidden_layers=shape.layers, hidden_size=shape.hidden, intermediate_size=shape.intermediate,
        num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads, vocab_size=shape.vocabulary,
        max_position_embeddings=shape.context, tie_word_embeddings=False,
        bos_token_id=tokenizer.eos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    try:
        with torch.device(device):
            model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    except torch.OutOfMemoryError:
        raise InvalidInput(f"A model of {name} does not fit into {device}.", "Measure a smaller shape.") from None
    return LanguageModel(model, tokenizer, f"random {name}", "0" * 64)
