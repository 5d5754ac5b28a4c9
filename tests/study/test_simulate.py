"""Simulated people answer like people, never among real ones."""

import pytest

from playground.errors import InvalidInput
from playground.study import crowd, results, simulate
from playground.study.stimuli import Study
from playground.study.store import Store


@pytest.fixture
def store(study: Study) -> Store:
    return Store.open("sqlite://", study, simulate.Clock(1.7e9))


def go(store: Store, people: int, **about: float) -> None:
    assert isinstance(store.clock, simulate.Clock)
    for _ in simulate.answer_all(store, store.clock, crowd.crowd(store.study.plan, **about), people, seed=1):
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


def test_the_clearer_a_preference_is_the_higher_its_degree(store: Store, study: Study) -> None:
    go(store, 30, preferred=2.0, spread=0.0, sharpness=1.0, careless=0.0)
    table = results.long_table(store, study)
    pairs = table[(table["task"] == "pair") & (table["check"] == "") & table["choice"].isin(["left", "right"])]
    gap = (pairs["right"] - pairs["left"]).abs()
    means = pairs.groupby(gap)["degree"].apply(lambda degree: degree.abs().mean())
    assert means.iloc[-1] > means.iloc[0] + 0.3
