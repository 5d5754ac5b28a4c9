"""From answers to a report: the numbers put in come out, exclusions count, and nothing to say is said plainly."""

import json
import re
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from playground.cards import Estimate
from playground.errors import InvalidInput
from playground.study import analysis, asides, citing, crowd, figures, report, results, sentences, simulate, wording
from playground.study.analysis import Analysis
from playground.study.described import Result, VerdictShares
from playground.study.parts import Flags, PlannedAnalysis, Rule
from playground.study.stimuli import Study
from playground.study.store import Store
from tests.study.made import PLAN, make_study

Tables = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def long_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The made study, with twice the pairs."""
    return make_study(tmp_path_factory.mktemp("long"), PLAN.replace("trials = 6", "trials = 12"))


def tables_of(study: Study, people: int, **about: float) -> Tables:
    clock = simulate.Clock(1.7e9)
    store = Store.open("sqlite://", study, clock)
    with pytest.MonkeyPatch.context() as patch:
        # Schedules and adaptive strengths are drawn afresh; an interval that holds 95 times in 100, and a test that
        # rejects 5 times, need the same ones each time.
        patch.setattr("playground.study.enrolment.secrets.token_hex", lambda size: "5" * 2 * size)
        number = count()
        patch.setattr("playground.study.enrolment.secrets.token_urlsafe", lambda size: f"{next(number):0{size}d}")
        for _ in simulate.answer_all(store, clock, crowd.crowd(study.plan, **about), people, seed=4):
            pass
    tables = results.long_table(store, study), results.people_table(store, study)
    store.close()
    return tables


@pytest.fixture(scope="module")
def tables(long_study: Study) -> Tables:
    """Thirty people who like 0.6 best, a fifth of whom do not read."""
    return tables_of(long_study, 30, preferred=0.6, spread=0.4, careless=0.2)


@pytest.fixture(scope="module")
def analysed(tables: Tables, long_study: Study) -> Analysis:
    return analysis.analyse(*tables, long_study.plan.strengths)


def test_what_simulated_people_prefer_comes_out_of_the_database(analysed: Analysis) -> None:
    kept = analysed.kept
    assert kept.preference.value is not None
    assert kept.preference.value.preferred is not None
    assert kept.preference.value.preferred.low < 0.6 < kept.preference.value.preferred.high
    assert kept.too_strong.value is not None
    assert kept.too_strong.value.half is not None
    assert kept.too_strong.value.half.low < 1.55 < kept.too_strong.value.half.high
    assert kept.slider.value is not None
    assert kept.slider.value.mean.mean == pytest.approx(0.6, abs=0.3)
    assert kept.won.value is not None
    # What is liked best, 0.6, lies between two strengths that were shown.
    assert max(kept.won.value, key=lambda at: at.estimate.mean).strength in (0.0, 1.0)
    assert kept.topics.value is not None
    assert set(kept.topics.value.preferred) == {"home", "work"}
    assert set(kept.questions) == {"age", "mood", "remarks"}


def test_people_who_do_not_read_are_left_out_and_listed(analysed: Analysis, tables: Tables) -> None:
    table, people = tables
    out = {one.person for one in analysed.excluded}
    assert 2 <= len(out) <= 20
    assert out == set(people[people["flags"].str.contains("failed_check|too_fast")]["person"])
    assert analysed.everyone.answers == len(table)
    assert analysed.kept.answers == len(table[~table["person"].isin(out)])
    assert analysed.kept.people == 30 - len(out)
    shown = report.page(analysed, "A study")
    assert shown == report.page(analysed, "A study")
    assert all(f"<td>{person}</td>" in shown for person in out)


def test_nobody_is_excluded_without_a_rule(tables: Tables, long_study: Study) -> None:
    found = analysis.analyse(*tables, long_study.plan.strengths, rules=())
    assert found.excluded == ()
    assert found.kept is found.everyone


def test_the_report_needs_no_network_and_says_each_thing(analysed: Analysis) -> None:
    shown = report.page(analysed, "Of <mice> & men", {"axis": "<b>"})
    assert "Of &lt;mice&gt; &amp; men" in shown
    assert "<td>&lt;b&gt;</td>" in shown
    body = shown.partition("</script></head>")[2]
    assert not re.search(r"(src|href)=|https?://", body)
    assert body.count("plotly-graph-div") == 8
    assert "nan" not in re.sub(r"<script.*?</script>", "", body, flags=re.DOTALL).lower()
    for line in sentences.summary(analysed):
        assert line[:30] in body


def test_two_answers_do_not_make_a_strength_the_best(analysed: Analysis) -> None:
    def said(strength: float, right: float, answers: int) -> VerdictShares:
        return VerdictShares(strength, answers, {"weak": 0.0, "right": right, "strong": 1 - right, "broken": 0.0})

    kept = replace(analysed.kept, said=(said(0.0, 1.0, 2), said(1.0, 0.9, 50)))
    assert "Replies at 1 were called just right by most: 90% of 50." in report.page(replace(analysed, kept=kept), "")


def test_a_score_out_of_all_measure_is_drawn(analysed: Analysis) -> None:
    """With few answers utilities may be as large as that."""
    far = Estimate(mean=900.0, low=-900.0, high=1800.0)
    fitted = analysed.kept.preference.value
    assert fitted is not None
    kept = replace(analysed.kept, preference=Result(replace(fitted, utilities=((0.0, far),))))
    assert figures.liking(analysed, kept) is not None


def test_a_top_beside_a_cliff_is_refused_with_the_reason(analysed: Analysis) -> None:
    fitted = analysed.kept.preference.value
    assert fitted is not None
    steep = Result(replace(fitted, curve="", preferred=None, misfit=0.1, refused="steep"))
    kept = replace(analysed.kept, preference=steep)
    assert "twelve times as steeply" in sentences.fit(analysed, kept)
    assert "its top cannot be placed. Of those shown" in sentences.preferred(analysed, kept)


def test_what_few_pairs_cannot_show_is_said(analysed: Analysis) -> None:
    fitted = analysed.kept.preference.value
    assert fitted is not None
    sided = replace(fitted, curve="two-sided", misfit=0.6, has_top=True, preferred=fitted.parabola)
    for pairs, reason in ((499, "seldom tell when it does not. One with two sides leads"), (500, "on the safe side")):
        kept = replace(analysed.kept, preference=Result(sided), pairs=pairs)
        assert reason in sentences.fit(analysed, kept)
    refused = replace(fitted, curve="", preferred=None, misfit=0.6, refused="few")
    kept = replace(analysed.kept, preference=Result(refused), pairs=100)
    assert "has no top between the strengths shown, so none is told" in sentences.fit(analysed, kept)
    assert "Fewer than 500 pairs do not tell" in sentences.preferred(analysed, kept)
    three = replace(fitted, curve="parabola", misfit=None, has_top=True, preferred=fitted.parabola)
    kept = replace(analysed.kept, preference=Result(three))
    assert "With three strengths that holds only if" in sentences.preferred(analysed, kept)


def test_no_number_is_less_than_nothing_by_a_hair() -> None:
    assert [wording.number(one) for one in (-0.004, 0.0, -0.006, 1.0)] == ["0.00", "0.00", "-0.01", "1.00"]


def test_the_json_is_strict(analysed: Analysis) -> None:
    def refuse(constant: str) -> Any:
        raise AssertionError(constant)

    values = json.loads(json.dumps(analysed.as_json()), parse_constant=refuse)
    assert values["kept"]["preference"]["value"]["preferred"].keys() == {"mean", "low", "high"}
    assert values["everyone"]["people"] == 30


def test_the_json_is_of_its_schema_and_can_be_read_back(analysed: Analysis) -> None:
    assert TypeAdapter(Analysis).validate_python(analysed.as_json()) == analysed
    described = analysis.schema()
    assert set(described["required"]) == set(analysed.as_json())
    assert (
        described["$defs"]["Preference"]["properties"].keys()
        == analysed.as_json()["kept"]["preference"]["value"].keys()
    )


def test_exclusions_are_told_as_planned_or_not(tables: Tables, long_study: Study) -> None:
    planned = PlannedAnalysis(exclude=("too_fast",))
    as_planned = analysis.analyse(*tables, long_study.plan.strengths, planned=planned)
    assert as_planned.rules == ("too_fast",)
    assert ", as planned" in asides.excluded(as_planned)
    assert ", other than planned" in asides.excluded(replace(as_planned, rules=("failed_check",)))
    assert "planned none" in asides.excluded(replace(as_planned, planned=None))


def test_exclusions_are_told_with_the_limits_by_which_people_were_flagged(tables: Tables, long_study: Study) -> None:
    flags = Flags(failed_check=0.5, inconsistent=0.0, least_repeats=2, too_fast=0.125, one_sided=0.75)
    found = analysis.analyse(*tables, long_study.plan.strengths, get_args(Rule), flags=flags)
    for told in (
        "more than 50 % of the attention checks answered wrongly",
        "any of at least 2 repeated pairs answered otherwise",
        "more than 12.5 % of the answers too fast to have read",
        "more than 75 % of at least 8 decided pairs for the same side",
    ):
        assert told in asides.excluded(found) and told in citing.methods(found, {})
    assert found.as_json()["flags"] == flags.model_dump()


def test_a_margin_and_a_family_are_told_as_registered(tables: Tables, long_study: Study) -> None:
    planned = PlannedAnalysis(equivalent_within=1.0, secondary=("topics are equivalent", "people differ"))
    found = analysis.analyse(*tables, long_study.plan.strengths, planned=planned)
    topics = found.kept.topics.value
    assert topics is not None
    assert topics.equivalent is not None
    adjusted = {one.name: one.adjusted for one in found.kept.tests}
    assert {name for name, one in adjusted.items() if one is not None} == set(planned.secondary or ())
    assert json.loads(json.dumps(found.as_json()))["planned"]["equivalent_within"] == 1.0
    told = asides.compared(found, found.kept, "topics")
    assert "within 1, the margin of the study file" in told
    shown = report.page(found, "A study")
    assert told in shown
    assert "<td>exploratory</td>" in shown
    assert "that the study file registers these hold" in shown
    assert "The registered secondary tests" in shown
    assert "TOST" in shown


def test_the_primary_outcome_leads(tables: Tables, long_study: Study) -> None:
    limit = PlannedAnalysis(primary="too_strong")
    found = analysis.analyse(*tables, long_study.plan.strengths, planned=limit)
    usual = replace(found, planned=None)
    for one, first in ((found, "Half of the replies"), (usual, "People like alpha")):
        assert sentences.summary(one)[1].startswith(first)
        shown = report.page(one, "A study")
        places = [shown.index(f"<h2>{heading}</h2>") for heading in ("Where it becomes too much", "How people differ")]
        assert (places[0] < places[1]) == (one is found)
    assert set(sentences.summary(found)) == set(sentences.summary(usual))


def test_the_numbers_of_the_flow_are_told(analysed: Analysis) -> None:
    told = asides.flow(replace(analysed, flow={"declined": 2, "began": 30}))
    assert told.startswith("2 declined, 30 began. ")


@pytest.mark.parametrize("people", [0, 1, 2, 3])
def test_hardly_any_answers_make_a_report_of_plain_sentences(study: Study, people: int) -> None:
    table, persons = tables_of(study, people, careless=0.0)
    for some in (table, table.head(1), table[table["task"] == "single"], table[table["choice"] == "tie"]):
        found = analysis.analyse(some, persons, study.plan.strengths)
        shown = re.sub(r"<script.*?</script>", "", report.page(found, "Few"), flags=re.DOTALL)
        assert "None" not in shown
        assert "nan" not in shown.lower().replace("finance", "")
        json.dumps(found.as_json(), allow_nan=False)
    if people == 0:
        found = analysis.analyse(table, persons, study.plan.strengths)
        assert sentences.summary(found)[0] == "Nobody has answered yet."


SEVERAL = PLAN.replace(
    "seed = 3",
    """seed = 3
conditions = [{ id = "a" }, { id = "b", method = "control" }, { id = "c" }]
groups = [{ id = "one", conditions = ["a"] }, { id = "two", conditions = ["a", "b", "c"] }]
analysis = { equivalent_within = 0.5 }""",
)


@pytest.mark.parametrize("seed", range(3))
def test_a_few_careless_people_in_conditions_of_one_make_a_report_without_nan(tmp_path: Path, seed: int) -> None:
    """What is left of a study by chance: some answers of a few people, one of them in a condition of their own."""
    several = make_study(tmp_path, SEVERAL)
    table, persons = tables_of(several, 3 + seed, careless=0.5, preferred=2.5, sharpness=40.0, spread=0.0)
    some = table[np.random.default_rng(seed).random(len(table)) < 0.5].reset_index(drop=True)
    for condition in several.plan.compared:
        mine = results.of_condition(some, condition.id)
        found = analysis.analyse(mine, persons, condition.strengths, (), several.plan.analysis, some)
        shown = re.sub(r"<script.*?</script>", "", report.page(found, "Few"), flags=re.DOTALL)
        assert not re.search(r"\b(nan|inf|None)\b", shown)
        json.dumps(found.as_json(), allow_nan=False)
        TypeAdapter(Analysis).validate_python(found.as_json())


def test_everybody_excluded_leaves_sentences(study: Study) -> None:
    table, persons = tables_of(study, 3, careless=1.0)
    found = analysis.analyse(table, persons.assign(flags="too_fast"), study.plan.strengths)
    assert found.kept.answers == 0
    assert sentences.summary(found)[0] == "Nobody's answers are left to analyse."
    assert "leave out 3 people" in report.page(found, "None")


def test_an_unknown_rule_is_refused(tables: Tables, long_study: Study) -> None:
    with pytest.raises(InvalidInput, match="cannot be excluded for 'late'"):
        analysis.analyse(*tables, long_study.plan.strengths, rules=["late"])


def test_reports_are_written_by_the_command(folder: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from playground.cli.main import app

    def run(*words: str) -> str:
        ran = CliRunner().invoke(app, ["study", *words], catch_exceptions=False)
        assert ran.exit_code == 0
        return ran.output

    database = f"sqlite:///{tmp_path}/simulated.sqlite"
    said = run("simulate", str(folder), "--people", "6", "--database", database)
    assert "6 simulated people answered" in said
    assert "30 of them to pairs" in run("analyse", str(folder), "--database", database, "--out", str(tmp_path / "a"))
    assert json.loads((tmp_path / "a" / "analysis.json").read_text())["about"]["study"] == "made"
    assert (tmp_path / "a" / "report.html").read_text().startswith("<!doctype html>")
    run("export", str(folder), "--database", database, "--out", str(tmp_path / "files"))
    assert len(pd.read_parquet(tmp_path / "files" / "people.parquet")) == 6


def test_commands_say_what_is_missing(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from playground.cli.main import app

    make_study(tmp_path)
    for words, says in (
        (["analyse", str(tmp_path)], "Nobody has answered yet"),
        (["export", str(tmp_path), "--out", str(tmp_path / "o")], "Nobody has answered yet"),
        (["analyse", str(tmp_path / "none")], "holds no|no study file|no built study"),
        (["power", str(tmp_path), "--people", "a"], "no numbers of people"),
        (["power", str(tmp_path), "--spread", "-1"], "spread"),
        (["simulate", str(tmp_path), "--sharpness", "0"], "sharpness"),
    ):
        with pytest.raises(InvalidInput, match=says):
            CliRunner().invoke(app, ["study", *words], catch_exceptions=False)
    assert not (tmp_path / "study.sqlite").exists()
