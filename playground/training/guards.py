"""What keeps alpha 1 fluent: how a candidate layer's replies are told, and which of two candidates is better."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from statistics import fmean, geometric_mean
from typing import NamedTuple

from playground import metrics
from playground.cards import Point
from playground.engine.methods import by_layer
from playground.engine.methods.identity_layer import IdentityLayer
from playground.events import exhaust
from playground.rewards import Reward
from playground.rewards.relevance import Relevance
from playground.settings import Strength
from playground.training import measure
from playground.training.recipe import Recipe
from playground.training.run import Run

LEAST_GAIN = 0.01
"""A reward that is higher by less than this share of the spread of the base's replies is the same."""


class GuardMeans(NamedTuple):
    """How steered replies compare with the base's own to the same prompts: means over the guard's prompts.

    The reward is over the base's, or half the difference where both ends are asked. Of both ends the KL is the mean,
    and so are the ratios (of perplexities the geometric one) where the right end alone is not worse: an opposite pole
    that is less fluent by nature is weighed with it instead of ruling it out, and one that is more fluent is no excuse.
    The relevance is that of the worse end.
    """

    reward: float
    kl: float
    perplexity_ratio: float
    diversity_ratio: float
    relevance_ratio: float


Guard = Callable[[IdentityLayer], GuardMeans]
"""Answers some prompts through a layer and tells how the replies are."""


def answering(run: Run, reward: Reward, prompts: Sequence[str], both: bool = False, alpha: float = 1.0) -> Guard:
    """A guard that answers these prompts at `alpha` and, for `both` ends, at -alpha, whatever the deadline.

    The base's own replies are kept in the work folder: the next guard that asks these prompts finds them.
    """
    scores: dict[str, Reward] = {"reward": reward, "relevance": Relevance(run.model)}
    whole, own, scratch = run.until(math.inf), measure.store("guard-base", prompts), "guard.jsonl"

    def answers(alpha: float, layer: IdentityLayer, file: str) -> Point:
        strength = Strength(axis="axis", alpha=alpha)
        grid = measure.Grid([strength], prompts)
        to = whole.gathering(file, "guard")
        steps = measure.measure(whole, {"axis": by_layer(layer)}, scores, grid, to)
        return metrics.point(strength.at, exhaust(steps)[0])

    def anew(alpha: float, layer: IdentityLayer) -> Point:
        (run.work / scratch).unlink(missing_ok=True)
        return answers(alpha, layer, scratch)

    @cache  # the same replies whatever the layer, and scoring them takes as long as writing them
    def unsteered() -> Point:
        return answers(0.0, IdentityLayer(run.model), own)

    def guard(layer: IdentityLayer) -> GuardMeans:
        base = unsteered()
        ends = [anew(sign * alpha, layer) for sign in ((1, -1) if both else (1,))]
        ratios = [metrics.ratios(end, base) for end in ends]
        own_relevance = _relevance(base)
        return GuardMeans(
            reward=(ends[0].metrics["reward"].mean - (ends[1] if both else base).metrics["reward"].mean) / len(ends),
            kl=fmean(end.metrics["kl"].mean for end in ends),
            perplexity_ratio=max(geometric_mean(end.perplexity for end in ratios), ratios[0].perplexity),
            diversity_ratio=min(fmean(end.diversity for end in ratios), ratios[0].diversity),
            relevance_ratio=min(map(_relevance, ends)) / own_relevance if own_relevance else 1.0,
        )

    return guard


def _relevance(point: Point) -> float:
    return point.metrics["relevance"].mean


def named(health: GuardMeans) -> dict[str, float]:
    """As the card's checks call them: guard_reward, guard_kl, guard_perplexity_ratio and so on."""
    return {f"guard_{name}": value for name, value in health._asdict().items()}


def is_fluent(found: Mapping[str, float], recipe: Recipe) -> bool:
    """Whether replies are about as fluent, varied and relevant as the base's; never where a number is not finite."""
    return (
        all(math.isfinite(value) for value in found.values())
        and found["guard_perplexity_ratio"] <= recipe.most_perplexity
        and found["guard_diversity_ratio"] >= recipe.least_diversity
        and found["guard_relevance_ratio"] >= recipe.least_relevance
    )


def is_better(found: Mapping[str, float], kept: Mapping[str, float]) -> bool:
    """A fluent layer beats one that is not; among fluent ones reward decides, among the others fluency."""
    if found["guard_passed"] != kept["guard_passed"]:
        return bool(found["guard_passed"])
    if found["guard_passed"]:
        return found["guard_reward"] > kept["guard_reward"] + LEAST_GAIN
    return found["guard_perplexity_ratio"] < kept["guard_perplexity_ratio"]


def told(found: Mapping[str, float]) -> str:
    """A candidate in a line of progress."""
    return (
        f"reward {found['guard_reward']:+.2f}, perplexity x{found['guard_perplexity_ratio']:.2f}, "
        f"KL {found['guard_kl']:.2f}"
    )
