"""The identity layer is taught what two descriptions do: by their teacher, at both ends; a kill costs nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.engine.methods.identity_layer import IdentityLayer
from playground.events import Progress, exhaust
from playground.settings import conversation
from playground.sources import build_tiny
from playground.training.clm import distil, fitting
from playground.training.clm.distil import Lesson
from playground.training.guards import GuardMeans
from playground.training.recipe import Recipe
from playground.training.run import Run

DESCRIPTIONS = ("a warm and friendly person", "a cold and distant person")
PROMPTS = [f"What about {number}?" for number in range(12)]
RECIPE = Recipe(
    distil_prompts=8, distil_tokens=10, distil_strength=3.0, batch=4, steps=60, check_every=60, learning_rate=3e-3
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_model(build_tiny(tmp_path_factory.mktemp("model")))


@pytest.fixture
def run(model: LanguageModel, tmp_path: Path) -> Run:
    return Run(model, RECIPE, tmp_path)


@pytest.fixture
def lessons(run: Run) -> list[Lesson]:
    return exhaust(distil.lessons(run, DESCRIPTIONS, PROMPTS))


def fluent(layer: IdentityLayer) -> GuardMeans:
    return GuardMeans(reward=1.0, kl=0.1, perplexity_ratio=1.0, diversity_ratio=1.0, relevance_ratio=1.0)


def stock_logits(model: LanguageModel, ids: list[int], reply: list[int]) -> Tensor:
    """What `transformers` predicts at each of the reply's tokens."""
    stock: Any = model.model
    with torch.no_grad():
        return stock(torch.tensor([ids + reply])).logits[0, len(ids) - 1 : -1].double()


def test_lessons_are_the_models_own_replies_behind_three_prompts(model: LanguageModel, lessons: list[Lesson]) -> None:
    assert len(lessons) == 24, "of the plain model's and of its own under both descriptions"
    asked = [conversation(prompt) for prompt in PROMPTS]
    ways = [*asked, *(model.described_as(plain, one) for plain in asked for one in DESCRIPTIONS)]
    known = {tuple(model.prompt_ids(messages)) for messages in ways}
    for lesson in lessons:
        assert {tuple(ids) for ids in lesson[:3]} <= known
        assert len({tuple(ids) for ids in lesson[:3]}) == 3
        assert distil.FEWEST_TOKENS <= len(lesson.reply) <= RECIPE.distil_tokens


def test_the_loss_is_the_divergence_from_the_amplified_contrast(model: LanguageModel, lessons: list[Lesson]) -> None:
    """Against `transformers`, for an untrained layer: then both ends of the student are the base."""
    which = [3, 0, 11, 7]
    taught = distil.read(model, lessons)
    for first in range(distil.STRIDE):
        found = distil.loss(model, taught, which, IdentityLayer(model).float(), 3.0, first)
        expected = []
        for index in which:
            one = lessons[index]
            base, positive, negative = (stock_logits(model, ids, one.reply) for ids in one[:3])
            expected.append([base, 3.0 * (positive - negative) / 2])
        # Every second prediction of all in the order of their lengths, as batches are made.
        order = sorted(range(len(which)), key=lambda at: len(lessons[which[at]].plain) + len(lessons[which[at]].reply))
        base = torch.cat([expected[at][0] for at in order])[first :: distil.STRIDE]
        contrast = torch.cat([expected[at][1] for at in order])[first :: distil.STRIDE]
        ends = [
            torch.nn.functional.kl_div(
                base.log_softmax(-1), (base + sign * contrast).log_softmax(-1), log_target=True, reduction="batchmean"
            )
            for sign in (1, -1)
        ]
        assert float(found.detach()) == pytest.approx(float(sum(ends)) / 2, rel=1e-3)


def test_both_ends_come_nearer_to_their_teachers(run: Run, lessons: list[Lesson]) -> None:
    """On a random model, which has nothing to say of texts it did not learn from, told by those that it did."""

    def apart(layer: IdentityLayer, part: Sequence[Lesson]) -> float:
        """KL(teacher || student), the mean of both ends."""
        taught = distil.read(run.model, part)
        with torch.no_grad():
            return float(distil.loss(run.model, taught, range(len(part)), layer, RECIPE.distil_strength))

    untrained = IdentityLayer(run.model).float()
    unseen, learnt = lessons[: len(lessons) // 4], lessons[len(lessons) // 4 :]
    swapped = [Lesson(one.plain, one.negative, one.positive, one.reply) for one in learnt]
    assert apart(untrained, learnt) == pytest.approx(apart(untrained, swapped)), "it leans to neither"
    fitted = exhaust(distil.fit(run, lessons, fluent, run.work / "layer"))
    assert apart(fitted.layer, learnt) < 0.8 * apart(untrained, learnt)
    assert apart(fitted.layer, swapped) > apart(untrained, swapped), "and not to the opposite"
    assert fitted.checks["distil_kl"] == pytest.approx(apart(fitted.layer, unseen), rel=1e-4)


def test_a_killed_fit_goes_on_and_ends_where_an_unbroken_one_does(run: Run, lessons: list[Lesson]) -> None:
    often = Run(run.model, RECIPE.model_copy(update={"steps": 6, "check_every": 2}), run.work)
    unbroken = exhaust(distil.fit(often, lessons, fluent, run.work / "unbroken"))
    steps = distil.fit(often, lessons, fluent, run.work / "killed")
    for progress in steps:
        if progress.done == 3:  # after the first check
            break
    steps.close()
    resumed = exhaust(distil.fit(often, lessons, fluent, run.work / "killed"))
    assert resumed.checks == unbroken.checks
    for name, weight in unbroken.layer.layer.state_dict().items():
        assert torch.equal(weight, resumed.layer.layer.state_dict()[name]), name


def test_a_fit_that_is_killed_between_two_checks_loses_no_step_that_was_saved(
    run: Run, lessons: list[Lesson], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check asks for replies, so that a long fit has few; what it has learnt is saved by the clock."""
    monkeypatch.setattr(fitting, "SAVE_EVERY_S", 0.0)
    seldom = Run(run.model, RECIPE.model_copy(update={"steps": 6, "check_every": 6}), run.work)
    unbroken = exhaust(distil.fit(seldom, lessons, fluent, run.work / "unbroken-between"))
    for progress in (steps := distil.fit(seldom, lessons, fluent, run.work / "killed-between")):
        if progress.done == 5:
            break
    steps.close()
    told: list[Progress] = []
    resumed = exhaust(distil.fit(seldom, lessons, fluent, run.work / "killed-between"), told.append)
    assert told[0].done == 5
    assert resumed.checks == unbroken.checks
    for name, weight in unbroken.layer.layer.state_dict().items():
        assert torch.equal(weight, resumed.layer.layer.state_dict()[name]), name
