"""Numbers about replies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.metrics import diversity, estimate


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
