"""Which layer is kept, and how the training survives a kill."""

from pathlib import Path

import pytest
import torch

from playground.engine.identity_layer import IdentityLayer
from playground.engine.language_model import LanguageModel
from playground.sources import build_tiny
from playground.training.identity_layer import _State
from playground.training.recipe import Recipe


@pytest.fixture
def layer(tmp_path: Path) -> IdentityLayer:
    return IdentityLayer(LanguageModel.load(build_tiny(tmp_path / "model")))


def found(reward: float, perplexity: float, diversity: float = 1.0) -> dict[str, float]:
    return {
        "pair_accuracy": 1.0, "guard_reward": reward, "guard_kl": 0.1,
        "guard_perplexity_ratio": perplexity, "guard_diversity_ratio": diversity,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("checks", "kept"),
    [
        ([(5.0, 3.0), (1.0, 1.05), (1.2, 1.05), (1.1, 1.05)], 1.2),
        ([(1.0, 1.05), (5.0, 3.0)], 1.0),
        ([(5.0, 3.0), (2.0, 2.0), (4.0, 2.5)], 2.0),
        ([(1.0, float("nan")), (0.1, 1.0)], 0.1),
    ],
    ids=["fluent beats broken", "broken never beats fluent", "the least broken of the broken", "nan is broken"],
)
def test_the_best_fluent_layer_is_kept(
    layer: IdentityLayer, tmp_path: Path, checks: list[tuple[float, float]], kept: float
) -> None:
    state = _State(tmp_path / "work", layer, torch.optim.Adam(layer.layer.parameters()))
    for reward, perplexity in checks:
        state.check(found(reward, perplexity), Recipe())
    assert state.checks["guard_reward"] == kept
    assert state.checks["guard_passed"] == float(kept <= 1.2)


def test_two_failed_checks_in_a_row_are_counted(layer: IdentityLayer, tmp_path: Path) -> None:
    state = _State(tmp_path / "work", layer, torch.optim.Adam(layer.layer.parameters()))
    for perplexity, failed in ((1.0, 0), (3.0, 1), (1.0, 0), (3.0, 1), (1.0, 0)):
        state.check(found(1.0, perplexity), Recipe())
        assert state.failed == failed
    state.check(found(1.0, 1.0, diversity=0.5), Recipe())
    assert state.failed == 1, "dull replies fail the guard as well"


def test_a_state_is_taken_up_where_it_was(layer: IdentityLayer, tmp_path: Path) -> None:
    optimizer = torch.optim.Adam(layer.layer.parameters())
    state = _State(tmp_path / "work", layer, optimizer)
    with torch.no_grad():
        for parameter in layer.layer.parameters():
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    state.step = 7
    state.check(found(1.0, 1.0), Recipe())
    weights = {name: tensor.clone() for name, tensor in layer.layer.state_dict().items()}
    with torch.no_grad():
        for parameter in layer.layer.parameters():
            parameter.zero_()
    again = torch.optim.Adam(layer.layer.parameters())
    resumed = _State(tmp_path / "work", layer, again)
    assert (resumed.step, resumed.ended, resumed.checks) == (7, False, state.checks)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in layer.layer.state_dict().items())
    assert len(again.state_dict()["state"]) == len(optimizer.state_dict()["state"]) > 0
    resumed.kept()
    assert _State(tmp_path / "work", layer, again).ended
