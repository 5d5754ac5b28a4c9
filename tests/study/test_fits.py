"""What is told without a model of people is what other programs tell of it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from playground.study import crowd, described, fits, planned
from playground.study import plan as plans
from playground.study.model.pairs import Pairs, TooLittleError

PLAN = plans.parse(plans.example())


def drawn(people: int) -> Pairs:
    shown = planned.planned(PLAN, "", people, 0).pairs
    assert shown is not None
    return crowd.draw_pairs(crowd.crowd(PLAN, preferred=0.8, spread=0.4), shown, np.random.default_rng(0))


def test_bradley_terry_orders_strengths_by_their_distance_from_the_preferred_one() -> None:
    scores = dict(fits.bradley_terry(drawn(200), PLAN.strengths))
    assert scores[0.0].mean == scores[0.0].low == 0
    ordered = sorted(PLAN.strengths, key=lambda strength: -abs(strength - 0.8))
    assert [scores[at].mean for at in ordered[:3]] == sorted(scores[at].mean for at in ordered[:3])
    assert scores[1.0].mean > scores[2.0].high


def test_agreement_is_krippendorffs_own_example() -> None:
    """Krippendorff (2011), Computing Krippendorff's alpha-reliability, data D: ordinal 0.815."""
    rows = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    ratings = pd.DataFrame([[np.nan if one == "." else float(one) for one in row] for row in rows])
    found = fits.agreement(ratings)
    assert found.mean == pytest.approx(0.815, abs=0.0005)
    assert found.low < found.mean < found.high <= 1


def test_unanimous_answers_have_finite_scores() -> None:
    data = drawn(20)
    rising = Pairs(**vars(data) | {"answer": 2 * (data.right > data.left).astype(int)})
    scores = fits.bradley_terry(rising, PLAN.strengths)
    assert [score.mean for _, score in scores] == sorted(score.mean for _, score in scores)
    assert all(np.isfinite([score.low, score.high]).all() for _, score in scores)


@pytest.mark.parametrize(
    "fit",
    [
        lambda: fits.bradley_terry(drawn(1), PLAN.strengths),
        lambda: fits.agreement(pd.DataFrame([[1.0, np.nan], [np.nan, 2.0]])),
        lambda: fits.agreement(pd.DataFrame([[1.0, 1.0], [1.0, 1.0]])),
        lambda: fits.mean(np.array([], int), 0, np.array([])),
    ],
)
def test_too_few_answers_are_told_in_a_sentence(fit: Any) -> None:
    with pytest.raises(TooLittleError, match=r"^[A-Z].*\.$"):
        fit()


def test_a_slider_that_always_began_at_one_strength_tells_where_it_ended_and_no_pull() -> None:
    rows = pd.DataFrame({"person": ["a", "a", "b"], "strength": [0.5, 1.0, 0.5], "start": [1.0, 1.0, 1.0]})
    found = described.slider(rows)
    assert found.pull is None
    assert found.mean.mean == pytest.approx(2 / 3)
    moved = described.slider(rows.assign(start=[0.0, 1.0, 1.0]))
    assert moved.pull is not None


@pytest.mark.parametrize("values", [[np.nan, 1.0, 2.0], [1.0, np.nan, np.nan], [np.inf, 1.0]])
def test_what_is_no_number_is_never_told(values: list[float]) -> None:
    with pytest.raises(TooLittleError):
        fits.estimate(np.array(values))
