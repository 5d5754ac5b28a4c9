"""The guard of a layer under training: its replies beside the base's own."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.engine.methods.identity_layer import IdentityLayer
from playground.settings import Message
from playground.sources import build_tiny
from playground.training import guards
from playground.training.recipe import Recipe
from playground.training.run import Run

PROMPTS = ["Who are you?", "What now?", "Why?"]
RECIPE = Recipe(measured_tokens=12)


def lengths(prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> torch.Tensor:
    return torch.tensor([float(len(reply)) for reply in replies])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_model(build_tiny(tmp_path_factory.mktemp("model")))


def moved(model: LanguageModel, by: float) -> IdentityLayer:
    layer = IdentityLayer(model)
    layer.layer.load_state_dict({name: weight + by for name, weight in layer.layer.state_dict().items()})
    return layer


def test_an_untrained_layer_is_the_base_itself(model: LanguageModel, tmp_path: Path) -> None:
    for both in (False, True):
        health = guards.answering(Run(model, RECIPE, tmp_path), lengths, PROMPTS, both)(IdentityLayer(model))
        assert health == pytest.approx((0.0, 0.0, 1.0, 1.0, 1.0), abs=1e-5)


def test_the_base_answers_a_guards_prompts_once(model: LanguageModel, tmp_path: Path) -> None:
    layer = moved(model, 0.3)
    first = guards.answering(Run(model, RECIPE, tmp_path), lengths, PROMPTS)(layer)
    [kept] = tmp_path.glob("guard-base-*.jsonl")
    # Whoever asks these prompts again reads what is kept: twice as surprising, they make the layer half so.
    odd = "".join(_doubled(line) for line in kept.read_text(encoding="utf-8").splitlines())
    kept.write_text(odd, encoding="utf-8")
    again = guards.answering(Run(model, RECIPE, tmp_path), lengths, PROMPTS)(layer)
    assert again.perplexity_ratio == pytest.approx(first.perplexity_ratio / 2)
    assert (again.reward, again.kl) == (first.reward, first.kl)
    guards.answering(Run(model, RECIPE, tmp_path), lengths, PROMPTS[:2])(layer)
    assert len(list(tmp_path.glob("guard-base-*.jsonl"))) == 2, "other prompts have replies of their own"


def test_both_ends_are_weighed_and_the_left_is_no_excuse(model: LanguageModel, tmp_path: Path) -> None:
    """Half the difference of rewards; of the KL the mean, and of ratios where the right end alone is not worse."""
    layer = moved(model, 0.3)

    def asked(both: bool, alpha: float) -> guards.GuardMeans:
        return guards.answering(Run(model, RECIPE, tmp_path), lengths, PROMPTS, both, alpha)(layer)

    both, right, left = asked(True, 1.0), asked(False, 1.0), asked(False, -1.0)
    assert both.reward == pytest.approx((right.reward - left.reward) / 2)
    assert both.kl == pytest.approx((right.kl + left.kl) / 2) and right.kl != pytest.approx(left.kl)
    turned = asked(True, -1.0)
    assert turned.reward == pytest.approx(-both.reward) and turned.kl == pytest.approx(both.kl)
    mean = (right.perplexity_ratio * left.perplexity_ratio) ** 0.5
    assert right.perplexity_ratio != pytest.approx(left.perplexity_ratio)
    for found, first in ((both, right), (turned, left)):
        assert found.perplexity_ratio == pytest.approx(max(mean, first.perplexity_ratio))
        expected = min((right.diversity_ratio + left.diversity_ratio) / 2, first.diversity_ratio)
        assert found.diversity_ratio == pytest.approx(expected)


def test_the_base_is_scored_once(model: LanguageModel, tmp_path: Path) -> None:
    scored: list[int] = []

    def counted(prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> torch.Tensor:
        scored.append(len(replies))
        return lengths(prompts, replies)

    guard = guards.answering(Run(model, RECIPE, tmp_path), counted, PROMPTS)
    first, second = guard(moved(model, 0.3)), guard(moved(model, 0.2))
    assert len(scored) == 3 and first != second


def _doubled(line: str) -> str:
    """A stored reply with twice its perplexity; other lines as they are."""
    event = json.loads(line)
    if "perplexity" in event:
        event["perplexity"] *= 2
    return json.dumps(event) + "\n"


def test_replies_that_leave_their_prompts_fail_the_guard(model: LanguageModel, tmp_path: Path) -> None:
    """The worse end counts; what is told is over the base's own relevance."""
    at_ends = {0.0: 0.8, 1.0: 0.72, -1.0: 0.4}

    class Told:
        def __init__(self, model: LanguageModel) -> None: ...

        def __call__(self, prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> torch.Tensor:
            return torch.full((len(replies),), at_ends[asked.pop(0)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "Relevance", Told)
        for both, order, ratio in ((False, [0.0, 1.0], 0.9), (True, [0.0, 1.0, -1.0], 0.5)):
            asked = list(order)
            health = guards.answering(Run(model, RECIPE, tmp_path), lengths, PROMPTS, both)(IdentityLayer(model))
            assert health.relevance_ratio == pytest.approx(ratio)
            assert guards.is_fluent(guards.named(health), Recipe(least_relevance=ratio - 0.01))
            assert not guards.is_fluent(guards.named(health), Recipe(least_relevance=ratio + 0.01))
