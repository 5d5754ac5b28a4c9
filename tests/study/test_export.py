"""What is taken away: whole, explained column by column, without anybody's external id."""

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest

from playground.errors import InvalidInput
from playground.study import columns, export, modelled, preferences, results, simulate
from playground.study import crowd as crowds
from playground.study.parts import PlannedAnalysis
from playground.study.recruiting import RecruitmentIds
from playground.study.schedule import Check
from playground.study.stimuli import Study
from playground.study.store import Store
from tests.study.made import PLAN, an_answer, make_study


@pytest.fixture
def store(study: Study) -> Store:
    store = Store.open("sqlite://", study)
    for number in range(3):
        code = store.enrol(f"form-000{number}", RecruitmentIds(f"pid-secret-{number}", "s", "t")).code
        while (shown := store.show(code)) is not None:
            inputs = ("left", "right", "tie")[number] if shown.kind == "pair" else None
            store.answer(code, shown.token, f"key-{shown.token}", an_answer(shown, inputs))
        store.respond(code, {"mood": "5", "age": "-5", "remarks": '=cmd("x")'})
        store.finish(code)
    return store


def test_files_hold_the_tables_and_nobodys_id(store: Store, study: Study, tmp_path: Path) -> None:
    files = export.write(study, store, tmp_path / "out")
    assert sorted(path.name for path in files) == sorted(path.name for path in (tmp_path / "out").iterdir())
    answers = pd.read_parquet(tmp_path / "out" / "answers.parquet")
    pd.testing.assert_frame_equal(answers, results.long_table(store, study))
    assert len(pd.read_csv(tmp_path / "out" / "answers.csv")) == len(answers)
    replies = pd.read_parquet(tmp_path / "out" / "replies.parquet").set_index("id")
    assert set(answers["left_id"].dropna()) <= set(replies.index)
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) > len(files)
    for path in written:
        assert b"pid-secret" not in path.read_bytes()
        assert b"C-DONE" not in path.read_bytes()


def test_practice_and_what_happened_are_there(store: Store, study: Study, tmp_path: Path) -> None:
    export.write(study, store, tmp_path)
    practice = pd.read_parquet(tmp_path / "practice.parquet")
    answers = pd.read_parquet(tmp_path / "answers.parquet")
    assert len(practice) == 3 * len(study.plan.tasks)
    assert not set(zip(practice["person"], practice["position"], strict=True)) & set(
        zip(answers["person"], answers["position"], strict=True)
    )
    events = pd.read_parquet(tmp_path / "events.parquet")
    assert events["at"].is_monotonic_increasing
    told = events[events["kind"] == "answered"]
    both = pd.concat([practice, answers])
    assert set(zip(told["person"], told["position"], strict=True)) == set(
        zip(both["person"], both["position"], strict=True)
    )


_OFFICIAL = {"study", "site", "subject", "session", "task", "condition", "trial", "stimulus", "description"}
_OF_A_DATASET = {"name", "description", "identifier", "keywords", "variableMeasured"}


def test_the_dataset_keeps_the_rules_of_psych_ds(store: Store, study: Study, tmp_path: Path) -> None:
    """The rules of its published schema, as of psychds-validator's src/setup/defaultSchema.json, but for the fields
    that it recommends and only the lab knows.
    """
    export.write(study, store, tmp_path)
    root = tmp_path / "psych-ds"
    assert {path.name for path in root.iterdir()} == {"dataset_description.json", "README.md", "data"}
    described = json.loads((root / "dataset_description.json").read_text(encoding="utf-8"))
    assert described.pop("@context") == "https://schema.org/"  # the validator's one vocabulary
    assert described.pop("@type") == "Dataset"
    assert set(described) == _OF_A_DATASET  # three are required; all are properties of schema.org's Dataset
    assert all(described.values())
    for one in described["variableMeasured"]:
        assert set(one) == {"@type", "name", "description"}
        assert one["@type"] == "PropertyValue"
    measured = [one["name"] for one in described["variableMeasured"]]
    assert len(measured) == len(set(measured))
    files = sorted((root / "data").iterdir())
    assert len(files) == 5
    for file in files:
        assert re.fullmatch(r"([a-z]+-[a-zA-Z0-9]+)(_[a-z]+-[a-zA-Z0-9]+)*_data\.csv", file.name)
        assert {part.partition("-")[0] for part in file.name.split("_")[:-1]} <= _OFFICIAL
        header, *rows = csv.reader(io.StringIO(file.read_bytes().decode("utf-8"), newline=""))
        assert rows
        assert len(header) == len(set(header))
        assert set(header) <= set(measured)
        assert {len(row) for row in rows} == {len(header)}


_TOLD_APART = {"answers": ["person", "position"], "practice": ["person", "position"], "people": ["person"]}


def test_what_tells_rows_apart_does(store: Store, study: Study, tmp_path: Path) -> None:
    export.write(study, store, tmp_path)
    for table, key in (_TOLD_APART | {"replies": ["id"]}).items():
        rows = pd.read_parquet(tmp_path / f"{table}.parquet")
        assert len(rows) == len(rows.drop_duplicates(key))


def test_the_script_for_r_reads_what_is_there(store: Store, study: Study, tmp_path: Path) -> None:
    """Its columns exist, with the values it compares them to; its formulas name columns of the frame it makes."""
    export.write(study, store, tmp_path)
    script = (tmp_path / "remake.R").read_text(encoding="utf-8")
    for table in ("answers", "people"):
        assert f'read.csv("{table}.csv", fileEncoding = "UTF-8-BOM")' in script
        assert (tmp_path / f"{table}.csv").read_bytes().startswith("\ufeff".encode())
        named = set(pd.read_csv(tmp_path / f"{table}.csv").columns)
        assert set(re.findall(rf"\b{table}\$(\w+)", script)) <= named
    assert set(re.findall(r"\bpairs\$(\w+)", script)) <= set(columns.COLUMNS)
    made = set(re.findall(r"(\w+) = ", re.findall(r"data <- data\.frame\((.*?)\n\)", script, re.DOTALL)[0]))
    formulas = re.findall(r"(?:clmm|glmer)\((.*?), (?:data|binomial)", script)
    assert len(formulas) == 2
    for formula in formulas:
        assert set(re.findall(r"[a-z]+", formula)) == made == {"answer", "linear", "square", "person"}
    checks = re.findall(r"check %in% c\((.*?)\)", script)[0]
    assert set(re.findall(r"\w+", checks)) | {""} == set(get_args(Check))
    flags = re.findall(r"leave_out <- c\((.*?)\)", script)[0]
    assert tuple(re.findall(r"\w+", flags)) == PlannedAnalysis().exclude


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="no R")
def test_r_remakes_the_main_estimate(tmp_path: Path) -> None:
    """By ordinal's clmm, whose sharpness is everybody's and whose approximation is Laplace's."""
    asked = 'requireNamespace("ordinal", quietly = TRUE)'
    if subprocess.run(["Rscript", "-e", f"q(status = !{asked})"], check=False).returncode:
        pytest.skip("no ordinal")
    study = make_study(tmp_path / "s", PLAN.replace("trials = 6", "trials = 12"))
    clock = simulate.Clock(1.7e9)
    store = Store.open("sqlite://", study, clock)
    crowd = crowds.crowd(study.plan, preferred=0.6, spread=0.4, careless=0.0)
    list(simulate.answer_all(store, clock, crowd, 40, seed=4))
    export.write(study, store, tmp_path / "out")
    ran = subprocess.run(["Rscript", "remake.R"], cwd=tmp_path / "out", capture_output=True, text=True, check=True)
    table = results.long_table(store, study)
    ordinary = table[(table["task"] == "pair") & (table["check"] == "")]
    model = preferences.PreferenceModel(modelled.as_pairs(ordinary), study.plan.strengths)
    ours, differ = preferences.preference(model), preferences.people(model)
    assert f"people: 40, pairs: {len(ordinary)}" in ran.stdout  # nobody is left out
    top, low, high = (float(one) for one in re.findall(r"liked best: (\S+) .* (\S+) to (\S+)\)", ran.stdout)[0])
    assert top == pytest.approx(ours.parabola.mean, abs=0.05)
    assert high - low == pytest.approx(ours.parabola.high - ours.parabola.low, rel=0.35)
    deviation = float(re.findall(r"people's own: (\S+)", ran.stdout)[0])
    assert deviation == pytest.approx(differ.deviation.mean, abs=0.08)


def test_every_column_is_explained(store: Store, study: Study, tmp_path: Path) -> None:
    export.write(study, store, tmp_path)
    told = pd.read_csv(tmp_path / "dictionary.csv")
    for table in export.TABLES:
        columns = list(pd.read_parquet(tmp_path / f"{table}.parquet").columns)
        assert told.loc[told["table"] == table, "column"].to_list() == columns
    assert told["meaning"].notna().all()


def test_a_spreadsheet_runs_nothing_a_person_wrote(store: Store, study: Study, tmp_path: Path) -> None:
    export.write(study, store, tmp_path)
    people = pd.read_csv(tmp_path / "people.csv")
    assert set(people["q_remarks"]) == {'\'=cmd("x")'}
    assert set(people["q_age"]) == {-5}
    assert set(pd.read_parquet(tmp_path / "people.parquet")["q_remarks"]) == {'=cmd("x")'}


def test_llm_comparator_gets_every_pair_with_the_higher_strength_first(store: Store, study: Study) -> None:
    table = results.long_table(store, study)
    found = json.loads(json.dumps(export.comparator(table, study.stimuli)))
    scores = [score for example in found["examples"] for score in example["individual_rater_scores"]]
    assert len(scores) == len(table[(table["task"] == "pair") & (table["check"] == "")])
    for example in found["examples"]:
        high, low = example["custom_fields"]["strength"]
        assert high > low
        assert example["output_text_a"] != example["output_text_b"]
        for score in example["individual_rater_scores"]:
            chose_a = score["rationale"] == ("right" if score["is_flipped"] else "left")
            assert (score["score"] > 0) == chose_a
            assert -1.5 <= score["score"] <= 1.5
    assert {field["name"] for field in found["metadata"]["custom_fields_schema"]} == set(
        found["examples"][0]["custom_fields"]
    )


def test_nothing_answered_exports_empty_tables(study: Study, tmp_path: Path) -> None:
    empty = Store.open("sqlite://", study)
    export.write(study, empty, tmp_path)
    assert len(pd.read_csv(tmp_path / "answers.csv")) == 0
    assert json.loads((tmp_path / export.COMPARATOR).read_text())["examples"] == []


def test_a_place_that_cannot_be_written_is_told(store: Store, study: Study, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="cannot be written"):
        export.write(study, store, tmp_path / "file")
