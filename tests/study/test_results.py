"""The tables say what people did: every column filled as the dictionary tells, checks judged, speed measured."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from playground.study import columns, results
from playground.study.database import sqlite_url
from playground.study.parts import Flags
from playground.study.stimuli import Study
from playground.study.store import Store
from tests.study.made import an_answer, walk


@pytest.fixture
def store(study: Study, tmp_path: Path) -> Iterator[Store]:
    store = Store.open(sqlite_url(tmp_path / "study.sqlite"), study)
    yield store
    store.close()


def test_no_answers_make_empty_tables_of_the_same_shape(store: Store, study: Study) -> None:
    table, people = results.long_table(store, study), results.people_table(store, study)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        name: dtype for name, (dtype, _) in columns.COLUMNS.items()
    }
    assert list(people.columns) == [*columns.PEOPLE, "q_age", "q_mood", "q_remarks"]
    assert results.liked(table) == []
    assert len(table) == len(people) == 0


def test_each_row_tells_what_was_shown_and_chosen(store: Store, study: Study) -> None:
    code = store.enrol("form-0001").code
    seen = [shown for shown in walk(store, code) if shown.counted]
    table = results.long_table(store, study)
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        name: dtype for name, (dtype, _) in columns.COLUMNS.items()
    }
    assert len(table) == len(seen)
    for (_, row), shown in zip(table.iterrows(), seen, strict=True):
        assert row["task"] == shown.kind
        options = [study.stimuli[option] for option in shown.options]
        if shown.kind == "pair" and options:
            assert (row["left"], row["right"]) == tuple(option.strength for option in options)
            assert row["left_reward"] == options[0].reward
            assert row["right_words"] == len(options[1].reply.split())
        elif shown.kind == "adjustment":
            assert row["strength"] == options[1].strength
            assert row["start"] == options[shown.start or 0].strength
            assert json.loads(row["path"]) == [[0, options[2].strength], [350.5, options[1].strength]]
            assert row["flipped"] == (options[0].strength > options[1].strength)
        elif shown.kind in ("single", "adaptive"):
            assert row["strength"] == options[shown.start or 0].strength
            assert row["too_strong"] is False
    assert table["client_s"].eq(9).all()
    assert (table["answered_at"] >= table["shown_at"]).all()


def test_checks_are_judged_and_people_flagged(store: Store, study: Study) -> None:
    def person(key: str, checks: str | None, ms: float, ordinary: str | None = None) -> None:
        code = store.enrol(key).code
        while (shown := store.show(code)) is not None:
            inputs = checks if shown.expected else ordinary if shown.kind == "pair" else None
            answer = an_answer(shown, inputs).model_copy(update={"client_ms": ms})
            store.answer(code, shown.token, f"key-{shown.token}", answer)

    person("form-0001", None, 9000, "tie")
    person("form-0002", "bad", 10, "left")
    careful, careless = results.people_table(store, study).to_dict("records")
    assert careful["flags"] == ""
    assert (careful["checks"], careful["checks_failed"], careful["repeats_differ"]) == (2, 0, 0)
    assert careless["repeats_differ"] == 1
    assert set(careless["flags"].split()) == {"failed_check", "too_fast"}  # one pair that differs is nobody's fault
    strict = study.plan.model_copy(update={"flags": Flags(least_repeats=1, failed_check=1.0, too_fast=1.0)})
    _, careless = results.people_table(store, replace(study, plan=strict)).to_dict("records")
    assert careless["flags"] == "inconsistent"
    assert (careless["checks_failed"], careless["repeats_differ"], careless["left_share"]) == (2, 1, 1.0)


def test_a_tie_is_half_a_win_and_checks_are_left_out() -> None:
    pairs = [(0.0, 1.0, "left"), (1.0, 0.0, "tie"), (0.0, 1.0, "bad")]
    rows = [{"task": "pair", "check": "", "left": a, "right": b, "choice": c} for a, b, c in pairs]
    rows += [{"task": "pair", "check": "gold", "left": 0.0, "right": 9.0, "choice": "left"}]
    rows += [{"task": "single", "check": "", "left": None, "right": None, "choice": "right"}]
    low, high = results.liked(pd.DataFrame(rows))
    assert (low.strength, low.shown, low.wins) == (0.0, 3, 1.5)
    assert (high.strength, high.shown, high.wins) == (1.0, 3, 0.5)
    assert low.low < low.rate < low.high


@pytest.mark.parametrize(("wins", "shown", "low", "high"), [(0, 10, 0, 0.2775), (5, 10, 0.2366, 0.7634), (0, 0, 0, 1)])
def test_wilsons_interval(wins: float, shown: int, low: float, high: float) -> None:
    assert results.wilson(wins, shown) == pytest.approx((low, high), abs=1e-4)
