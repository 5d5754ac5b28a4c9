"""Cards from elsewhere: every number lies within the bounds of settings, or the folder is refused in one sentence."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from playground import axes, cards, files
from playground.cards import FILE_NAME, Card
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.errors import AxisDamaged, AxisMismatch
from playground.player import Player
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis

LAYER, VALUES, REWARD = axes.WEIGHT_FILES


@pytest.fixture(scope="module")
def model(tiny_folder: FolderOf) -> LanguageModel:
    return load_model(tiny_folder("llama"))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, tiny_folder: FolderOf) -> Path:
    return make_tiny_axis(tmp_path_factory.mktemp("axis"), tiny_folder("llama"))


@pytest.fixture
def folder(tmp_path: Path, original: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "axis"))


def change(folder: Path, **values: Any) -> Path:
    record = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    (folder / FILE_NAME).write_text(json.dumps({**record, **values}), encoding="utf-8")
    return folder


def reweigh(folder: Path, file: str, edit: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    """Change a weight file, and let the card describe it as it is now."""
    state = load_file(folder / file)
    edit(state)
    save_file(state, folder / file)
    made = {name: files.digest(folder / name) for name in axes.WEIGHT_FILES}
    return change(folder, files=made)


def point(alpha: float, mean: float = 1.0, low: float = 1.0, high: float = 1.0) -> dict[str, Any]:
    return {"alpha": alpha, "control": 0.0, "metrics": {"reward": {"mean": mean, "low": low, "high": high}}}


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"calibration": {"step_size": 1.0, "updates": 10**9}}, "updates"),
        ({"calibration": {"step_size": 1.0, "updates": -3}}, "updates"),
        ({"calibration": {"step_size": 1e300, "updates": 3}}, "step_size"),
        ({"calibration": {"step_size": -1, "updates": 3}}, "step_size"),
        ({"calibration": {"step_size": math.nan, "updates": 3}}, "step_size"),
        ({"calibration": {"step_size": 10**400, "updates": 3}}, "step_size"),
        ({"safe_range": {"alpha": [1.5, -1.0], "control": [0, 1]}}, "alpha"),
        ({"safe_range": {"alpha": [-1.0, 1e300], "control": [0, 1]}}, "alpha"),
        ({"rises_until": 1e300}, "rises_until"),
        ({"curve": [point(1.0), point(0.0)]}, "curve"),
        ({"curve": [point(1.0), point(1.0)]}, "curve"),
        ({"curve": [point(1e300)]}, "alpha"),
        ({"curve": [point(1.0, mean=1e308)]}, "mean"),
        ({"curve": [point(1.0, low=2.0, high=1.0)]}, "reversed"),
        ({"curve": [point(float(at)) for at in range(1001)]}, "curve"),
        ({"checks": {"pair_accuracy": math.inf}}, "checks"),
        ({"checks": {"pair_accuracy": 1e308}}, "checks"),
        ({"recipe": {"steps": math.nan}}, "recipe"),
        ({"recipe": {"inner": [{"steps": -math.inf}]}}, "recipe"),
        ({"recipe": {"development_share": 7}}, "development_share"),
        ({"name": "x" * 10_000}, "name"),
        ({"name": "\u200b"}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"poles": {"negative": "n" * 10_000, "positive": "p"}}, "negative"),
        ({"poles": {"negative": "\ud83d", "positive": "p"}}, "half of a character"),
        ({"seed": -1}, "seed"),
        ({"files": {"../../x": "0" * 64}}, "files"),
        ({"files": {"/etc/passwd": "0" * 64}}, "files"),
        ({"files": {".hidden": "0" * 64}}, "files"),
        ({"files": {"a": "not a digest"}}, "files"),
        ({"judge": {"kind": "words", "file": "..", "agreement": 0.5, "pairs": 1}}, "file"),
        ({"judge": {"kind": "rhymes", "agreement": 0.5, "pairs": 1}}, "kind"),
        ({"judge": {"kind": "length", "agreement": 7, "pairs": 1}}, "agreement"),
        ({"self": 1}, "self"),
        ({"base": {"self": 1}}, "required"),
    ],
)
def test_a_card_out_of_bounds_is_refused_by_the_name_of_what_is(
    folder: Path, model: LanguageModel, values: dict[str, Any], names: str
) -> None:
    change(folder, **values)
    with pytest.raises(AxisDamaged, match=names) as told:
        axes.load(folder, model)
    assert len(str(told.value)) < 600 and told.value.hint
    assert list(cards.damaged([folder])) == [folder]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"recipe": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
        b'{"recipe": ' + b"[" * 300 + b"]" * 300 + b"}",
        b"{" + b" " * 2**23 + b"}",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b'"card"',
        b"",
    ],
)
def test_a_card_too_deep_too_large_or_none_at_all_is_refused(folder: Path, model: LanguageModel, raw: bytes) -> None:
    (folder / FILE_NAME).write_bytes(raw)
    with pytest.raises(AxisDamaged, match=FILE_NAME):
        axes.load(folder, model)


def test_a_card_saved_by_another_editor_is_read(folder: Path, model: LanguageModel) -> None:
    text = (folder / FILE_NAME).read_text(encoding="utf-8")
    for encoding in ("utf-8-sig", "utf-16"):
        (folder / FILE_NAME).write_text(text, encoding=encoding, newline="\r\n")
        assert axes.load(folder, model).card == Card.load(folder)


def fill(name: str, value: float) -> Callable[[dict[str, torch.Tensor]], object]:
    return lambda state: state.update({name: torch.full(state[name].shape, value)})


@pytest.mark.parametrize("file", axes.WEIGHT_FILES)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused(folder: Path, model: LanguageModel, file: str, value: float) -> None:
    name = sorted(load_file(folder / file))[0]
    with pytest.raises(AxisDamaged, match="no finite number"):
        axes.load(reweigh(folder, file, fill(name, value)), model)


@pytest.mark.parametrize("file", axes.WEIGHT_FILES)
def test_weights_of_another_shape_or_kind_are_refused(folder: Path, model: LanguageModel, file: str) -> None:
    kept = (folder / file).read_bytes()
    edits: list[Callable[[dict[str, torch.Tensor]], object]] = [
        lambda state: state.update({name: torch.tensor(1.0) for name in state}),
        lambda state: state.update({name: torch.zeros(2, 3, 4) for name in state}),
        lambda state: state.update({name: tensor.int() for name, tensor in state.items()}),
        lambda state: state.update(more=torch.zeros(3)),
        lambda state: state.pop(sorted(state)[0]),
        lambda state: state.clear() or state.update(x=torch.zeros(1)),
    ]
    for edit in edits:
        (folder / file).write_bytes(kept)
        with pytest.raises(AxisDamaged, match=file):
            axes.load(reweigh(folder, file, edit), model)


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [(VALUES, "scale", 0.0), (REWARD, "unit", 0.0), (REWARD, "scale", -1.0), (VALUES, "inner.weight", 3e38)],
)
def test_weights_that_make_numbers_run_over_are_refused(
    folder: Path, model: LanguageModel, file: str, name: str, value: float
) -> None:
    with pytest.raises(AxisDamaged):
        axes.load(reweigh(folder, file, fill(name, value)), model)


def test_a_layer_so_large_that_numbers_run_over_is_refused(folder: Path, model: LanguageModel) -> None:
    def grow(state: dict[str, torch.Tensor]) -> None:
        for name, tensor in state.items():
            state[name] = torch.full(tensor.shape, 3e38)

    with pytest.raises(AxisDamaged, match="too large to compute with"):
        axes.load(reweigh(folder, LAYER, grow), model)


@pytest.mark.parametrize(
    "terms",
    ['{"a": [1e308, 1]}', '{"a": [1, 1e300]}', '{"a": [NaN, 1]}', '{"a": 1}', "[1]", "[" * 9999, '{"a": ["x", 1]}'],
)
def test_a_judge_that_is_no_list_of_terms_is_refused(folder: Path, model: LanguageModel, terms: str) -> None:
    (folder / "judge.json").write_text(terms)
    made = {name: files.digest(folder / name) for name in (*axes.WEIGHT_FILES, "judge.json")}
    change(folder, files=made, judge={"kind": "words", "file": "judge.json", "agreement": 0.5, "pairs": 1})
    with pytest.raises(AxisDamaged, match=r"judge\.json is damaged"):
        axes.load(folder, model)


def test_a_damaged_folder_keeps_no_other_from_loading_and_is_named(
    folder: Path, original: Path, tmp_path: Path, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(folder, seed=-1)
    good = Path(shutil.copytree(original, tmp_path / "good"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / FILE_NAME).write_text("{")
    found = axes.load_all(cards.folders_in(tmp_path), model)
    assert list(found.axes) == ["cheer"]
    assert sorted(found.damaged) == [folder, tmp_path / "empty"]
    monkeypatch.setattr("playground.places.AXES", tmp_path)
    assert list(cards.shipped()) == [good]
    player = Player(model, dict(found.axes), found.damaged)
    depths: list[int] = []
    for _ in range(2):
        with pytest.raises(AxisMismatch, match="seed") as told:
            player.axis("axis")
        depths.append(len(told.traceback))
    assert depths[0] == depths[1]
