"""Simulated people answer like people, never among real ones; power says what more people bring."""

import pytest

from playground.errors import InvalidInput
from playground.study import plan as plans
from playground.study import results, simulate
from playground.study.stimuli import Study
from playground.study.store import Store
from tests.study.made import SHORT


@pytest.fixture
def store(study: Study) -> Store:
    return Store.open("sqlite://", study, simulate.Clock(1.7e9))


def go(store: Store, people: int, **about: float) -> None:
    assert isinstance(store.clock, simulate.Clock)
    for _ in simulate.answer_all(store, store.clock, simulate.crowd(store.study.plan, **about), people, seed=1):
        pass


def test_everybody_comes_to_the_end_with_every_answer(store: Store, study: Study) -> None:
    go(store, 4)
    people = results.people_table(store, study)
    assert (people["outcome"] == "completed").all()
    assert (people["answered"] == people["trials"]).all()
    assert people["q_mood"].notna().all()
    table = results.long_table(store, study)
    assert table["server_s"].to_list() == pytest.approx(table["client_s"].to_list())
    sliders = table[table["task"] == "adjustment"]
    assert (sliders["moves"] >= 1).all()


def test_those_who_read_pass_the_checks_and_those_who_do_not_are_flagged(study: Study) -> None:
    for careless, flagged in ((0.0, False), (1.0, True)):
        store = Store.open("sqlite://", study, simulate.Clock(1.7e9))
        go(store, 5, careless=careless)
        people = results.people_table(store, study)
        assert people["flags"].str.contains("too_fast").eq(flagged).all()
        assert people["flags"].str.contains("failed_check").any() == flagged


def test_simulated_people_never_join_others(store: Store) -> None:
    store.enrol("a-real-form")
    with pytest.raises(InvalidInput, match="people in that database already"):
        go(store, 1)
    assert len(store.enrolled()) == 1


def test_more_people_give_narrower_intervals() -> None:
    plan = plans.parse(plans.example())
    about = simulate.crowd(plan, preferred=0.6, spread=0.6)
    few, many = simulate.power(plan, about, (10, 40), against=0.0, studies=40)
    assert (few.people, many.people) == (10, 40)
    assert many.width < 0.7 * few.width
    assert many.detects >= few.detects
    assert many.told == 1


def test_where_there_is_nothing_to_detect_little_is_detected() -> None:
    plan = plans.parse(plans.example())
    (found,) = simulate.power(plan, simulate.crowd(plan, preferred=0.6), (40,), against=0.6, studies=60)
    assert found.detects == pytest.approx(1 - found.covers)
    assert found.detects < 0.17  # one in a thousand would have more


def test_power_takes_pairs() -> None:
    singles = plans.parse(SHORT.replace('kind = "pair"', 'kind = "single"'))
    with pytest.raises(InvalidInput, match="Only pairs"):
        next(simulate.power(singles, simulate.crowd(singles), (10,), 0.0))
