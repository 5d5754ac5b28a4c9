"""A model is taken for how it behaves, not for its name: which checks pass, which fail, and what is then said."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from playground.engine.admission import NAMES, checks
from playground.engine.caches import StockCache, run_decoder
from playground.engine.fused_step import FusedDecoder
from playground.engine.loading import load_model
from playground.errors import ModelUnavailable
from playground.sources import build_tiny
from tests.conftest import FolderOf

HYBRID: dict[str, Any] = {
    "num_hidden_layers": 4, "linear_key_head_dim": 16, "linear_value_head_dim": 16, "linear_num_key_heads": 2,
    "linear_num_value_heads": 2, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
}  # fmt: skip
SMALL: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512, "initializer_range": 0.15, "pad_token_id": 0,
    "eos_token_id": 2, "head_dim": 16,
}  # fmt: skip


def other(folder: Path, like: Path, family: str, **changes: Any) -> Path:
    """A model of any family, with the tokenizer of a tiny one."""
    tokenizer = AutoTokenizer.from_pretrained(like)
    settings = {**SMALL, "vocab_size": len(tokenizer), **changes}
    config = AutoConfig.for_model(family, **{name: value for name, value in settings.items() if value is not None})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int8])
def test_rounding_refuses_nobody(tiny_folder: FolderOf, dtype: torch.dtype) -> None:
    model = load_model(tiny_folder("llama"), dtype)
    assert [check.name for check in model.checks] == list(NAMES)
    assert model.checks[0].error == 0.0
    for check in model.checks[1:]:
        assert check.error < check.tolerance / 3, "a real model of ten times the depth needs some room"


UNFIT = {
    "a factor in the head": ("granite", {"logits_scaling": 8.0}, "fails the logits check"),
    "another factor in the head": ("cohere", {"logit_scale": 0.0625}, "fails the logits check"),
    "embeddings multiplied inside": ("granite", {"embedding_multiplier": 12.0}, "fails the identity check"),
    "learned positions": ("gpt2", {}, "fails the identity check"),
    "other positions": ("opt", {}, "fails the identity check"),
    "residuals with a factor": ("minimax", {"num_local_experts": 2}, "fails the identity check"),
    "capped logits": ("gemma2", {"sliding_window": 64, "query_pre_attn_scalar": 16}, "caps its logits"),
    "a first layer without attention": ("qwen3_next", HYBRID, "fails the padding check"),
    "embeddings by layer": (
        "gemma4_text",
        {"vocab_size_per_layer_input": 400, "hidden_size_per_layer_input": 8},
        "fails the identity check",
    ),
}


@pytest.mark.parametrize(("family", "changes", "reason"), UNFIT.values(), ids=UNFIT)
def test_what_does_not_fit_is_refused_with_the_reason(
    tmp_path: Path, tiny_folder: FolderOf, family: str, changes: dict[str, Any], reason: str
) -> None:
    folder = other(tmp_path / family, tiny_folder("llama"), family, **changes)
    with pytest.raises(ModelUnavailable, match=reason) as told:
        load_model(folder)
    assert told.value.message.startswith(family) and "\n" not in told.value.message
    assert told.value.hint


FIT = {
    "other names of the projections": ("phi", {}),
    "layers of another name": ("falcon", {"head_dim": None}),
    "a mixture of experts": ("mixtral", {"num_local_experts": 4}),
    "convolutions": ("lfm2", {"layer_types": ["full_attention", "conv", "full_attention"]}),
    "a norm on the embeddings": ("bloom", {}),
}


@pytest.mark.parametrize(("family", "changes"), FIT.values(), ids=FIT)
def test_a_family_that_nobody_named_may_fit(
    tmp_path: Path, tiny_folder: FolderOf, family: str, changes: dict[str, Any]
) -> None:
    model = load_model(other(tmp_path / family, tiny_folder("llama"), family, **changes))
    assert all(check.passed for check in model.checks)


@torch.no_grad()
def test_hybrid_caches_branch(tmp_path: Path, tiny_folder: FolderOf) -> None:
    """Layers of linear attention keep a state instead of keys and values."""
    config = AutoConfig.for_model("qwen3_next", **{**SMALL, "vocab_size": 50, **HYBRID})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval().get_decoder()
    text = torch.randn(2, 9, 64, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 9, dtype=torch.long)
    cache = StockCache(decoder)
    cache.prefill(text[:, :7], mask[:, :7])
    for at, parents in ((7, [1, 0, 1]), (8, [2, 1])):
        cache.select(parents)
        rows = [1, 0, 1] if at == 7 else [1, 0]
        expected = run_decoder(decoder, text, mask)[rows, at]
        torch.testing.assert_close(cache.step(text[rows, at]), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_single_steps_that_compute_something_else_are_found(
    tiny_folder: FolderOf, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the fused step took all rows to begin where the last of them does."""
    monkeypatch.setattr(
        FusedDecoder, "_runs", lambda fused, memory, like: ([(0, memory.rows, max(memory.starts))], None)
    )
    with pytest.raises(ModelUnavailable, match="fails the cache check"):
        load_model(tiny_folder("llama"), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", ["mistral", "gpt_neox"])
def test_rows_that_do_not_branch_are_found(
    tiny_folder: FolderOf, family: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    select = StockCache.select
    monkeypatch.setattr(StockCache, "select", lambda cache, parents: select(cache, [0] * len(parents)))
    with pytest.raises(ModelUnavailable, match="fails the cache check"):
        load_model(tiny_folder(family), dtype)


def test_padding_that_is_read_is_found(tiny_folder: FolderOf, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(tiny_folder("gpt_neox"))
    forward = model.decoder.forward

    def unmasked(*args: Any, attention_mask: Tensor, **named: Any) -> Any:
        return forward(*args, attention_mask=torch.ones_like(attention_mask), **named)

    monkeypatch.setattr(model.decoder, "forward", unmasked)
    found = {check.name: check.passed for check in checks(model)}
    assert found == {"identity": True, "logits": True, "padding": False, "cache": False}


def test_a_model_that_says_nothing_but_nan_is_refused(tmp_path: Path, tiny_folder: FolderOf) -> None:
    model = load_model(tiny_folder("llama"))
    model.model.get_output_embeddings().weight.data.fill_(torch.nan)  # pyright: ignore
    assert [check.passed for check in checks(model)][1] is False


def test_loading_leaves_the_random_state_as_it_was(tiny_folder: FolderOf) -> None:
    folder = tiny_folder("llama")
    before = torch.random.get_rng_state()
    load_model(folder)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_text_part_of_a_multimodal_model_is_used(tiny_folder: FolderOf) -> None:
    model = load_model(tiny_folder("gemma3"))
    assert model.decoder is model.model.model.language_model
    assert (model.width, model.context_length) == (64, 512)
    assert model.identity().architecture == "gemma3_text"


def test_a_multimodal_models_cap_is_found(tmp_path: Path) -> None:
    folder = build_tiny(tmp_path / "gemma3", "gemma3")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["final_logit_softcapping"] = 30.0
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match="caps its logits"):
        load_model(folder)
