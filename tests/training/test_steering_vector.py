"""A steering vector is added to an axis that is there, and is a method like the others from then on."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest
import torch

from playground import axes
from playground.axes import Axis
from playground.cards import Card
from playground.engine.decode import decode
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.engine.methods import SteeringVector
from playground.errors import AxisDamaged, InvalidInput
from playground.events import Finished, exhaust
from playground.settings import Request, Row, Strength, conversation
from playground.sources import build_tiny
from playground.training import steering_vector
from playground.training.pairs import Pair
from playground.training.recipe import Recipe
from playground.training.run import Run
from tests.tiny_axis import make_tiny_axis

PROMPTS = [f"What about {what} {number}?" for what, number in product(("rain", "tea"), range(20))]
PAIRS = [Pair(prompt=conversation(prompt), chosen=f"Yes {prompt}", rejected=f"No {prompt}") for prompt in PROMPTS]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny(tmp_path_factory.mktemp("model"), "llama")


@pytest.fixture(scope="module")
def model(model_folder: Path) -> LanguageModel:
    return load_model(model_folder, torch.float32)


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return make_tiny_axis(tmp_path / "cheer", model_folder)


def make(model: LanguageModel, folder: Path, given: list[Pair] | None = None, prompts: Sequence[str] = PROMPTS) -> Axis:
    run = Run(model, Recipe(measured_prompts=3, measured_tokens=8, pair_tokens=8), folder.parent / "work")
    made = steering_vector.make(run, axes.load(folder, model), folder, prompts, given)
    exhaust(made, lambda progress: None)
    return axes.load(folder, model)


@pytest.mark.parametrize("given", [None, PAIRS])
def test_it_is_loaded_with_the_axis_and_acts_where_it_is_named(
    model: LanguageModel, folder: Path, given: list[Pair] | None
) -> None:
    before = Card.load(folder)
    axis = make(model, folder, given)
    assert axis.methods_for("control") == [("RE-Control", "re_control"), ("steering vector", "steering_vector")]
    assert (axis.card.files, axis.card.digest) == (before.files, before.digest), "nothing else has changed"
    assert {"reward", "perplexity", "diversity"} <= {
        name.removeprefix("steering_vector_") for name in axis.card.checks if name.startswith("steering_vector_")
    }
    own = [Strength(axis="cheer", control=2, method=method) for method in (None, "re_control", "steering_vector")]
    rows = tuple(Row(messages=conversation("How was it?"), strengths=(strength,)) for strength in own)
    events = decode(model, {"cheer": axis.steering}, Request(rows=rows, max_new_tokens=8))
    ends = [event for event in events if isinstance(event, Finished)]
    first, named, vector = (end.kl for end in sorted(ends, key=lambda end: end.row))
    assert first == named != vector > 0


def test_the_same_again_goes_on_from_what_was_kept(model: LanguageModel, folder: Path) -> None:
    once = make(model, folder)
    kept = {path.name: path.read_bytes() for path in (folder.parent / "work").iterdir()}
    again = make(model, folder)
    assert torch.equal(once.steering.of(SteeringVector).vector, again.steering.of(SteeringVector).vector)
    assert {path.name: path.read_bytes() for path in (folder.parent / "work").iterdir()} == kept


def test_replies_to_other_prompts_are_not_taken_for_those_to_these(model: LanguageModel, folder: Path) -> None:
    make(model, folder, prompts=PROMPTS[:24])
    others = make(model, folder, prompts=PROMPTS[12:]).steering.of(SteeringVector).vector
    for kept in (folder.parent / "work").iterdir():
        kept.unlink()
    assert torch.equal(others, make(model, folder, prompts=PROMPTS[12:]).steering.of(SteeringVector).vector)


def test_it_points_from_what_was_rejected_to_what_was_chosen(model: LanguageModel) -> None:
    there = steering_vector.mean_difference(model, PAIRS, 8)
    back = steering_vector.mean_difference(
        model, [Pair(prompt=pair.prompt, chosen=pair.rejected, rejected=pair.chosen) for pair in PAIRS], 8
    )
    torch.testing.assert_close(there["direction"], -back["direction"])
    lengths = torch.tensor(steering_vector.sizes(there)) * there["direction"].norm() / there["length"]
    torch.testing.assert_close(lengths, torch.tensor(steering_vector.SHARES), rtol=5e-3, atol=0)


def test_too_few_pairs_are_refused(model: LanguageModel, folder: Path) -> None:
    with pytest.raises(InvalidInput, match="7 pairs are too few"):
        make(model, folder, PAIRS[:7])


def test_a_vector_that_the_card_does_not_describe_is_refused(model: LanguageModel, folder: Path) -> None:
    SteeringVector(torch.ones(model.width)).save(folder)
    with pytest.raises(AxisDamaged, match="not a file its card describes"):
        axes.load(folder, model)
    SteeringVector(torch.full((3,), 1.0)).save(folder)
    with pytest.raises(AxisDamaged):
        axes.load(folder, model)
