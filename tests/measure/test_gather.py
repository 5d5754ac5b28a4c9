"""Gathering replies: what is on disk survives a kill at any byte, and an ended stage is final."""

from pathlib import Path

import pytest

from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.events import Finished, Progress, exhaust, from_json, to_json
from playground.measure.gather import Gathering, gather
from playground.measure.progress import ProgressMeter
from playground.settings import Request, Row, Sampling, conversation
from playground.sources import build_tiny

ROWS = [Row(messages=conversation(f"prompt {number}"), seed=number) for number in range(40)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_model(build_tiny(tmp_path_factory.mktemp("model")))


def collect(
    model: LanguageModel, store: Path, count: int = 40, least: int = 1, **more: float
) -> tuple[list[Progress], list[Finished]]:
    told: list[Progress] = []
    request = Request(rows=tuple(ROWS[:count]), sampling=Sampling(temperature=1.0), max_new_tokens=6)
    steps = gather(model, {}, request, Gathering(store, "replies", least=least, **more))  # type: ignore[arg-type]
    return told, exhaust(steps, told.append)


def test_replies_come_back_in_order_and_progress_ends_at_the_total(model: LanguageModel, tmp_path: Path) -> None:
    told, replies = collect(model, tmp_path / "store.jsonl")
    assert [reply.row for reply in replies] == list(range(40))
    assert [progress.done for progress in told] == [0, 32, 40]
    assert told[-1].rate is not None and told[-1].rate > 0


@pytest.mark.parametrize("cut", [1, 30, 500, 3000])
def test_a_file_torn_anywhere_is_made_whole_again(model: LanguageModel, tmp_path: Path, cut: int) -> None:
    store = tmp_path / "store.jsonl"
    _, whole = collect(model, store)
    # tear inside a character of several bytes as well
    odd = [to_json(reply).replace('"text":"', '"text":"\u2028\u00e9\u4e2d') for reply in whole[:1]]
    content = store.read_bytes()
    store.write_bytes(content[:-cut])
    assert collect(model, store)[1] == whole
    assert isinstance(from_json(odd[0]), Finished)


def test_line_separators_inside_a_reply_are_no_line_ends(model: LanguageModel, tmp_path: Path) -> None:
    store = tmp_path / "store.jsonl"
    _, whole = collect(model, store)
    lines = store.read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b'"text":"', '"text":"one\u2028two\u0085three '.encode())
    store.write_bytes(b"\n".join(lines))
    _, again = collect(model, store)
    assert len(again) == len(whole)
    assert again[1].text.startswith("one\u2028two")


def test_an_ended_stage_is_final(model: LanguageModel, tmp_path: Path) -> None:
    _, few = collect(model, tmp_path / "store.jsonl", deadline=0.0)
    assert len(few) == 32, "one batch is always done"
    _, later = collect(model, tmp_path / "store.jsonl")
    assert later == few


@pytest.mark.parametrize(("least", "done"), [(1, 32), (32, 32), (33, 40), (40, 40)])
def test_the_least_that_is_wanted_is_done_whatever_the_time(
    model: LanguageModel, tmp_path: Path, least: int, done: int
) -> None:
    assert len(collect(model, tmp_path / "store.jsonl", deadline=0.0, least=least)[1]) == done


def test_pace_counts_from_where_it_was_taken_up() -> None:
    pace = ProgressMeter("stage", 10, "units")
    assert pace(4).rate is None
    later = pace(6)
    assert later.rate is not None and later.rate > 0
    assert later.seconds_left == pytest.approx(4 / later.rate)
