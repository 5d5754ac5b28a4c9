"""Products with weights in other layouts are the plain product; int8 rounds weights once and for all."""

from pathlib import Path

import pytest
import torch
from torch import nn

from playground.engine.linear import fused, int8, round_to_int8, size_for, to_int8
from playground.engine.loading import load_model
from playground.errors import InvalidInput
from playground.sources import build_tiny

WIDTH = 64


def linear(out: int, bias: bool, seed: int, dtype: torch.dtype, width: int = WIDTH) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Linear(width, out, bias).to(dtype).requires_grad_(False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 5])
def test_a_fused_product_is_its_layers_side_by_side(dtype: torch.dtype, bias: bool, rows: int) -> None:
    layers = [linear(out, bias, out, dtype) for out in (7, 16, 9)]
    x = torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(rows)).to(dtype)
    expected = torch.cat([layer(x) for layer in layers], -1)
    slack = 1e-5 if dtype == torch.float32 else 1e-2
    torch.testing.assert_close(fused(layers)(x), expected, atol=slack, rtol=slack)
    torch.testing.assert_close(torch.cat([layer(x) for layer in layers], -1), expected)


def test_rows_come_in_few_sizes_that_are_hardly_larger() -> None:
    sizes = {rows: size_for(rows) for rows in range(1, 4097)}
    assert all(rows <= size <= rows * 9 / 8 for rows, size in sizes.items())
    assert all(sizes[rows] == rows for rows in range(1, 17))
    assert len(set(sizes.values())) == 16 + 8 * 8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("in_int8", [False, True])
def test_a_product_of_any_number_of_rows_is_the_plain_one(dtype: torch.dtype, in_int8: bool) -> None:
    layer = linear(32, True, 0, dtype)
    if in_int8:
        round_to_int8(layer)
    product = fused([layer], in_int8 and dtype == torch.bfloat16)
    slack = 1e-5 if dtype == torch.float32 else 2e-2
    for shape in ((1,), (17,), (33,)) if in_int8 else ((1,), (17,), (3, 7), (2, 3, 11)):
        x = torch.randn(*shape, WIDTH, generator=torch.Generator().manual_seed(0)).to(dtype)
        torch.testing.assert_close(product(x), layer(x), atol=slack, rtol=slack)


def test_rounding_to_int8_again_changes_nothing() -> None:
    layer = linear(40, False, 0, torch.bfloat16)
    exact = layer.weight.clone()
    round_to_int8(layer)
    rounded = layer.weight.clone()
    round_to_int8(layer)
    assert torch.equal(layer.weight, rounded)
    step = exact.abs().amax(1, keepdim=True).float() / 127
    assert bool(((rounded.float() - exact.float()).abs() <= 0.5 * step + exact.abs().float() / 128).all())


def test_weights_of_nothing_stay_nothing() -> None:
    numbers, scales = to_int8(torch.zeros(3, 8, dtype=torch.bfloat16))
    assert not numbers.any() and bool(scales.isfinite().all())


def test_an_int8_product_has_the_same_bits_in_any_batch_and_is_near_the_plain_one() -> None:
    layer = linear(64, True, 0, torch.bfloat16)
    round_to_int8(layer)
    product = int8(layer.weight, layer.bias)
    x = torch.randn(9, WIDTH, generator=torch.Generator().manual_seed(0)).bfloat16()
    together = product(x)
    torch.testing.assert_close(together, layer(x), atol=2e-2, rtol=2e-2)
    for first, last in ((0, 1), (3, 5), (2, 9)):
        assert torch.equal(product(x[first:last]), together[first:last])


def test_a_width_that_the_int8_kernel_would_overrun_is_left_to_another() -> None:
    layer = linear(16, False, 0, torch.bfloat16, width=24)
    x = torch.randn(3, 24, generator=torch.Generator().manual_seed(0)).bfloat16()
    torch.testing.assert_close(fused([layer], in_int8=True)(x), layer(x), atol=1e-2, rtol=1e-2)


def test_int8_is_refused_where_it_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a fused step it needs a package."""
    monkeypatch.setattr("playground.engine.loading.find_spec", lambda name: None)
    for family in ("gpt_neox", "mistral"):  # the tiny one has a sliding window
        with pytest.raises(InvalidInput, match="torchao is needed") as told:
            load_model(build_tiny(tmp_path / family, family), torch.int8)
        assert "--dtype auto" in told.value.hint


def test_all_who_read_an_int8_model_read_the_same_weights(tmp_path: Path) -> None:
    """What single steps read as int8 is what the stock decoder reads as bfloat16: states agree to its rounding."""
    model = load_model(build_tiny(tmp_path / "llama"), torch.int8)
    ids = torch.arange(100, 120).unsqueeze(0)
    mask = torch.ones_like(ids)
    with torch.no_grad():
        whole = model.decode(model.embed(ids), mask)
        cache = model.new_cache()
        cache.prefill(model.embed(ids[:, :10]), mask[:, :10])
        steps = [cache.step(model.embed(ids[:, at])) for at in range(10, 20)]
    error = (torch.stack(steps, 1) - whole[:, 10:]).float().norm() / whole[:, 10:].float().norm()
    assert error < 0.02
