"""Schedules are fair: cells fill evenly, sides are balanced, nothing reads the same on both sides, seeds fix all."""

from collections import Counter
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playground.study.schedule import Fills, Trial, design, schedule
from playground.study.stimuli import Study
from tests.study.made import PLAN, make_study

ordinary = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def counted(trials: tuple[Trial, ...], kind: str = "pair") -> list[Trial]:
    return [trial for trial in trials if trial.kind == kind and trial.counted and not trial.check]


def higher_left(study: Study, trial: Trial) -> bool:
    left, right = (study.stimuli[option].strength for option in trial.options)
    return left > right


@ordinary
@given(seed=st.integers(0, 2**62))
def test_a_schedule_holds_what_the_plan_asks_for(study: Study, seed: int) -> None:
    trials = schedule(study, Fills(), seed)
    practice = [trial for trial in trials if not trial.counted]
    parts = [key for key, _ in groupby(trials, lambda trial: (trial.kind, trial.counted))]
    kinds = ("pair", "adjustment", "single", "adaptive")
    assert parts == [(kind, counted) for kind in kinds for counted in (False, True)]  # each after its own practice
    assert Counter(trial.kind for trial in practice) == dict.fromkeys(kinds, 1)
    assert {trial.content for trial in practice} == {"try/0"}
    assert Counter(trial.kind for trial in trials if trial.counted and not trial.check) == {
        "pair": 6, "adjustment": 2, "single": 2, "adaptive": 2,
    }  # fmt: skip
    assert Counter(trial.check for trial in trials if trial.check) == {"instructed": 1, "gold": 1, "repeated": 1}
    assert all("try" not in trial.content for trial in trials if trial.counted)
    blocks = [trial.kind for trial in trials if trial.counted]
    assert sum(one != two for one, two in pairwise(blocks)) == 3


@ordinary
@given(seed=st.integers(0, 2**62))
def test_sides_are_balanced_inside_a_person_and_a_gap(study: Study, seed: int) -> None:
    pairs = counted(schedule(study, Fills(), seed))
    assert sum(higher_left(study, trial) for trial in pairs) == len(pairs) / 2
    gaps: dict[float, list[bool]] = {}
    for trial in pairs:
        left, right = (study.stimuli[option].strength for option in trial.options)
        gaps.setdefault(abs(left - right), []).append(left > right)
    assert all(abs(2 * sum(turned) - len(turned)) <= 1 for turned in gaps.values())


@ordinary
@given(seed=st.integers(0, 2**62))
def test_a_repeated_pair_comes_later_with_its_sides_swapped(study: Study, seed: int) -> None:
    trials = schedule(study, Fills(), seed)
    for position, trial in enumerate(trials):
        if trial.check != "repeated":
            continue
        assert trial.repeats is not None
        first = trials[trial.repeats]
        assert first.options == trial.options[::-1]
        assert not first.check
        assert position >= trial.repeats + 2


@ordinary
@given(seed=st.integers(0, 2**62))
def test_a_gold_pair_expects_the_fluent_side(study: Study, seed: int) -> None:
    gold = next(trial for trial in schedule(study, Fills(), seed) if trial.check == "gold")
    strengths = dict(zip(("left", "right"), (study.stimuli[option].strength for option in gold.options), strict=True))
    assert strengths[gold.expected] == study.plan.checks.fluent
    assert set(strengths.values()) == {0.0, 9.0}


def test_the_same_seed_gives_the_same_schedule_and_others_another(study: Study) -> None:
    assert schedule(study, Fills(), 5) == schedule(study, Fills(), 5)
    assert len({schedule(study, Fills(), seed) for seed in range(20)}) == 20


def test_cells_and_their_prompts_fill_evenly_over_people(study: Study) -> None:
    filled: Fills = Fills()
    for person in range(50):
        for trial in schedule(study, filled, person):
            if trial.counted and not trial.check:
                filled[trial.cell, trial.content] += 1
        for kind in ("pair", "adjustment", "single", "adaptive"):
            cells: Counter[str] = Counter()
            for (cell, _), times in filled.items():
                if cell.startswith(kind):
                    cells[cell] += times
            assert (
                max(cells.values())
                - min(cells[cell] for cell in design(study, study.plan.of_kind(kind)[0], study.plan.scored_prompts))
                <= 1
            )
    pairs = {key: times for key, times in filled.items() if key[0].startswith("pair")}
    assert len(pairs) == 6 * 3
    assert max(pairs.values()) - min(pairs.values()) <= 4


def test_a_person_sees_each_prompt_about_as_often_as_any_other(study: Study) -> None:
    trials = schedule(study, Fills(), 1)
    seen = Counter(trial.content for trial in trials if trial.counted and trial.check in ("", "gold"))
    assert max(seen.values()) - min(seen.values()) <= 1


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study whose two lowest strengths read the same."""
    folder: Path = tmp_path_factory.mktemp("alike")
    return make_study(folder, PLAN.replace("[-1.0, 0.0, 1.0, 2.0]", "[0.0, 0.1, 1.0, 2.0]"))


def test_replies_that_read_the_same_never_stand_beside_each_other(alike: Study) -> None:
    for seed in range(20):
        for trial in counted(schedule(alike, Fills(), seed)):
            left, right = (alike.stimuli[option].reply for option in trial.options)
            assert left != right


def test_sliders_run_both_ways_and_begin_anywhere(study: Study) -> None:
    sliders = [trial for seed in range(40) for trial in counted(schedule(study, Fills(), seed), "adjustment")]
    directions = Counter(study.stimuli[trial.options[0]].strength for trial in sliders)
    assert directions == {-1.0: 40, 2.0: 40}
    assert {trial.start for trial in sliders} == {0, 1, 2, 3}
