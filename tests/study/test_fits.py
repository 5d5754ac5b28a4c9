"""The models find what was put in, their intervals cover it as often as they say, and they agree with slower ways."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.stats import binom, norm

from playground.study import fits, mixed, simulate
from playground.study import plan as plans
from playground.study.fits import Pairs
from playground.study.simulate import Crowd

PLAN = plans.parse(plans.example())
CROWD = simulate.crowd(PLAN, preferred=0.8, spread=0.4)


def drawn(people: int, seed: int = 0, about: Crowd = CROWD) -> Pairs:
    return simulate.draw_pairs(about, simulate.schedules(PLAN, people, 0), np.random.default_rng(seed))


def test_the_preferred_strength_is_recovered() -> None:
    found = [fits.preference(drawn(150, seed), PLAN.strengths, times=100) for seed in range(6)]
    mean = np.mean([one.preferred.mean for one in found])
    assert mean == pytest.approx(0.8, abs=3 * 0.4 / np.sqrt(6 * 150) + 0.01)
    assert all(one.preferred.low < one.preferred.mean < one.preferred.high for one in found)
    assert all(one.curve.high < 0 and one.at_an_end == 0 for one in found)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    shown, rng = simulate.schedules(PLAN, 50, 0), np.random.default_rng(5)
    studies = 120
    found = [
        fits.preference(simulate.draw_pairs(CROWD, shown, rng), PLAN.strengths, times=200).preferred
        for _ in range(studies)
    ]
    covered = sum(one.low <= CROWD.preferred <= one.high for one in found)
    assert binom.ppf(0.005, studies, 0.95) <= covered
    # Too wide an interval would cover as well: half as wide a one must not.
    halved = sum(abs(one.mean - CROWD.preferred) <= (one.high - one.low) / 4 for one in found)
    assert halved < binom.ppf(0.005, studies, 0.95)


def test_a_preference_beyond_what_was_shown_is_told_as_such() -> None:
    found = fits.preference(drawn(100, about=CROWD.model_copy(update={"preferred": 5.0})), PLAN.strengths, times=100)
    assert found.preferred.mean == PLAN.strengths[-1]
    assert found.at_an_end > 0.5


def test_logistic_regression_is_that_of_statsmodels() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    columns = np.column_stack([np.ones(300), rng.normal(size=(300, 2))])
    won = rng.choice([0.0, 0.5, 1.0], 300)
    theirs: Any = sm.GLM(won, columns, family=sm.families.Binomial()).fit()
    assert mixed.logistic(columns, won) == pytest.approx(theirs.params, abs=1e-4)


def test_the_mixed_model_is_that_of_statsmodels() -> None:
    """Whose variational Bayes is an approximation, so near is enough; without ties, which it cannot have."""
    from scipy import sparse
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    pairs = drawn(80, about=CROWD.model_copy(update={"tie": 0.0}))
    columns = fits._columns(pairs, 0.75, 1.25, False)
    own = sparse.csr_matrix((columns[:, 1], (np.arange(len(pairs.won)), pairs.person)))
    theirs: Any = BinomialBayesMixedGLM(pairs.won, columns, own, np.zeros(80, int), vcp_p=1, fe_p=10).fit_vb()
    ours = mixed.fit(columns, pairs.won, pairs.person, 80, np.ones((1, 80)))
    assert ours.fixed[0] == pytest.approx(theirs.fe_mean, rel=0.1, abs=0.1)
    assert ours.deviation[0] == pytest.approx(np.exp(theirs.vcp_mean[0]), rel=0.25)
    assert np.corrcoef(ours.own, theirs.vc_mean)[0, 1] > 0.98


def test_gradient_and_curvature_of_the_mixed_model_are_its_derivatives() -> None:
    pairs = drawn(6)
    columns = fits._columns(pairs, 0.75, 1.25, False)
    at = np.array([0.1, 1.0, -2.0, -0.3])

    def parts(at: mixed.Array) -> tuple[mixed.Array, mixed.Array, mixed.Array, mixed.Array]:
        return mixed.by_person(at, columns, pairs.won, pairs.person, 6)

    _, gradient, bend, _ = parts(at)
    for number, step in enumerate(np.eye(4) * 1e-5):
        higher, lower = parts(at + step), parts(at - step)
        assert (higher[0] - lower[0]) / 2e-5 == pytest.approx(gradient[:, number], abs=1e-5)
        assert (lower[1] - higher[1]) / 2e-5 == pytest.approx(bend[:, :, number], abs=1e-5)


def test_unanimous_answers_have_finite_estimates() -> None:
    pairs = drawn(20)
    unanimous = Pairs(
        pairs.people, pairs.person, pairs.left, pairs.right, (pairs.right > pairs.left).astype(float),
        np.ones(len(pairs.left), bool), pairs.longer,
    )  # fmt: skip
    found = fits.preference(unanimous, PLAN.strengths, times=50)
    assert found.preferred.mean == PLAN.strengths[-1]
    assert np.isfinite([found.linear.mean, found.curve.mean]).all()
    scores = fits.bradley_terry(unanimous, PLAN.strengths)
    assert [score.mean for _, score in scores] == sorted(score.mean for _, score in scores)
    assert all(np.isfinite([score.low, score.high]).all() for _, score in scores)


@given(some.floats(-5, 5), some.floats(-5, 5))
def test_the_top_of_a_parabola_is_its_highest_point(linear: float, curve: float) -> None:
    found = float(fits.top(np.array([linear]), np.array([curve]), -1.0, 2.0)[0])
    along = np.linspace(-1, 2, 301)
    best = (linear * along + curve * along**2).max()
    assert -1 <= found <= 2
    assert linear * found + curve * found**2 >= best - 1e-9


def test_bradley_terry_orders_strengths_by_their_distance_from_the_preferred_one() -> None:
    scores = dict(fits.bradley_terry(drawn(200), PLAN.strengths))
    assert scores[0.0].mean == scores[0.0].low == 0
    ordered = sorted(PLAN.strengths, key=lambda strength: -abs(strength - 0.8))
    assert [scores[at].mean for at in ordered[:3]] == sorted(scores[at].mean for at in ordered[:3])
    assert scores[1.0].mean > scores[2.0].high


def test_how_far_people_differ_is_recovered() -> None:
    pairs = drawn(150)
    found = fits.preference(pairs, PLAN.strengths)
    assert found.deviation is not None
    assert found.deviation.low < 0.4 < found.deviation.high
    assert found.deviation.high - found.deviation.low < 0.3
    assert len(found.each) == 150
    assert fits.people_differ(pairs, PLAN.strengths) < 0.01
    alike = drawn(60, about=CROWD.model_copy(update={"spread": 0.0}))
    assert fits.people_differ(alike, PLAN.strengths) > 0.05


def test_topics_that_do_not_differ_are_seldom_told_apart_and_those_that_do_often() -> None:
    shown, rng = simulate.schedules(PLAN, 40, 0), np.random.default_rng(2)
    random_topics = [
        fits.topics_differ(pairs, PLAN.strengths, [str(one) for one in rng.integers(0, 2, len(pairs.won))])
        for pairs in (simulate.draw_pairs(CROWD, shown, rng) for _ in range(60))
    ]
    assert sum(p < 0.05 for p in random_topics) <= binom.ppf(0.995, 60, 0.05)
    one, two = (drawn(40, 3, CROWD.model_copy(update={"preferred": at})) for at in (0.3, 1.3))
    half = np.arange(len(one.won)) % 2 == 0
    mixed = Pairs(
        40, one.person, one.left, one.right, np.where(half, one.won, two.won), one.decided | two.decided, one.longer
    )
    assert fits.topics_differ(mixed, PLAN.strengths, np.where(half, "a", "b").tolist()) < 0.001


def test_the_threshold_of_too_strong_is_recovered() -> None:
    strengths, rng = (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0), np.random.default_rng(0)
    asked = np.full((80, 6), 2.0)
    said = rng.binomial(2, norm.cdf((np.array(strengths) - 1.1) / 0.4), (80, 6)).astype(float)
    found = fits.too_strong(strengths, said, asked)
    assert found.half is not None
    assert found.three_quarters is not None
    assert found.half.low < 1.1 < found.half.high
    assert found.three_quarters.mean == pytest.approx(1.1 + 0.6745 * 0.4, abs=0.12)
    never = fits.too_strong(strengths, np.zeros((80, 6)), asked)
    assert never.half is None
    assert never.three_quarters is None


def test_agreement_is_krippendorffs_own_example() -> None:
    """Krippendorff (2011), Computing Krippendorff's alpha-reliability, data D: ordinal 0.815."""
    rows = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    ratings = pd.DataFrame([[np.nan if one == "." else float(one) for one in row] for row in rows])
    found = fits.agreement(ratings)
    assert found.mean == pytest.approx(0.815, abs=0.0005)
    assert found.low < found.mean < found.high <= 1


@pytest.mark.parametrize(
    "fit",
    [
        lambda: fits.preference(drawn(1), PLAN.strengths),
        lambda: fits.people_differ(drawn(4), PLAN.strengths),
        lambda: fits.bradley_terry(drawn(1), PLAN.strengths),
        lambda: fits.topics_differ(drawn(12), PLAN.strengths, ["one"] * 120),
        lambda: fits.too_strong((0.0, 1.0), np.zeros((1, 2)), np.ones((1, 2))),
        lambda: fits.agreement(pd.DataFrame([[1.0, np.nan], [np.nan, 2.0]])),
        lambda: fits.agreement(pd.DataFrame([[1.0, 1.0], [1.0, 1.0]])),
        lambda: fits.mean(np.array([], int), 0, np.array([])),
    ],
)
def test_too_few_answers_are_told_in_a_sentence(fit: Any) -> None:
    with pytest.raises(fits.TooLittleError, match=r"^[A-Z].*\.$"):
        fit()
