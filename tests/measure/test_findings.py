"""Sentences, targets and texts say what the points say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.cards import Estimate, Point
from playground.errors import InvalidInput
from playground.measure import findings
from playground.settings import Sliders


def point(alpha: float, control: float = 0.0, spread: float = 0.1, **means: float) -> Point:
    metrics = {name: Estimate(mean=mean, low=mean - spread, high=mean + spread) for name, mean in means.items()}
    return Point(alpha=alpha, control=control, metrics=metrics)


def rewards(*means: float) -> list[Point]:
    """Points at alpha 0, 1, 2 ... with these rewards."""
    return [point(alpha, reward=mean) for alpha, mean in enumerate(means)]


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ((0, 1, 2), "Reward rises from 0.00 at 0 to 2.00 at alpha 2."),
        ((2, 1, 0), "Reward falls from 2.00 at 0 to 0.00 at alpha 2."),
        ((0, 2, 1), "Reward rises from 0.00 at 0 to 2.00 at alpha 1, then falls to 1.00 at 2."),
        ((0, 2, 1.95), "Reward rises from 0.00 at 0 to 2.00 at alpha 1, then stays there up to 2."),
        ((2, 0, 1), "Reward is lowest, 0.00 at alpha 1, and rises to 2.00 at 0 and 1.00 at 2."),
        ((1, 1.1, 1), "Reward hardly changes from alpha 0 to 2: all intervals meet, around 1.03."),
        ((1,), "Reward was measured at fewer than two strengths of alpha."),
    ],
)
def test_a_sentence_tells_the_course(means: tuple[float, ...], expected: str) -> None:
    assert findings.sentence(rewards(*means), "reward") == expected


def test_it_tells_where_texts_break_on_both_sides() -> None:
    points = [point(a, reward=a, surprise=2.0 + (abs(a) > 1) + (abs(a) > 2)) for a in (-3, -2, -1, 0, 1, 2, 3)]
    told = findings.sentence(points, "reward")
    assert told.endswith("; perplexity reaches 2 times the base's at alpha -2 and 2.")
    assert "perplexity" not in findings.sentence(points[2:5], "reward")


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8), st.floats(-6, 6))
def test_a_target_lies_where_the_drawn_line_crosses(means: list[float], value: float) -> None:
    points = rewards(*means)
    found = findings.target(points, "reward", value)
    assert found.sentence
    for strength in found.strengths:
        left = min(int(strength), len(means) - 2)
        drawn = means[left] + (strength - left) * (means[left + 1] - means[left])
        assert drawn == pytest.approx(value, abs=1e-6)
    assert bool(found.strengths) == (min(means) <= value <= max(means))
    assert list(found.strengths) == sorted(found.strengths, key=abs)


def test_a_target_out_of_reach_says_what_is_in_reach() -> None:
    found = findings.target(rewards(0, 1, 2), "reward", 9)
    assert found == ((), "No measured alpha gives reward 9: from alpha 0 to 2 it lies between 0.00 and 2.00.")
    both = findings.target([point(a, kl=a * a) for a in (-1, 0, 1)], "kl", 0.5)
    assert both == ((-0.5, 0.5), "KL to the base 0.5 is reached at alpha -0.50 and 0.50.")
    with pytest.raises(InvalidInput, match="kl was not measured"):
        findings.target(rewards(0, 1), "kl", 0.5)
    with pytest.raises(InvalidInput, match="not measured along control"):
        findings.target(rewards(0, 1), "reward", 0.5, "control", at=Sliders(alpha=7.0))


def test_the_longest_line_is_where_most_was_measured() -> None:
    grid = [point(a, c, reward=0) for a in (0, 1, 2) for c in (0, 1)]
    assert findings.longest_line(grid) == ("alpha", Sliders())
    assert findings.longest_line([point(0, 0, reward=0), *(point(a, 1, reward=0) for a in (0, 1, 2))]) == (
        "alpha",
        Sliders(control=1),
    )
    assert findings.longest_line([point(0, c, reward=0) for c in (0, 1, 2)]) == ("control", Sliders())


def test_one_line_of_several_is_named() -> None:
    points = [point(a, c, reward=a + 5 * c) for a in (0, 1, 2) for c in (0, 1)]
    assert (
        findings.sentence(points, "reward", at=Sliders(control=1))
        == "At control 1 reward rises from 5.00 at 0 to 7.00 at alpha 2."
    )
    assert findings.summit(points, "reward") == (
        "Reward is highest, 7.00 at alpha 2, control 1, and lowest, 0.00 at alpha 0, control 0."
    )


def test_what_a_nat_buys() -> None:
    points = [
        point(0, reward=0, kl=0),
        point(1, reward=2, kl=0.5),
        point(2, reward=1, kl=3),
        point(0, 1, reward=1, kl=1),
    ]
    assert findings.price(points) == (
        "At control 0 reward is highest at alpha 1: +2 for 0.5 nats per token, 4 a nat. "
        "At control 1 reward is highest at alpha 0: +1 for 1 nats per token, 1 a nat."
    )


def test_a_chart_as_text_has_every_point() -> None:
    points = [point(1, reward=0.5), point(-1, reward=-0.5), point(0, 1, kl=1)]
    assert findings.as_text(points, "reward").splitlines() == [
        "Reward, mean and 95 % interval:",
        "alpha -1, control 0: -0.500, -0.600 to -0.400",
        "alpha 1, control 0: 0.500, 0.400 to 0.600",
    ]
