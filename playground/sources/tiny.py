"""Tiny random models built in code: no download, milliseconds, the same loader as a real one.

Their replies are gibberish; everything else about them is real: families, chat template, end of turn.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import InvalidInput
from playground.sources.quiet import no_bars

if TYPE_CHECKING:
    from transformers.configuration_utils import PreTrainedConfig
    from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

CONTEXT = 512
"""The longest text of a tiny model, in tokens."""

_VOCABULARY = 400
_END_OF_TEXT, _TURN, _END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# What the tokenizer's merges are learnt from: enough plain English for some two- to five-letter tokens.
_CORPUS = """
The morning in the office began as it always did, with coffee and the sound of the rain on the windows. She told
them that she would rather walk, and that there was nothing better than the smell of the street after a shower.
He laughed and said that people who like the rain are the people who have never had to work in it. What do you
think about when you are alone? I think about the people I would like to meet, the places that I have not seen
and the things that other people know. It is good to talk with friends, but it is also good to be quiet.
"""
_shared: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT, "initializer_range": 0.15,
}  # fmt: skip
_grouped: dict[str, Any] = {**_shared, "num_key_value_heads": 2}
_headed: dict[str, Any] = {**_grouped, "tie_word_embeddings": False, "head_dim": 16}
_latent: dict[str, Any] = {
    **_shared, "num_key_value_heads": 4, "head_dim": 8, "q_lora_rank": 24, "kv_lora_rank": 16, "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16, "v_head_dim": 16,
}  # fmt: skip
_experts: dict[str, Any] = {
    "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "n_shared_experts": 1,
    "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
}  # fmt: skip
_settings: dict[str, dict[str, Any]] = {
    "llama": {**_grouped, "tie_word_embeddings": True},
    "qwen2": {**_grouped, "tie_word_embeddings": False},
    "qwen3": {**_grouped, "tie_word_embeddings": False, "head_dim": 16},
    "mistral": {**_grouped, "tie_word_embeddings": False, "head_dim": 16, "sliding_window": 64},
    "gpt_neox": {**_shared, "tie_word_embeddings": False},
    "gemma3_text": {**_grouped, "tie_word_embeddings": True, "head_dim": 16, "sliding_window": 64},
    "gemma3": {
        "text_config": {**_grouped, "tie_word_embeddings": True, "head_dim": 16, "sliding_window": 64},
        "vision_config": {
            "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": 28, "patch_size": 14,
        },
        "mm_tokens_per_image": 4,
    },
    **dict.fromkeys((
        "apertus", "arcee", "ernie4_5", "gemma", "glm", "glm4", "helium", "hunyuan_v1_dense", "hyperclovax", "jais2",
        "ministral3", "nemotron", "olmo", "olmo2", "phi3", "seed_oss", "smollm3", "stablelm",
    ), _headed),
    **{family: {**_headed, "sliding_window": 64} for family in ("exaone4", "ministral", "olmo3")},
    "glm4_moe": {**_headed, **_experts},
    "glm4_moe_lite": {**_latent, **_experts},
    "deepseek_v2": {**_latent, **_experts},
    "deepseek_v3": {**_latent, **_experts},
    "youtu": _latent,
}  # fmt: skip
"""By `model_type`; of a multimodal one the text part has the tokens of the tokenizer."""

ARCHITECTURES = tuple(_settings)
"""The families there is a tiny model of."""


def build_tiny(folder: Path, architecture: str = "llama", seed: int = 0) -> Path:
    """Write a random model of one of ARCHITECTURES with its tokenizer into `folder` and return that folder.

    The weights depend on `seed` alone; the process's random state is left as it was. Raises InvalidInput for
    another architecture.
    """
    import torch
    from transformers.models.auto.modeling_auto import AutoModelForCausalLM

    if architecture not in ARCHITECTURES:
        raise InvalidInput(
            f"There is no tiny model of the family {architecture!r}.", f"Choose one of {', '.join(ARCHITECTURES)}."
        )
    words = build_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(_config(architecture, words), dtype=torch.float32)
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    folder.mkdir(parents=True, exist_ok=True)
    with no_bars():
        model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def digest(architecture: str, seed: int = 0) -> str:
    """Eight hex digits that change whenever `build_tiny` would build something else."""
    import torch

    recipe = [architecture, seed, torch.__version__, version("transformers"), Path(__file__).read_text("utf-8")]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:8]


def _config(architecture: str, tokenizer: PreTrainedTokenizerFast) -> PreTrainedConfig:
    from transformers.models.auto.configuration_auto import AutoConfig

    tokens = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.convert_tokens_to_ids(_TURN),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    settings = _settings[architecture]
    if (text := settings.get("text_config")) is not None:
        return AutoConfig.for_model(architecture, **{**settings, "text_config": {**text, **tokens}})
    return AutoConfig.for_model(architecture, **settings, **tokens)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with a few learnt merges: any text survives the way there and back."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[_END_OF_TEXT, _TURN, _END_OF_TURN],
        show_progress=False,
    )
    backend.train_from_iterator(_CORPUS.split("\n"), trainer)
    found = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=_END_OF_TURN,
        pad_token=_END_OF_TEXT,
        additional_special_tokens=[_TURN],
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )
    found.chat_template = _CHAT_TEMPLATE
    return found
