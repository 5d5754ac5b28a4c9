"""Numbers about replies: diversity, means with bootstrap intervals. Pure functions."""

from collections.abc import Sequence

import numpy as np

from playground.cards import Estimate


def diversity(ids: Sequence[int]) -> float:
    """Product over n = 2, 3, 4 of (1 - rep_n), rep_n the share of repeated n-grams among a reply's tokens; 0 to 1."""
    product = 1.0
    for n in (2, 3, 4):
        grams = [tuple(ids[start : start + n]) for start in range(len(ids) - n + 1)]
        if grams:
            product *= len(set(grams)) / len(grams)
    return product


def estimate(values: Sequence[float], seed: int = 0, resamples: int = 1000) -> Estimate:
    """The mean of one value per prompt, with a 95 % interval from resampling prompts."""
    array = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(0, len(array), (resamples, len(array)))
    low, high = np.quantile(array[picks].mean(1), [0.025, 0.975])
    return Estimate(mean=float(array.mean()), low=float(low), high=float(high))
