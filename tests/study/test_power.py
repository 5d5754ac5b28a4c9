"""Power says what more people bring, and warns where an interval cannot be relied on."""

import math

import pytest

from playground.errors import InvalidInput
from playground.study import crowd, power
from playground.study import plan as plans
from playground.study.power import SampleSize
from tests.study.made import SHORT

PLAN = plans.parse(plans.example())


def test_more_people_give_narrower_intervals() -> None:
    about = crowd.crowd(PLAN, preferred=0.6, spread=0.6)
    few, many = power.power(PLAN, about, (10, 40), against=0.0, studies=30)
    assert (few.people, many.people) == (10, 40)
    assert many.width < 0.7 * few.width
    assert many.detects >= few.detects
    assert many.differ >= few.differ
    assert many.told > 0.8


def test_where_there_is_nothing_to_detect_little_is_detected() -> None:
    (found,) = power.power(PLAN, crowd.crowd(PLAN, preferred=0.6, spread=0.0), (30,), against=0.6, studies=40)
    assert found.detects == pytest.approx(1 - found.covers)
    assert found.detects < 0.2  # one in two thousand would have more
    assert found.differ < 0.2


def test_prompts_that_differ_make_the_interval_of_these_prompts_too_narrow_for_others() -> None:
    (found,) = power.power(PLAN, crowd.crowd(PLAN, preferred=0.6, prompts=1.0), (60,), against=0.0, studies=20)
    assert found.covers < power.COVERS_ENOUGH
    assert any("holds the truth" in line for line in power.warnings(found))


def test_what_can_be_relied_on_is_no_warning() -> None:
    sure = SampleSize(people=50, width=0.2, covers=0.95, detects=1, differ=1, misfit=0.05, told=1)
    assert power.warnings(sure) == []
    assert len(power.warnings(SampleSize(50, 0.2, math.nan, 1, 1, 0.05, 0.5))) == 1


def test_power_takes_pairs() -> None:
    singles = plans.parse(SHORT.replace('kind = "pair"', 'kind = "single"'))
    with pytest.raises(InvalidInput, match="Only pairs"):
        next(power.power(singles, crowd.crowd(singles), (10,), 0.0))
