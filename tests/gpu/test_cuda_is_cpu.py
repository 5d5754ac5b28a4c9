"""A reply is the same on CUDA as on the CPU, token for token in float32, and so is a step of training."""

from pathlib import Path
from typing import Any

import pytest
import torch

from playground.engine.prefix_tree import PrefixTree
from playground.settings import Sampling
from tests.engine.conftest import CORE, Lab, at, make_lab, row
from tests.engine.test_layouts import trained
from tests.engine.test_prefix_tree import same

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")]

PROMPTS = ("Hello there.", "What is it that you think of the rain, and why?")
ROWS = tuple(
    row(prompt, at(alpha, control), seed=3)
    for prompt in PROMPTS
    for alpha in (-0.5, 0.0, 0.3, 1.0, 1.7)
    for control in (0.0, 1.0)
)
HOW = {
    "greedy": Sampling(),
    "sampled": Sampling(temperature=0.8),
    "cut and penalised": Sampling(temperature=0.8, top_p=0.9, repetition_penalty=1.1),
}
LENGTH = 40


@pytest.fixture(params=CORE)
def both(request: pytest.FixtureRequest, labs: dict[str, Lab], tmp_path: Path) -> tuple[Lab, Lab]:
    """One family on the CPU and, with the same weights, on CUDA."""
    return make_lab(tmp_path, request.param), labs[request.param]


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_a_reply_is_the_same_on_either_device(both: tuple[Lab, Lab], how: Sampling) -> None:
    """Tokens, alpha intervals, KL, values and log-probabilities; read again off the tree too."""
    cpu, cuda = both
    asked: dict[str, Any] = {"how": how, "new_tokens": LENGTH}
    expected, tree = cpu.events(*ROWS, **asked), PrefixTree()
    same(cuda.events(*ROWS, **asked, tree=tree), expected)
    same(cuda.events(*ROWS, **asked, tree=tree), expected)


def test_a_step_of_training_is_the_same_on_either_device(both: tuple[Lab, Lab], tmp_path: Path) -> None:
    cpu, cuda = both
    found, expected = trained(cuda.model, tmp_path), trained(cpu.model, tmp_path)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-2, check_device=False)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("architecture", CORE)
def test_half_precision_runs_and_alpha_0_is_the_base(tmp_path: Path, architecture: str, dtype: torch.dtype) -> None:
    lab = make_lab(tmp_path, architecture, dtype, "cuda")
    steered, base = lab.run(row("Hello there.", at(0.0)), row("Hello there."), new_tokens=LENGTH)
    assert steered.token_ids == base.token_ids
    assert len(base.token_ids) == LENGTH
