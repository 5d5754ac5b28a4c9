"""TD(lambda): targets worked out by hand, moves told exactly, and value functions that learn what is there to learn."""

import pytest
import torch

from playground.engine.language_model import LanguageModel
from playground.engine.value_function import ValueFunction
from playground.events import exhaust
from playground.sources import build_tiny
from playground.training.recipe import Recipe
from playground.training.value_function import Moves, Replies, chances, correlations, fit, lambda_returns, move


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


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return LanguageModel.load(build_tiny(tmp_path_factory.mktemp("model"), "llama"))


def synthetic(count: int, seed: int) -> Replies:
    """Replies whose states drift towards a direction in proportion to their reward."""
    generator = torch.Generator().manual_seed(seed)
    rewards = torch.randn(count, generator=generator)
    direction = torch.ones(8) / 8**0.5
    states = [
        torch.randn(10, 8, generator=generator) + 2 * reward * torch.linspace(0.2, 1, 10)[:, None] * direction
        for reward in rewards
    ]
    return Replies(states, [torch.zeros(10, dtype=torch.long)] * count, rewards)


def unmoved(replies: Replies) -> Moves:
    states = torch.cat(list(replies.states))
    return Moves(states, torch.ones(len(states)))


def test_it_learns_to_read_unseen_replies_and_repeats_for_a_seed() -> None:
    recipe = Recipe(value_epochs=30, hidden=32, value_learning_rate=3e-3)
    train, unseen = synthetic(200, 0), synthetic(60, 1)
    first, again = (exhaust(fit(train, unmoved(train), unseen, recipe)) for _ in range(2))
    found = correlations(first, unseen)
    assert found["value_correlation_100"] > 0.8
    assert found["value_correlation_100"] > found["value_correlation_25"]
    assert found == correlations(again, unseen)
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_the_chance_to_be_higher_than_a_base_reply_counts_ties_half() -> None:
    base = torch.tensor([3.0, 1.0, 2.0, 2.0])
    found = chances(torch.tensor([0.0, 1.0, 1.5, 2.0, 2.5, 9.0, 99.0]), base)
    assert found.tolist() == [-1.0, -0.75, -0.5, 0.0, 0.5, 1.0, 1.0]
    assert chances(base, base).mean() == 0


def test_a_move_goes_along_the_token_and_tells_its_odds(model: LanguageModel) -> None:
    tokens = [torch.tensor([5, 9, 7]), torch.tensor([3, 11])]
    states = [torch.randn(len(token), model.width, generator=torch.Generator().manual_seed(1)) for token in tokens]
    moves = exhaust(move(model, Replies(states, tokens, torch.zeros(2)), seed=0))
    here, token = torch.cat(states), torch.cat(tokens).unsqueeze(1)

    def logprobs(at: torch.Tensor) -> torch.Tensor:
        return model.head(at).log_softmax(-1).gather(1, token).squeeze(1)

    torch.testing.assert_close(moves.odds, (logprobs(moves.states) - logprobs(here)).exp())
    assert (moves.odds != 1).all()
    for at, there, index in zip(here, moves.states, token, strict=True):
        leaf = at.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(model.head(leaf).log_softmax(-1)[index].sum(), leaf)
        assert torch.cosine_similarity(there - at, slope, dim=0).abs() == pytest.approx(1, abs=1e-3)


def test_climbing_writes_what_is_rewarded_although_visited_states_mislead() -> None:
    """Dimension 0 makes token 0 likelier, which is rewarded; yet where it is high, replies happen to earn less."""
    generator = torch.Generator().manual_seed(0)
    head = torch.randn(6, 8, generator=generator)
    head[:, 0] = 0
    head[0] = torch.tensor([2.0, 0, 0, 0, 0, 0, 0, 0])

    def logprobs(states: torch.Tensor) -> torch.Tensor:
        return (states @ head.T).log_softmax(-1)

    states = torch.randn(1200, 8, generator=generator)
    tokens = torch.multinomial(logprobs(states).exp(), 1, generator=generator)
    replies = Replies(list(states.unsqueeze(1)), list(tokens), (tokens == 0).float().squeeze(1) - 0.35 * states[:, 0])
    slopes = head[tokens.squeeze(1)] - logprobs(states).exp() @ head
    moved = states + slopes / slopes.square().sum(1, keepdim=True)
    odds = (logprobs(moved) - logprobs(states)).gather(1, tokens).exp().squeeze(1)
    recipe = Recipe(value_epochs=30, hidden=32, value_learning_rate=1e-2)
    unseen = replies.part(range(0, 1200, 20))

    def gained(moves: Moves) -> float:
        function = exhaust(fit(replies, moves, unseen, recipe))
        leaf = states.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(function(leaf).sum(), leaf)
        there = states + slope / slope.norm(dim=1, keepdim=True)
        return float((logprobs(there).exp() - logprobs(states).exp())[:, 0].mean())

    assert gained(Moves(moved, odds)) > 0 > gained(unmoved(replies))


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
    found = correlations(Sum(), Replies(states, [], rewards))  # type: ignore[arg-type]
    assert found["value_correlation_100"] == pytest.approx(1.0)
