"""The bootstrap: what is drawn again with replacement, prompts or people, and the interval that comes of it. Pure."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

TIMES = 1000
"""How often all are drawn again: an end of a 95 % interval then moves by a few hundredths of its width."""


@lru_cache(maxsize=8)
def picks(size: int, seed: int = 0, times: int = TIMES) -> NDArray[np.int64]:
    """Which of `size` each resample takes [times, size]: the same for all that is measured of them."""
    return np.random.default_rng(seed).integers(0, size, (times, size))


@lru_cache(maxsize=8)
def counts(size: int, seed: int = 0, times: int = TIMES) -> NDArray[np.float64]:
    """How often everybody is taken [1 + times, size]: once in the first row, then as often as `picks` does."""
    drawn = [np.bincount(row, minlength=size) for row in picks(size, seed, times)]
    return np.vstack([np.ones(size), *drawn]).astype(np.float64)


def interval(resampled: NDArray[np.float64]) -> tuple[float, float]:
    """The central 95 % of what the resamples gave."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)
