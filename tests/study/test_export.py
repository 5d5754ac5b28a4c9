"""What is taken away: whole, explained column by column, without anybody's external id."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from playground.errors import InvalidInput
from playground.study import export, results
from playground.study.recruiting import RecruitmentIds
from playground.study.stimuli import Study
from playground.study.store import Store
from tests.study.made import an_answer


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


def test_the_dataset_is_described_as_psych_ds_wants_it(store: Store, study: Study, tmp_path: Path) -> None:
    """Schema.org's Dataset with a name, a description and every column; data in files of keywords."""
    export.write(study, store, tmp_path)
    described = json.loads((tmp_path / "psych-ds" / "dataset_description.json").read_text())
    assert described["@context"].startswith("https://schema.org")
    assert described["@type"] == "Dataset"
    assert described["name"]
    assert described["description"]
    measured = {one["name"] for one in described["variableMeasured"]}
    files = sorted((tmp_path / "psych-ds" / "data").iterdir())
    assert len(files) == 5
    for file in files:
        assert re.fullmatch(r"([a-z]+-[A-Za-z0-9]+_)+data\.csv", file.name)
        assert set(pd.read_csv(file).columns) <= measured


def test_the_script_for_r_reads_columns_that_are_there(store: Store, study: Study, tmp_path: Path) -> None:
    export.write(study, store, tmp_path)
    script = (tmp_path / "remake.R").read_text()
    for table in ("answers", "people"):
        columns = set(pd.read_csv(tmp_path / f"{table}.csv").columns)
        assert set(re.findall(rf"\b{table}\$(\w+)", script)) <= columns
    assert set(re.findall(r"\bpairs\$(\w+)", script)) <= set(results.COLUMNS)


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
