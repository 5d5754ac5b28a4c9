"""TD(lambda): targets worked out by hand, and a value function that learns what is there to learn."""

import pytest
import torch

from playground.engine.value_function import ValueFunction
from playground.training.recipe import Recipe
from playground.training.value_function import correlations, fit, lambda_returns


def test_lambda_1_waits_for_the_reward_and_lambda_0_trusts_the_next_value() -> None:
    values, reward = torch.tensor([0.1, 0.2, 0.3]), torch.tensor(1.0)
    assert lambda_returns(values, reward, 1.0).tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert lambda_returns(values, reward, 0.0).tolist() == pytest.approx([0.2, 0.3, 1.0])
    # by hand: G2 = 1; G1 = .5 * .3 + .5 * 1 = .65; G0 = .5 * .2 + .5 * .65 = .425
    assert lambda_returns(values, reward, 0.5).tolist() == pytest.approx([0.425, 0.65, 1.0])


def test_the_reward_lands_on_the_last_token() -> None:
    targets = lambda_returns(torch.zeros(4), torch.tensor(2.0), 0.0)
    assert targets.tolist() == [0.0, 0.0, 0.0, 2.0]


def test_targets_are_detached() -> None:
    values = torch.zeros(3, requires_grad=True)
    assert not lambda_returns(values, torch.tensor(1.0), 0.5).requires_grad


def run(steps):
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def synthetic(count: int, seed: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Replies whose states drift towards a direction in proportion to their reward."""
    generator = torch.Generator().manual_seed(seed)
    rewards = torch.randn(count, generator=generator)
    direction = torch.ones(8) / 8**0.5
    states = [
        torch.randn(10, 8, generator=generator) + 2 * reward * torch.linspace(0.2, 1, 10)[:, None] * direction
        for reward in rewards
    ]
    return states, rewards


def test_it_learns_to_read_unseen_replies_and_repeats_for_a_seed() -> None:
    recipe = Recipe(value_epochs=30, hidden=32, value_learning_rate=3e-3)
    first = run(fit(synthetic(200, 0), synthetic(60, 1), recipe))
    again = run(fit(synthetic(200, 0), synthetic(60, 1), recipe))
    assert first.checks["value_correlation_100"] > 0.8
    assert first.checks["value_correlation_100"] > first.checks["value_correlation_25"]
    assert first.checks == again.checks
    assert not any(parameter.requires_grad for parameter in first.function.parameters())


def test_it_survives_its_file(tmp_path) -> None:
    from safetensors.torch import load_file

    torch.manual_seed(0)
    function = ValueFunction(8, 16)
    function.mean.normal_()
    function.save(tmp_path)
    (path,) = tmp_path.iterdir()
    again = ValueFunction.from_state(load_file(path))
    hidden = torch.randn(5, 8)
    assert torch.equal(function(hidden), again(hidden))


def test_correlations_read_the_right_place() -> None:
    class Sum(torch.nn.Module):
        def forward(self, hidden: torch.Tensor) -> torch.Tensor:
            return hidden.sum(-1)

    rewards = torch.tensor([0.0, 1.0, 2.0])
    # only the last state of each reply knows its reward
    states = [torch.cat([torch.randn(3, 2), torch.tensor([[float(r), 0.0]])]) for r in rewards]
    assert correlations(Sum(), states, rewards)["value_correlation_100"] == pytest.approx(1.0)  # type: ignore[arg-type]
