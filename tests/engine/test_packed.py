"""Weights that torchao holds in 8 bits: the same replies as `transformers` gives with them, and layers made of them."""

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("torchao", reason="the extra `quantize` is not installed")

from playground.engine.caches import StockCache
from playground.engine.language_model import LanguageModel
from playground.engine.linear import held_bytes, is_plain, plain
from playground.engine.loading import load_model
from playground.engine.methods.identity_layer import IdentityLayer
from playground.errors import InvalidInput, ModelUnavailable
from playground.sources import build_tiny
from tests.engine.conftest import Lab, at, make_lab, row

FAMILIES = ("gemma3_text", "gpt_neox", "mistral")
"""Without a fused step: the tiny Mistral has a sliding window."""


@pytest.fixture(scope="module", params=FAMILIES)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return make_lab(tmp_path_factory.mktemp(request.param), request.param, torch.int8)


def first_layer(model: LanguageModel) -> dict[str, torch.Tensor]:
    return dict(model.decoder.layers[0].named_parameters())


def test_the_reply_is_that_of_transformers_with_the_same_weights(lab: Lab) -> None:
    """But where two tokens tie within what the stock head rounds: it has logits in bfloat16."""
    ours = list(lab.run(row())[0].token_ids)
    prompt = torch.tensor([lab.model.prompt_ids(row().messages)])
    stock: Any = lab.model.model
    theirs = stock.generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=False, min_new_tokens=len(ours),
        max_new_tokens=len(ours), pad_token_id=0,
    )[0, prompt.shape[1] :].tolist()  # fmt: skip
    parted = next((place for place, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b), None)
    if parted is not None:
        logits = stock(torch.cat([prompt, torch.tensor([ours[:parted]], dtype=torch.long)], 1)).logits[0, -1].float()
        assert abs(logits[ours[parted]] - logits[theirs[parted]]) <= logits.abs().max() / 128
    else:
        assert ours == theirs


def test_steering_works_before_packed_weights(lab: Lab) -> None:
    """Rows at strengths beside each other are what each is alone, and a strength of nothing is the base."""
    rows = [row(), row("How was it?", at(0.0)), row("How was it?", at(1.5)), row("Hi.", at(-1.0))]
    together = lab.run(*rows)
    assert together[0].token_ids == together[1].token_ids != together[2].token_ids
    assert isinstance(lab.model.new_cache(), StockCache)


def test_an_identity_layer_is_made_of_the_numbers_that_packed_weights_stand_for(lab: Lab) -> None:
    layer = IdentityLayer(lab.model)
    packed = first_layer(lab.model)
    assert not all(map(is_plain, packed.values())) and all(map(is_plain, layer.layer.parameters()))
    layer.restore(lab.model)
    for name, weight in layer.layer.named_parameters():
        torch.testing.assert_close(weight, plain(packed[name]).float(), atol=0, rtol=0)


def test_packed_weights_take_about_half(lab: Lab) -> None:
    for weight in first_layer(lab.model).values():
        if not is_plain(weight):
            assert weight.numel() < held_bytes(weight) < 1.5 * weight.numel()


def test_what_is_packed_already_is_not_packed_again(tmp_path: Path, lab: Lab) -> None:
    """Saved as it is, it is refused wherever it comes from: with a sentence."""
    stock: Any = lab.model.model
    stock.save_pretrained(tmp_path)
    lab.model.tokenizer.save_pretrained(tmp_path)
    for dtype, kind in ((torch.int8, InvalidInput), (torch.bfloat16, ModelUnavailable)):
        with pytest.raises(kind, match=r"packed already|weights are missing"):
            load_model(tmp_path, dtype)


def test_without_accelerate_or_torchao_it_says_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = build_tiny(tmp_path, "gemma3_text")
    monkeypatch.setattr("playground.engine.loading.find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match="torchao is needed") as told:
        load_model(folder, torch.int8)
    assert "[quantize]" in told.value.hint
