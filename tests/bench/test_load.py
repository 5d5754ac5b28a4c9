"""The load test tells what its clock says, for everybody who asked."""

import json
import sys
from itertools import count
from pathlib import Path

import pytest

from playground.bench.load import MOST_PEOPLE, _percentile, counts, under_load
from playground.cli import main as cli
from playground.errors import InvalidInput
from playground.settings import Request
from tests.conftest import FolderOf
from tests.engine.conftest import Lab, at, make_lab, row


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return make_lab(tmp_path, "llama")


def asked(people: int) -> list[Request]:
    return [Request(rows=(row(f"Tell me {n}.", at(0.5, axis="axis")),), max_new_tokens=6) for n in range(people)]


def test_rate_and_waits_are_what_the_clock_says(lab: Lab) -> None:
    """A clock that goes one second further whenever it is asked: at the question, the first token, and the end."""
    ticks = count()
    found = under_load(lab.model, lab.axes["random"], asked(1), 3, lambda: float(next(ticks)))
    assert found == (1, 6 / 2, (1.0, 1.0))


def test_everybody_is_answered_in_each_round(lab: Lab) -> None:
    ticks = count()
    found = under_load(lab.model, lab.axes["random"], asked(5), 2, lambda: float(next(ticks)))
    assert (found.people, found.tokens_per_second) == (5, 5 * 6 / 6)
    assert found.first_token == (3.0, 5.0), "the first of five comes at the clock's first tick, the last at its fifth"


def test_a_percentile_is_one_of_the_numbers() -> None:
    assert [_percentile(range(1, most + 1), 95) for most in (1, 2, 20, 100, 101)] == [1, 2, 19, 95, 96]
    assert _percentile([3.0, 1.0, 2.0], 50) == 2.0


@pytest.mark.parametrize("text", ["", "0", "1,,2", "-1", "two", "1.5", f"{MOST_PEOPLE + 1}", "1;8", "²"])
def test_what_is_no_number_of_people_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="people") as told:
        counts(text)
    assert "--people 1,8,32" in told.value.hint


def test_numbers_of_people_may_have_spaces() -> None:
    assert counts("1, 8,32") == [1, 8, 32]


def test_the_command_tells_each_load(
    tiny_folder: FolderOf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--model", str(tiny_folder("llama")), "--people", "1,3", "--quick"]
    monkeypatch.setattr(sys, "argv", ["playground", "bench", *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)
    assert [one["people"] for one in found["load"]] == [1, 3]
    for one in found["load"]:
        assert 0 < one["first_token"]["median"] <= one["first_token"]["p95"] and one["tokens_per_second"] > 0


def test_only_and_people_are_refused_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["playground", "bench", "--only", "decode", "--people", "1"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2 and "Give one of them" in capsys.readouterr().err
