"""Coupled noise and the ways to cut a distribution."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from playground.engine.sampling import cut, gumbel, penalise, score
from playground.settings import Sampling


def test_noise_depends_on_seed_and_position_alone() -> None:
    assert torch.equal(gumbel(3, 5, 100), gumbel(3, 5, 100))
    assert not torch.equal(gumbel(3, 5, 100), gumbel(3, 6, 100))
    assert not torch.equal(gumbel(3, 5, 100), gumbel(4, 5, 100))
    assert not torch.equal(gumbel(2**32 + 3, 5, 100), gumbel(3, 5, 100)), "seeds differ above 32 bits too"


def test_noise_is_gumbel() -> None:
    noise = torch.cat([gumbel(0, position, 5000) for position in range(10)])
    assert abs(float(noise.mean()) - 0.5772) < 0.03
    assert abs(float(noise.var()) - torch.pi**2 / 6) < 0.06


def test_the_best_score_is_a_sample_of_the_softmax() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0]])
    how = Sampling(temperature=0.7)
    draws = [int(score(logits, how, gumbel(0, position, 3).unsqueeze(0), [[]]).argmax()) for position in range(4000)]
    found = torch.bincount(torch.tensor(draws), minlength=3) / len(draws)
    torch.testing.assert_close(found, (logits[0] / 0.7).softmax(0), atol=0.03, rtol=0)


@given(st.integers(1, 12), st.integers(0, 1000))
def test_top_k_keeps_the_k_likeliest(k: int, seed: int) -> None:
    logits = torch.randn(2, 10, generator=torch.Generator().manual_seed(seed))
    kept = cut(logits, k, 1.0) > -torch.inf
    assert (kept.sum(1) == min(k, 10)).all()
    assert torch.equal(cut(logits, k, 1.0).argmax(1), logits.argmax(1))


@given(st.floats(0.01, 0.99), st.integers(0, 1000))
def test_top_p_keeps_the_fewest_that_hold_p(p: float, seed: int) -> None:
    logits = torch.randn(1, 10, generator=torch.Generator().manual_seed(seed))
    probability = logits.softmax(-1)
    kept = cut(logits, 0, p) > -torch.inf
    held = float(probability[kept].sum())
    assert held >= p - 1e-5
    assert held - float(probability[kept].min()) < p + 1e-5


def test_the_penalty_makes_seen_tokens_less_likely() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5]])
    assert torch.equal(penalise(logits, 2.0, [[0, 1]]), torch.tensor([[1.0, -2.0, 0.5]]))
    assert torch.equal(logits, torch.tensor([[2.0, -1.0, 0.5]])), "the input is not changed"


def test_no_noise_is_large_enough_to_choose_a_token_by_itself():
    """Of ten billion Gumbel draws the largest lies near 23; a draw far beyond is an artefact of the generator."""
    largest = max(float(gumbel(seed, position, 49152).max()) for seed in range(16) for position in range(60))
    assert largest < 35


def test_tensors_of_other_shapes_than_stated_are_found_by_every_test() -> None:
    with pytest.raises(TypeCheckError):
        score(torch.zeros(2, 5), Sampling(), torch.zeros(2, 6), [])
    with pytest.raises(TypeCheckError):
        cut(torch.zeros(5), 1, 1.0)
