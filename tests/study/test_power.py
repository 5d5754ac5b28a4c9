"""Power says what more people bring, and warns where an interval cannot be relied on."""

import math
from dataclasses import replace

import pytest

from playground.errors import InvalidInput
from playground.study import crowd, power
from playground.study import plan as plans
from playground.study.parts import PlannedAnalysis
from playground.study.power import SampleSize
from tests.study.made import SHORT

PLAN = plans.parse(plans.example())


def test_more_people_give_narrower_intervals() -> None:
    about = crowd.crowd(PLAN, preferred=0.6, spread=0.6)
    few, many = power.power(PLAN, about, (10, 40), against=0.0, studies=16)
    assert (few.people, many.people) == (10, 40)
    assert many.width < 0.7 * few.width
    assert many.detects >= few.detects
    told_nothing = many.misfit  # of people, where the curve does not fit
    assert many.tests["people differ"] >= few.tests["people differ"] - told_nothing
    assert many.told > 0.8


def test_where_there_is_nothing_to_detect_little_is_detected() -> None:
    (found,) = power.power(PLAN, crowd.crowd(PLAN, preferred=0.6, spread=0.0), (30,), against=0.6, studies=30)
    assert found.detects == pytest.approx(1 - found.covers)
    assert found.detects < 0.2  # three in a thousand would have more
    assert found.level["people differ"] < 0.2
    assert found.tests["people differ"] <= found.level["people differ"]


def test_prompts_that_differ_make_the_interval_of_these_prompts_too_narrow_for_others() -> None:
    (found,) = power.power(PLAN, crowd.crowd(PLAN, preferred=0.6, prompts=1.0), (60,), against=0.0, studies=20)
    assert found.covers < power.COVERS_ENOUGH
    assert any("holds the truth" in line for line in power.warnings(found))


def test_what_can_be_relied_on_is_no_warning() -> None:
    sure = SampleSize(50, 0.2, covers=0.95, detects=1, misfit=0.05, told=1, tests={}, level={})
    assert power.warnings(sure) == []
    assert len(power.warnings(replace(sure, covers=math.nan, told=0.5))) == 1
    assert len(power.warnings(replace(sure, covers=0.8, told=0.5))) == 2


def test_power_takes_what_the_primary_outcome_takes() -> None:
    singles = plans.parse(SHORT.replace('kind = "pair"', 'kind = "single"'))
    with pytest.raises(InvalidInput, match="Only pairs"):
        next(power.power(singles, crowd.crowd(singles), (10,), 0.0))
    limit = plans.parse(plans.example().replace('primary = "preferred"', 'primary = "too_strong"'))
    lost = limit.model_copy(update={"tasks": limit.of_kind("pair")})
    with pytest.raises(InvalidInput, match="too strong"):
        next(power.power(lost, crowd.crowd(lost), (10,), 0.0))


def test_the_primary_outcome_is_what_power_is_about() -> None:
    """Half of replies are called too strong at 1.2, whoever reads them; with more people that is known better."""
    limit = plans.parse(plans.example().replace('primary = "preferred"', 'primary = "too_strong"'))
    limit = limit.model_copy(update={"analysis": PlannedAnalysis(primary="too_strong", secondary=())})
    about = crowd.crowd(limit, limit=1.2, spread=0.3)
    few, many = power.power(limit, about, (10, 40), against=0.0, studies=12)
    assert many.width < 0.8 * few.width
    assert many.covers > 0.5
    assert many.detects > 0.9


REGISTERED = plans.example().replace(
    'primary = "preferred"',
    'equivalent_within = 0.4\nsecondary = ["topics differ", "topics are equivalent", "question outgoing"]\n'
    'primary = "preferred"',
)


def test_each_registered_hypothesis_is_covered_or_named_as_not() -> None:
    plan = plans.parse(REGISTERED)
    assert power.covered(plan) == ("topics differ", "topics are equivalent")
    assert power.not_covered(plan) == ("question outgoing",)
    apart = crowd.crowd(plan, preferred=0.4, spread=0.2, sharpness=3.0, careless=0.0, topics=0.9)
    (differ,) = power.power(plan, apart, (30,), against=0.0, studies=8)
    (same,) = power.power(plan, apart.model_copy(update={"topics": 0.0}), (30,), against=0.0, studies=8)
    assert set(differ.tests) == set(same.tests) == {"topics differ", "topics are equivalent"}
    assert differ.tests["topics differ"] > 0.7
    assert differ.tests["topics are equivalent"] == 0
    assert same.level["topics differ"] < 0.6
    assert same.tests["topics are equivalent"] > 0.2


CONDITIONS = (
    SHORT.replace("trials = 4", "trials = 12")
    + """
[[conditions]]
id = "one"
[[conditions]]
id = "two"
axis = "openness"
"""
)


def test_conditions_are_told_apart_and_the_truth_is_that_of_the_one_analysed() -> None:
    plan = plans.parse(CONDITIONS)
    about = crowd.crowd(plan, preferred=0.2, spread=0.3, sharpness=2.0, careless=0.0, conditions=0.8)
    one, two = plan.compared
    for condition in (one, two):
        (found,) = power.power(plan, about, (40,), against=-1.0, studies=5, condition=condition)
        assert found.covers > 0.3  # one in ten thousand would have less
        assert found.tests["conditions differ"] > 0.6
    groups = plans.parse(
        CONDITIONS
        + """
[[groups]]
id = "a"
conditions = ["one"]
[[groups]]
id = "b"
conditions = ["two"]
"""
    )
    (found,) = power.power(groups, about, (40,), against=-1.0, studies=4)
    assert found.tests["conditions differ"] > 0
