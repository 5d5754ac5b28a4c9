"""The measurements run on a tiny model and say what they compare; how fast they find it is not tested."""

import json
import sys
from pathlib import Path

import pytest
import torch

from playground.bench import shapes
from playground.bench.ratios import NINE, PROMPTS, QUICK, Bench, summary
from playground.cli import main as cli
from playground.engine.loading import load_model
from playground.errors import InvalidInput
from playground.events import Progress
from playground.player import Player
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis

RATIOS = (
    "sweep_speedup", "stream_overhead", "instant", "control_overhead", "replay_same", "replay_changed", "decode",
    "roofline", "people", "people_http", "first_token_under_load",
)  # fmt: skip


@pytest.fixture
def bench(tiny_folder: FolderOf, tmp_path: Path) -> Bench:
    folder = tiny_folder("llama")
    axis = make_tiny_axis(tmp_path / "cheer", folder)
    return Bench(Player(load_model(folder)), str(folder), str(axis), QUICK)


def test_each_ratio_is_a_median_between_its_extremes(bench: Bench) -> None:
    *progress, found = bench.run(RATIOS)
    assert [event.stage for event in progress if isinstance(event, Progress)] == [f"measuring {n}" for n in RATIOS]
    assert isinstance(found, dict)
    for name in RATIOS:
        assert 0 < found[name]["low"] <= found[name]["ratio"] <= found[name]["high"], name
    assert found["machine"]["bandwidth"] > 0
    json.dumps(found)


def test_a_calibration_is_timed(bench: Bench) -> None:
    *_, found = bench.run(["calibration"])
    assert isinstance(found, dict)
    assert 0 < found["calibration"]["low"] <= found["calibration"]["seconds"] <= found["calibration"]["high"]


def test_a_shape_of_random_weights_is_timed_where_it_is_asked_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(shapes.SHAPES, "1b", shapes.Shape(2, 64, 128, 4, 2, 1000, context=3000))
    monkeypatch.setattr(bench, "measures", {"shape_1b": bench.measures["shape_1b"]})
    *_, untold = bench.run()
    assert set(untold) == {"machine"}, "8 billion random weights are for a GPU"
    *_, found = bench.run(["shape_1b"])
    assert isinstance(found, dict)
    times = found["shape_1b"]
    assert set(times["strengths"]) == {"1", "9", "27", "64"} and len(times["nine_after"]) == 1
    assert times["floor"] > 0 and times["redraw"] > 0
    assert all(isinstance(times[name], float) for name in ("base", "generate", "generate_static"))


def test_replies_are_as_long_as_those_they_are_compared_with(bench: Bench) -> None:
    for alpha in NINE:
        assert len(bench._finished(alpha, None).token_ids) == QUICK.new_tokens


def test_a_model_is_no_distance_from_itself_and_some_from_its_rounded_copy(bench: Bench, tiny_folder: FolderOf) -> None:
    itself = bench._quality(bench.model)
    assert (itself["kl"], itself["same_token"], itself["perplexity_ratio"]) == (0.0, 1.0, 1.0)
    rounded = bench._quality(load_model(tiny_folder("llama"), torch.int8))
    assert 0 < rounded["kl"] < 0.1 and rounded["tokens"] == len(PROMPTS) * QUICK.new_tokens


def test_what_cannot_be_measured_says_why(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trl", None)  # as where it is not installed
    *_, found = bench.run(["train"])
    assert isinstance(found, dict)
    assert "TRL is not installed" in found["train"]["missing"] and "pip install" in found["train"]["missing"]


def test_an_unknown_measurement_is_refused_with_those_there_are(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match="no measurement sped") as told:
        list(bench.run(["sped"]))
    assert "sweep_speedup" in told.value.hint


def test_the_middle_ratio_is_told_with_the_extremes() -> None:
    assert summary([3.0, 1.0, 2.0]) == {"ratio": 2.0, "low": 1.0, "high": 3.0}


def test_the_command_prints_one_json_object(
    tiny_folder: FolderOf, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--model", str(tiny_folder("qwen2")), "--only", "decode", "--quick", "--busy"]
    monkeypatch.setattr(sys, "argv", ["playground", "bench", *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"machine", "decode"} and found["machine"]["clock"] == "process_time"
