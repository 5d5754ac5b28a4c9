"""What is read off measured points: the step size, where reward stops rising, the safe range."""

import pytest

from playground import metrics
from playground.cards import Point
from playground.training import measure
from playground.training.recipe import Recipe

RECIPE = Recipe()


def point(
    alpha: float = 0.0, control: float = 0.0, reward: float = 0.0, surprise: float = 1.0, diversity: float = 0.9
) -> Point:
    values = {"reward": reward, "surprise": surprise, "diversity": diversity}
    return Point(
        alpha=alpha, control=control, metrics={name: metrics.estimate([value]) for name, value in values.items()}
    )


BASE = point()


def test_the_step_size_with_the_highest_reward_among_fluent_ones_is_taken() -> None:
    points = [point(reward=1.0), point(reward=2.0), point(reward=9.0, surprise=2.0), point(reward=8.0, diversity=0.5)]
    assert measure.best_step_size([0.3, 0.4, 0.5, 0.6], points, BASE, RECIPE) == 0.4
    assert measure.best_step_size([0.3, 0.4, 0.5, 0.6], points[:1], BASE, RECIPE) == 0.3, "time ran out after one"


def test_where_no_step_size_is_fluent_the_smallest_is_taken() -> None:
    broken = [point(reward=5.0, surprise=4.0)] * 2
    assert measure.best_step_size([0.4, 0.1], broken, BASE, RECIPE) == 0.1


def test_the_safe_range_ends_where_replies_first_break() -> None:
    points = [
        point(-1.0, surprise=3.0), point(-0.5), BASE, point(0.5), point(1.0, surprise=1.3), point(1.5, diversity=0.5),
        point(2.0), point(control=1.0), point(control=2.0, surprise=3.0),
    ]  # fmt: skip
    found = measure.safe_range(points, RECIPE)
    assert found.alpha == (-0.5, 1.0), "2 holds again, but beyond a strength that does not"
    assert found.control == (0.0, 1.0)


def test_reward_rises_until_its_highest_mean() -> None:
    points = [point(0.0, reward=0.0), point(1.0, reward=2.0), point(2.0, reward=1.0), point(control=1.0, reward=9.0)]
    assert measure.rises_until(points) == 1.0


def test_perplexities_are_compared_by_their_logs() -> None:
    at = point(surprise=1.5, diversity=0.45)
    assert measure.ratios(at, BASE).perplexity == pytest.approx(2.718281828**0.5)
    assert measure.ratios(at, BASE).diversity == pytest.approx(0.5)
