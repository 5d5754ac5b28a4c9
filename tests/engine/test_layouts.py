"""Nothing is assumed of the strides of what a kernel returns: on an accelerator attention, for one, has its own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from playground.engine.caches import FusedCache, StockCache, cache_maker
from playground.engine.forced import reply_features
from playground.engine.fused_step import FAMILIES
from playground.engine.language_model import LanguageModel
from playground.engine.linear import fused, half, round_to_int8
from playground.engine.loading import load_model
from playground.engine.methods.identity_layer import IdentityLayer
from playground.engine.methods.value_function import FILE_NAME
from playground.engine.prefix_tree import PrefixTree
from playground.events import exhaust
from playground.settings import Sampling, conversation
from playground.sources import build_tiny
from playground.training.clm.dpo import encode, loss, read
from playground.training.pairs import Pair
from playground.training.re_control.fit import ReplyStates, fit
from playground.training.recipe import Recipe
from playground.training.run import Run
from tests.engine.conftest import Lab, at, row
from tests.engine.layouts import LAYOUTS, Kernels
from tests.engine.test_fused_step import decoder_of, embeddings, padded
from tests.engine.test_prefix_tree import same

ROWS = (
    row("How was it?", at(0.0)),
    row("A longer prompt, so that the others are padded.", at(1.5)),
    row("How was it?", at(-0.7, control=1.0)),
    row("Two axes.", at(0.5), at(0.8, axis="second", control=0.5), seed=2),
)
HOW = Sampling(temperature=0.9, top_p=0.95, repetition_penalty=1.1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_replies_do_not_depend_on_how_kernels_lay_out_what_they_return(any_lab: Lab, layout: str) -> None:
    asked = {"how": HOW, "new_tokens": 6}
    expected = any_lab.events(*ROWS, **asked)
    tree = PrefixTree()
    with Kernels(LAYOUTS[layout]) as kernels:
        found = any_lab.events(*ROWS, **asked, tree=tree)
        again = any_lab.events(*ROWS, **asked, tree=tree)
    same(found, expected)
    same(again, expected)
    assert kernels.changed >= {"scaled_dot_product_attention", "softmax"}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_fused_step_does_not_depend_on_how_kernels_lay_out_what_they_return(family: str, layout: str) -> None:
    """Without a sliding window every family with a fused step takes it; rows begin at different positions."""
    decoder = decoder_of(family)
    prompts, mask, tokens = embeddings(3, 9), padded((0, 4, 7), 9), embeddings(3, seed=1)
    fused, stock = cache_maker(decoder)(), StockCache(decoder)
    assert isinstance(fused, FusedCache)
    stock.prefill(prompts, mask)
    expected = stock.step(tokens)
    with Kernels(LAYOUTS[layout]):
        fused.prefill(prompts, mask)
        found = fused.step(tokens)
    torch.testing.assert_close(found, expected, atol=3e-5, rtol=1e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float16", "int8", "half"])
def test_a_product_takes_inputs_of_any_layout(layout: str, kind: str) -> None:
    dtype = getattr(torch, kind, torch.float32) if kind not in ("int8", "half") else torch.bfloat16
    generator = torch.Generator().manual_seed(0)
    linear = nn.Linear(64, 24, dtype=dtype).requires_grad_(False)
    linear.weight.copy_(torch.randn(24, 64, generator=generator))
    if kind == "int8":
        round_to_int8(linear)
    product = half(linear.weight) if kind == "half" else fused([linear], in_int8=kind == "int8")
    for rows in (1, 5):
        x = torch.randn(rows, 64, generator=generator).to(torch.float32 if kind == "half" else dtype)
        torch.testing.assert_close(product(LAYOUTS[layout](x)), product(x))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_model(build_tiny(tmp_path_factory.mktemp("model")))


PAIRS = [
    Pair(prompt=conversation("How was it?"), chosen="It was good.", rejected="Bad, and then some more of it."),
    Pair(prompt=conversation("A longer prompt than the other."), chosen="Rain.", rejected="Snow.", chosen_ends=False),
]


def trained(model: LanguageModel, folder: Path) -> dict[str, Any]:
    """DPO's gradients of a layer that has moved, the reward's features, and a value function after a few steps."""
    layer = IdentityLayer(model).float()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in layer.layer.parameters():
            parameter.add_((torch.randn(parameter.shape, generator=generator) * 0.1).to(parameter))
    data = encode(model, PAIRS, 20)
    loss(read(model, data, [0, 1], layer, (1.0, -1.0)), Recipe()).backward()
    states = [torch.randn(6, model.width, generator=generator) for _ in range(8)]
    replies = ReplyStates(states, states, torch.arange(8.0))
    run = Run(model, Recipe(value_epochs=2, hidden=16, climb_steps=2), folder)
    function = exhaust(fit(run, replies, replies)).function
    function.save(folder)
    return {
        "gradients": {name: parameter.grad for name, parameter in layer.layer.named_parameters()},
        "features": reply_features(model, data.prompts, data.chosen, [1, 3]),
        "value function": load_file(folder / FILE_NAME),
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_training_does_not_depend_on_how_kernels_lay_out_what_they_return(
    model: LanguageModel, layout: str, tmp_path: Path
) -> None:
    expected = trained(model, tmp_path)
    with Kernels(LAYOUTS[layout]):
        found = trained(model, tmp_path)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
