"""Axes on disk: what loads, what is refused and why, and the player that runs them."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from playground import axes
from playground.cards import FILE_NAME, Card
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.errors import AxisMismatch, InvalidInput, PlaygroundError
from playground.events import Finished
from playground.player import Player
from playground.settings import Request, Row, Strength, conversation
from playground.sources import build_tiny
from tests.tiny_axis import make_tiny_axis


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("model"), "llama")


@pytest.fixture(scope="module")
def model(model_folder: Path) -> LanguageModel:
    return load_model(model_folder)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    return make_tiny_axis(tmp_path_factory.mktemp("axis"), model_folder)


@pytest.fixture
def folder(tmp_path: Path, original: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(original, tmp_path / "axis"))


def say(player: Player, strength: Strength) -> Finished:
    events = player.run(Request(rows=(Row(messages=conversation("Hi."), strengths=(strength,)),), max_new_tokens=6))
    return next(event for event in events if isinstance(event, Finished))


def test_an_axis_survives_its_folder(folder: Path, model: LanguageModel) -> None:
    first, again = (axes.load(folder, model) for _ in range(2))
    assert first.note == ""
    ends = [
        say(Player(model, {"cheer": axis}), Strength(axis="cheer", alpha=1.0, control=1.0)) for axis in (first, again)
    ]
    assert ends[0] == ends[1]
    assert ends[0].reward is not None


def test_a_player_knows_an_axis_by_folder_and_then_by_name(folder: Path, model: LanguageModel) -> None:
    player = Player(model)
    with pytest.raises(AxisMismatch, match="no axis named 'cheer'"):
        player.axis("cheer")
    assert player.axis(str(folder)).card.name == "cheer"
    assert player.axis("cheer") is player.axes["cheer"]
    with pytest.raises(AxisMismatch, match="no axis named 'gloom'"):
        list(player.run(Request(rows=(Row(messages=conversation("Hi."), strengths=(Strength(axis="gloom"),)),))))


def test_the_reward_is_that_of_the_text(folder: Path, model: LanguageModel) -> None:
    player = Player(model)
    axis = player.axis(str(folder))
    end = say(player, Strength(axis="cheer", alpha=0.5))
    assert end.reward == pytest.approx(float(axis.reward([conversation("Hi.")], [end.text])[0]))


def test_rows_without_an_axis_have_no_reward(model: LanguageModel) -> None:
    (end,) = [
        event
        for event in Player(model).run(Request(rows=(Row(messages=conversation("Hi.")),), max_new_tokens=3))
        if isinstance(event, Finished)
    ]
    assert end.reward is None and end.alpha_interval is None


@pytest.mark.parametrize("file", axes.WEIGHT_FILES)
def test_a_truncated_weight_file_is_refused(folder: Path, model: LanguageModel, file: str) -> None:
    path = folder / file
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(AxisMismatch, match="damaged or no safetensors") as told:
        axes.load(folder, model)
    assert told.value.hint


def test_a_pickle_in_disguise_is_refused_and_not_run(folder: Path, model: LanguageModel, tmp_path: Path) -> None:
    proof = tmp_path / "executed"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.touch, (proof,)

    (folder / axes.WEIGHT_FILES[0]).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(AxisMismatch, match="no safetensors"):
        axes.load(folder, model)
    assert not proof.exists()


def test_a_swapped_weight_file_is_refused(
    folder: Path, model: LanguageModel, tmp_path: Path, model_folder: Path
) -> None:
    other = make_tiny_axis(tmp_path / "other", model_folder, seed=5)
    shutil.copy(other / axes.WEIGHT_FILES[0], folder)
    with pytest.raises(AxisMismatch, match="not the file its card describes"):
        axes.load(folder, model)


def test_a_missing_file_is_told(folder: Path, model: LanguageModel) -> None:
    (folder / axes.WEIGHT_FILES[1]).unlink()
    with pytest.raises(AxisMismatch, match="missing"):
        axes.load(folder, model)


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "x"}', ""])
def test_a_broken_card_is_refused(folder: Path, model: LanguageModel, text: str) -> None:
    (folder / FILE_NAME).write_text(text)
    with pytest.raises(AxisMismatch):
        axes.load(folder, model)
    (folder / FILE_NAME).unlink()
    with pytest.raises(AxisMismatch, match="holds no card"):
        axes.load(folder, model)


def test_an_axis_of_another_family_is_refused_with_the_reason(folder: Path, tmp_path: Path) -> None:
    other = load_model(build_tiny(tmp_path / "qwen2", "qwen2"))
    with pytest.raises(AxisMismatch, match=r"another architecture \(llama against qwen2\)") as told:
        axes.load(folder, other)
    assert "axis train" in told.value.hint


def test_another_tokenizer_is_refused(folder: Path, model: LanguageModel) -> None:
    record = json.loads((folder / FILE_NAME).read_text())
    record["base"]["tokenizer"] = "0" * 64
    with pytest.raises(AxisMismatch, match="another tokenizer"):
        axes.check(Card(**record), model.identity())


def test_same_shape_but_other_weights_is_allowed_with_a_note(folder: Path, tmp_path: Path) -> None:
    sibling = load_model(build_tiny(tmp_path / "sibling", "llama", seed=9))
    assert "other values" in axes.load(folder, sibling).note


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_fingerprint_does_not_depend_on_the_dtype(
    model: LanguageModel, model_folder: Path, dtype: torch.dtype
) -> None:
    assert load_model(model_folder, dtype).identity() == model.identity()


def test_a_run_takes_an_axis_by_its_folder(folder: Path, model: LanguageModel) -> None:
    by_folder = say(Player(model), Strength(axis=str(folder), alpha=1.0))
    player = Player(model)
    player.axis(str(folder))
    assert by_folder.token_ids == say(player, Strength(axis="cheer", alpha=1.0)).token_ids
    assert by_folder.reward is not None


@pytest.mark.parametrize("name", ["", "x" * 5000, "nul\0byte", "."])
def test_a_name_that_is_no_axis_is_refused(model: LanguageModel, name: str) -> None:
    with pytest.raises(AxisMismatch):
        Player(model).axis(name)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "much"])
def test_impossible_strengths_are_refused_in_plain_words(value: object) -> None:
    with pytest.raises(InvalidInput, match=r"^alpha: .*\(got"):
        Strength(axis="cheer", alpha=value)  # type: ignore[arg-type]


def test_every_shipped_axis_is_whole() -> None:
    from playground import cards

    for folder, card in cards.shipped().items():
        assert folder.name == card.name
        for name, digest in card.files.items():
            assert axes.digest(folder / name) == digest
        assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) < 16_000_000


def test_all_errors_have_a_hint(folder: Path, model: LanguageModel) -> None:
    (folder / FILE_NAME).unlink()
    with pytest.raises(PlaygroundError) as told:
        axes.load(folder, model)
    assert told.value.hint and str(told.value).endswith(told.value.hint)
