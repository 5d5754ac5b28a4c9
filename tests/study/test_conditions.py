"""Several axes, methods, models and groups in one study, several tasks of a kind, and orders balanced over people."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from playground.errors import InvalidInput
from playground.study import analysis, report, results, schedule, simulate
from playground.study import crowd as crowds
from playground.study import plan as plans
from playground.study.database import sqlite_url
from playground.study.records import Records
from playground.study.stimuli import Study
from playground.study.store import Store
from tests.cli.test_cli import Shell
from tests.study.made import SHORT, make_study, walk
from tests.study.test_cli import refused

SEVERAL = """
format = 1
name = "several"
title = "Several"
axis = "extraversion"
strengths = [0.0, 1.0, 2.0]
blocks = "balanced"
consent = { version = "1", text = "We store your answers." }
tasks = [
  { id = "warm", kind = "pair", trials = 6, question = "Who sounds warmer?" },
  { id = "liked", kind = "pair", trials = 6, tie = false, bad = false },
  { kind = "adaptive", trials = 4 },
]
prompts = [{ id = "work", text = "Describe your work." }, { id = "home", text = "Describe your home." }]
[[conditions]]
id = "mixed"
[[conditions]]
id = "control"
slider = "control"
strengths = [0.0, 3.0]
[[conditions]]
id = "other"
axis = "openness"
[checks]
gold = 2
broken = 9.0
repeated = 1
"""
GROUPS = """
[[groups]]
id = "a"
conditions = ["mixed", "control"]
[[groups]]
id = "b"
conditions = ["other"]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("several"), SEVERAL)


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("grouped"), SEVERAL + GROUPS)


def test_each_condition_has_its_own_replies(study: Study) -> None:
    made = Counter((one.condition, one.axis, one.slider) for one in study.stimuli.values())
    assert made == {
        ("mixed", "extraversion", "alpha"): 2 * 4,
        ("control", "extraversion", "control"): 2 * 3,
        ("other", "openness", "alpha"): 2 * 4,
    }
    assert {one.strength for one in study.stimuli.values() if one.condition == "control"} == {0.0, 3.0, 9.0}
    assert study.made_of("other")[0] == "openness"


def test_a_person_meets_the_conditions_equally_often_and_never_two_in_one_trial(study: Study) -> None:
    trials = schedule.schedule(study, Counter(), 3)
    met: Counter[tuple[str, str]] = Counter()
    for trial in trials:
        shown = {study.stimuli[option].condition for option in trial.options}
        assert len(shown) == 1
        if not trial.check:
            met[trial.task, *shown] += 1
    assert {count for (task, _), count in met.items() if task != "adaptive"} == {2}
    assert Counter(trial.check for trial in trials)["gold"] == 2
    assert {trial.task for trial in trials if trial.check} == {"warm"}  # in the first task of pairs


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_in_balanced_orders_each_task_stands_everywhere_and_follows_each_other_equally_often(count: int) -> None:
    tasks = ", ".join(f'{{ id = "t{number}", kind = "single", trials = 1 }}' for number in range(count))
    source = SHORT.replace('tasks = [{ kind = "pair", trials = 4 }]', f'blocks = "balanced"\ntasks = [{tasks}]')
    orders = [[task.name for task in order] for order in schedule.orders(plans.parse(source))]
    for place in range(count):
        assert len(set(Counter(order[place] for order in orders).values())) == 1
    follows = Counter(pair for order in orders for pair in pairwise(order))
    assert len(follows) == count * (count - 1)
    assert len(set(follows.values())) == 1


def test_people_are_spread_over_groups_and_orders(grouped: Study, tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path / "x.sqlite"), grouped) as store:
        firsts: Counter[tuple[str, tuple[str, ...]]] = Counter()
        for number in range(24):
            shown = walk(store, store.enrol(f"form-{number:04}").code)
            firsts[store.enrolled()[-1]["group"], tuple(dict.fromkeys(one.task for one in shown))] += 1
        assert len(firsts) == 2 * 6
        assert set(firsts.values()) == {2}
        table = results.long_table(store, grouped)
    seen = table[table["prompt"] != ""].groupby("group")["condition"].unique()
    assert {name: set(conditions) for name, conditions in seen.items()} == {"a": {"mixed", "control"}, "b": {"other"}}
    assert set(table["block"]) == {"warm", "liked", "adaptive"}
    assert set(table.loc[table["condition"] == "other", "axis"]) == {"openness"}
    one = results.of_condition(table, "control")
    assert set(one["condition"]) == {"control"}
    assert set(one.loc[one["task"] == "pair", "left"]) <= {0.0, 3.0, 9.0}


def test_a_forced_choice_offers_and_takes_no_way_out(study: Study, tmp_path: Path) -> None:
    from playground.study.pages import TrialScreen
    from playground.study.visit import Visits
    from playground.study.web import screens
    from tests.study.test_visit import form, good

    with Store.open(sqlite_url(tmp_path / "x.sqlite"), study) as store:
        visits = Visits(study, store)
        page = visits.act(good(visits.arrive({})), {})
        seen: dict[bool, str] = {}
        while isinstance(page.screen, TrialScreen):
            if page.screen.kind == "pair":
                is_forced = "tie" not in page.screen.choices
                seen[is_forced] = screens.page(page, study.plan)
                if is_forced:
                    page = visits.act(form(page, "answer", answer={"choice": "tie", "degree": 0}), {})
                    assert "none of the answers" in page.notice
            page = visits.act(good(page), {})
    assert 'data-choice="bad"' in seen[False]
    assert 'data-choice="tie"' not in seen[True]
    assert 'data-choice="bad"' not in seen[True]


WRONG = {
    "no such condition": (GROUPS.replace('"other"', '"nosuch"'), "sees no condition 'nosuch'"),
    "twice": ('[[conditions]]\nid = "mixed"\n', "twice"),
    "no name": ('[[conditions]]\nid = ""\n', "no id"),
    "one strength": ('[[conditions]]\nid = "x"\nstrengths = [1.0]\n', "one strength"),
    "strengths that fall": ('[[conditions]]\nid = "x"\nstrengths = [1.0, 0.0]\n', "do not rise"),
    "a name too long": ('[[conditions]]\nid = "' + "x" * 17 + '"\n', "16"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_conditions_that_cannot_be_are_told(wrong: str) -> None:
    more, says = WRONG[wrong]
    with pytest.raises(InvalidInput, match=says):
        plans.parse(SEVERAL + more)


def test_an_analysis_is_of_one_condition_and_of_one_task_of_a_kind(
    grouped: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    shell, folder = Shell(capsys, monkeypatch), tmp_path / "s"
    make_study(folder, SEVERAL + GROUPS)
    assert shell("study", "simulate", str(folder), "--people", "12").code == 0
    analyse = ("study", "analyse", str(folder), "--database", f"sqlite:///{folder / 'simulated.sqlite'}")
    refused(shell(*analyse, "--condition", "other"), "several tasks of kind pair: warm, liked")
    refused(shell(*analyse, "--condition", "nosuch", "--task", "warm"), "no condition 'nosuch'")
    refused(shell(*analyse, "--condition", "other", "--task", "nosuch"), "no task 'nosuch'")
    ran = shell(*analyse, "--condition", "other", "--task", "liked,adaptive", "--exclude", "none")
    assert ran.code == 0, ran.err
    with Records.open(sqlite_url(folder / "simulated.sqlite"), grouped) as records:
        table = results.of_tasks(results.of_condition(results.long_table(records, grouped), "other"), ["liked"])
    assert set(table["block"]) == {"liked"}
    assert set(table["condition"]) == {"other"}
    assert set(table["group"]) == {"b"}


def test_conditions_of_one_method_are_compared_in_what_is_liked_best(study: Study) -> None:
    """Everybody sees both; what is asked about a condition of another method is no part of it."""
    clock = simulate.Clock(1.7e9)
    with Store.open("sqlite://", study, clock) as store:
        crowd = crowds.crowd(study.plan, preferred=1.0, spread=0.2, sharpness=3.0, careless=0.0)
        list(simulate.answer_all(store, clock, crowd, 24, seed=0))
        table, people = results.long_table(store, study), results.people_table(store, study)
    table = results.of_tasks(table, ["liked", "adaptive"])
    found = analysis.analyse(results.of_condition(table, "mixed"), people, (0.0, 1.0, 2.0), others=table).kept
    assert found.conditions.value is not None, found.conditions.reason
    assert set(found.conditions.value.preferred) == {"mixed", "other"}
    assert {one.name for one in found.tests} >= {"conditions differ"}
    alone = analysis.analyse(results.of_condition(table, "control"), people, (0.0, 3.0), others=table)
    assert alone.kept.conditions.value is None
    assert "<h2>Conditions</h2>" not in report.page(alone, "Alone")
