"""Numbers about replies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground import metrics
from playground.errors import InvalidInput
from playground.metrics import ReplyMetrics, diversity, estimate
from playground.settings import Sliders


def test_diversity_is_the_product_of_distinct_ngram_shares() -> None:
    assert diversity([1, 2, 3, 4, 5]) == 1.0
    # 1 2 1 2 1: bigrams 12 21 12 21 (2 of 4), trigrams 121 212 121 (2 of 3), 4-grams 1212 2121 (2 of 2)
    assert diversity([1, 2, 1, 2, 1]) == pytest.approx(2 / 4 * 2 / 3 * 1.0)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_diversity_is_between_0_and_1(ids: list[int]) -> None:
    assert 0 < diversity(ids) <= 1


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=20))
def test_an_estimate_holds_its_mean_and_repeats(values: list[float]) -> None:
    found = estimate(values)
    assert found.low - 1e-9 <= found.mean <= found.high + 1e-9 or len(values) < 8
    assert found == estimate(values)


def test_the_interval_covers_about_as_often_as_it_says() -> None:
    import numpy as np

    draws = np.random.default_rng(0).normal(1.0, 1.0, (200, 30))
    covered = sum(found.low <= 1.0 <= found.high for found in (estimate(list(row), resamples=400) for row in draws))
    assert 0.88 <= covered / 200 <= 0.99


def reading(prompt: int, seed: int, judge: float = 0.0, **numbers: float) -> ReplyMetrics:
    return ReplyMetrics(prompt, seed, {"judge": judge, **numbers})


def test_seeds_are_averaged_within_a_prompt() -> None:
    """A prompt with many seeds weighs no more than one with few, and narrows the interval no further."""
    many = [reading(0, seed, judge=1.0) for seed in range(99)] + [reading(1, 0, judge=3.0)]
    found = metrics.point(Sliders(alpha=0.5), many).metrics["judge"]
    assert (found.mean, found.low, found.high) == (2.0, 1.0, 3.0)


def test_wins_are_against_the_base_of_the_same_prompt_and_seed() -> None:
    base = [reading(0, 0, 1.0), reading(0, 1, 5.0), reading(1, 0, 2.0)]
    ours = [reading(1, 0, 2.0), reading(0, 1, 4.0), reading(0, 0, 2.0)]
    assert [found.numbers["win_rate"] for found in metrics.against(ours, base)] == [0.5, 0.0, 1.0]
    assert metrics.point(Sliders(alpha=1.0), metrics.against(base, base)).metrics["win_rate"].mean == 0.5
    unjudged = [ReplyMetrics(0, 0, {"kl": 1.0})]
    assert metrics.against(unjudged, unjudged) == unjudged


def test_what_cannot_be_measured_is_told() -> None:
    with pytest.raises(InvalidInput, match="alpha 7, control 0 have no finite kl"):
        metrics.point(Sliders(alpha=7.0), [reading(0, 0, kl=float("nan"))])


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=2, max_size=20))
def test_spearman_depends_on_order_alone(points: list[tuple[float, float]]) -> None:
    x, y = [first for first, _ in points], [second for _, second in points]
    found = metrics.spearman(x, y)
    assert -1 - 1e-9 <= found <= 1 + 1e-9
    assert metrics.spearman(y, x) == pytest.approx(found)
    assert metrics.spearman([-value for value in x], y) == pytest.approx(-found)
    assert metrics.spearman([value * 2 for value in x], y) == pytest.approx(found)


def test_spearman_shares_the_ranks_of_ties() -> None:
    # Ranks 1 2.5 2.5 4 against 1 2 3 4: covariance 4.5 over the root of 4.5 times 5.
    assert metrics.spearman([1, 5, 5, 9], [1, 2, 3, 4]) == pytest.approx(4.5 / (4.5 * 5) ** 0.5)
    assert metrics.spearman([1, 1], [1, 2]) == 0.0
