"""Tiny random models: real but for their words."""

import hashlib
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from playground import sources
from tests.conftest import FolderOf

WEIGHTS = "model.safetensors"


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


@pytest.mark.parametrize("architecture", sources.ARCHITECTURES)
def test_a_tiny_model_is_real_but_for_its_words(architecture: str, tiny_folder: FolderOf) -> None:
    folder = tiny_folder(architecture)
    assert sources.resolve(str(folder)) == folder
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.model_type == architecture
    assert model.config.get_text_config().vocab_size == len(tokenizer)
    assert tokenizer.decode([model.generation_config.eos_token_id]) == "<|im_end|>"
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    assert tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_seed_alone_decides_a_tiny_models_weights(tmp_path: Path) -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    first = sources.build_tiny(tmp_path / "a", seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(8)
    assert digest(sources.build_tiny(tmp_path / "b", seed=1)) == digest(first)
    assert digest(sources.build_tiny(tmp_path / "c", seed=2)) != digest(first)


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: "<|" not in text))
def test_any_text_survives_the_tiny_tokenizer(tiny_folder: FolderOf, text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder("llama"))
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_a_tiny_model_is_built_once(own_cache: Path) -> None:
    first = sources.resolve("tiny")
    built = (first / WEIGHTS).stat().st_mtime_ns
    assert sources.resolve("tiny:llama") == first
    assert (first / WEIGHTS).stat().st_mtime_ns == built
    assert sources.resolve("tiny:gpt_neox") != first
    assert not list(own_cache.glob(".tiny-*"))
