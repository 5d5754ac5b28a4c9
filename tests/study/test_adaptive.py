"""QUEST+ finds a known threshold, is sure of what it has seen, and looks where it knows least."""

import math
import random

import numpy as np
import pytest

from playground.study.adaptive import Quest, quest

STRENGTHS = (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


def person(mu: float, sigma: float, seed: int, trials: int = 40) -> list[tuple[float, bool]]:
    """The answers of a simulated person whose strengths are chosen by QUEST+."""
    rng, answers = random.Random(seed), []
    for _ in range(trials):
        strength = STRENGTHS[quest(STRENGTHS).choose(answers, rng.random())]
        chance = 0.5 * (1 + math.erf((strength - mu) / sigma / math.sqrt(2)))
        answers.append((strength, rng.random() < chance))
    return answers


def test_a_posterior_is_bayes_rule_by_hand() -> None:
    small = Quest((0.0, 1.0))
    mu, sigma, lapse = small.grid
    answers = [(0.0, False), (1.0, True), (1.0, True), (0.0, True)]
    weight = np.ones(len(mu))
    for strength, too_strong in answers:
        for point in range(len(mu)):
            z = (strength - mu[point]) / sigma[point]
            chance = lapse[point] / 2 + (1 - lapse[point]) * 0.5 * math.erfc(-z / math.sqrt(2))
            weight[point] *= chance if too_strong else 1 - chance
    np.testing.assert_allclose(small.posterior(answers), weight / weight.sum(), rtol=1e-9)


def test_without_answers_nothing_is_preferred() -> None:
    posterior = quest(STRENGTHS).posterior([])
    assert posterior.sum() == pytest.approx(1)
    assert np.ptp(posterior) == pytest.approx(0)


def test_the_first_strength_is_drawn_at_random() -> None:
    chosen = [quest(STRENGTHS).choose([], draw) for draw in (0.0, 0.3, 0.6, 0.999)]
    assert chosen == [0, 2, 4, 7]


def test_the_strength_chosen_leaves_the_least_expected_entropy() -> None:
    answers = [(0.5, False), (2.0, True), (1.0, False)]
    plus = quest(STRENGTHS)
    posterior = plus.posterior(answers)

    def entropy(p: np.ndarray) -> float:
        return float(-(p[p > 0] * np.log(p[p > 0])).sum())

    expected = []
    for index, strength in enumerate(STRENGTHS):
        yes = float(plus.likelihood[index] @ posterior)
        expected.append(
            yes * entropy(plus.posterior([*answers, (strength, True)]))
            + (1 - yes) * entropy(plus.posterior([*answers, (strength, False)]))
        )
    assert plus.choose(answers, 0.9) == int(np.argmin(expected))


@pytest.mark.parametrize("mu", [0.4, 1.1, 2.2])
def test_a_known_threshold_is_found(mu: float) -> None:
    found = [quest(STRENGTHS).estimate(person(mu, 0.3, seed)).mu for seed in range(20)]
    assert np.mean(found) == pytest.approx(mu, abs=0.15)


def test_more_answers_make_it_surer() -> None:
    answers = person(1.1, 0.3, 3)
    few, many = (quest(STRENGTHS).estimate(answers[:count]) for count in (5, 40))
    assert many.mu_sd < few.mu_sd


def test_it_looks_near_the_threshold_once_it_knows_roughly() -> None:
    late = [strength for seed in range(5) for strength, _ in person(1.1, 0.3, seed)[25:]]
    assert np.mean(np.abs(np.array(late) - 1.1) <= 1) > 0.8
