"""The stages behind alpha: a refined layer takes the place of the one before only where it is better."""

from pathlib import Path

import pytest
import torch

from playground.cards import Poles
from playground.engine.loading import load_model
from playground.engine.methods.identity_layer import IdentityLayer
from playground.events import exhaust
from playground.settings import conversation
from playground.sources import build_tiny
from playground.training.clm import stages as alpha
from playground.training.clm.fitting import Fitted
from playground.training.guards import GuardMeans
from playground.training.pairs import Pair, Split
from playground.training.recipe import Recipe
from playground.training.run import Run
from playground.training.spec import Job


@pytest.mark.parametrize(("reward", "perplexity", "better"), [(1.2, 1.0, True), (0.9, 1.0, False), (9.0, 2.0, False)])
def test_a_layer_gives_way_only_to_a_better_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reward: float, perplexity: float, better: bool
) -> None:
    model = load_model(build_tiny(tmp_path / "model"))
    recipe = Recipe(
        contrast_prompts=2, contrast_samples=4, reply_tokens=8, refine_rounds=3, refine_steps=1, batch=2,
        scales=(1.2,), guard_prompts=1,
    )  # fmt: skip
    pairs = [Pair(prompt=conversation("Hello?"), chosen="Oh, hello there!", rejected="No.")] * 8
    job = Job(
        name="warmth", description="", poles=Poles(negative="cold", positive="warm"), out=tmp_path / "axis",
        prompts=[f"What about {number}?" for number in range(40)], command="", data=(), given=pairs, recipe=recipe,
    )  # fmt: skip

    def guard(*_: object, **__: object) -> object:
        return lambda layer: GuardMeans(reward, 0.1, perplexity, 1.0, 1.0)

    monkeypatch.setattr(alpha.guards, "answering", guard)
    checks = {"guard_reward": 1.0, "guard_perplexity_ratio": 1.0, "guard_passed": 1.0, "steps": 15.0}
    first = Fitted(IdentityLayer(model).float(), checks)

    def lengths(prompts: object, replies: list[str]) -> object:
        return torch.arange(float(len(replies)))

    # The guard finds every layer alike, so that no round is better than the first.
    found, own = exhaust(alpha.refinement(Run(model, recipe, tmp_path), job, Split(pairs, pairs), lengths, first))  # type: ignore[arg-type]
    assert (found is first) is not better
    assert found.checks["steps"] == (16 if better else 15), "all steps that led to it are told"
    assert len(own) == 8, "those of the first round"
    rounds = sorted(path.name for path in tmp_path.glob("contrast-*.jsonl"))
    assert rounds == ["contrast-1.jsonl", "contrast-2.jsonl"][: 2 if better else 1], "the last brought nothing"


def test_a_recipe_without_refinement_asks_for_no_replies(tmp_path: Path) -> None:
    model = load_model(build_tiny(tmp_path / "model"))
    job = Job(
        name="warmth", description="", poles=Poles(negative="cold", positive="warm"), out=tmp_path / "axis",
        prompts=[f"What about {number}?" for number in range(40)], command="", data=(), recipe=Recipe(refine_rounds=0),
    )  # fmt: skip
    first = Fitted(IdentityLayer(model), {"steps": 15.0})
    run = Run(model, job.recipe, tmp_path)
    found, own = exhaust(alpha.refinement(run, job, Split([], []), None, first))  # type: ignore[arg-type]
    assert found is first and own == []


def test_a_round_past_the_deadline_costs_one_batch_of_replies_and_no_step(tmp_path: Path) -> None:
    model = load_model(build_tiny(tmp_path / "model"))
    job = Job(
        name="warmth", description="", poles=Poles(negative="cold", positive="warm"), out=tmp_path / "axis",
        prompts=[f"What about {number}?" for number in range(40)], command="", data=(),
        recipe=Recipe(contrast_prompts=10, contrast_samples=4, reply_tokens=8),
    )  # fmt: skip
    first = Fitted(IdentityLayer(model).float(), {"steps": 15.0})
    run = Run(model, job.recipe, tmp_path)
    for deadline in (0.0, 1e18):  # started again with time to spare it stays cut short: later stages were made from it
        found, own = exhaust(alpha.refinement(run.until(deadline), job, Split([], []), None, first))  # type: ignore[arg-type]
        assert found is first and len(own) == 32


def test_the_layer_gives_way_until_replies_beyond_1_are_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(build_tiny(tmp_path / "model"))
    job = Job(
        name="warmth", description="", poles=Poles(negative="cold", positive="warm"), out=tmp_path / "axis",
        prompts=[f"What about {number}?" for number in range(40)], command="", data=(), recipe=Recipe(),
    )  # fmt: skip
    layer = IdentityLayer(model).float()
    layer.layer.self_attn.o_proj.weight.data.fill_(1.0)

    def strength(layer: IdentityLayer) -> float:
        return layer.layer.self_attn.o_proj.weight[0, 0].item()

    def guard(*_: object, alpha: float) -> object:
        assert alpha == 1.25, "asked where people go"
        return lambda layer: GuardMeans(2.0, 0.1, 1.93 * strength(layer) ** 3, 1.0, 1.0)

    monkeypatch.setattr(alpha.guards, "answering", guard)
    checks = {"guard_reward": 1.5, "guard_perplexity_ratio": 1.3, "guard_passed": 1.0, "scale": 1.2}
    for _ in range(2):  # the second time from what the first wrote down
        layer.layer.self_attn.o_proj.weight.data.fill_(1.0)
        found = exhaust(alpha.with_room(Run(model, job.recipe, tmp_path), job, None, Fitted(layer, checks)))  # type: ignore[arg-type]
        assert strength(found.layer) == pytest.approx(0.9), "1.93 x .9^3 = 1.41, and 1.93 x .95^3 = 1.65"
        assert found.checks["room_scale"] == 0.9
        assert {**found.checks, **checks} == found.checks, "what was measured at alpha 1 stays told"


@pytest.mark.parametrize(("pairs_gain", "kept"), [(2.0, "layer"), (1.0, "distilled")])
def test_pairs_train_the_distilled_layer_on_and_are_kept_only_where_they_gain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pairs_gain: float, kept: str
) -> None:
    model = load_model(build_tiny(tmp_path / "model"))
    recipe = Recipe(distil_steps=2, distil_prompts=8, distil_tokens=8, steps=1, batch=2, scales=(1.2,), guard_prompts=1)
    pairs = [Pair(prompt=conversation("Hello?"), chosen="Oh, hello there!", rejected="No.")] * 8
    job = Job(
        name="warmth", description="", poles=Poles(negative="cold", positive="warm"), out=tmp_path / "axis",
        prompts=[f"What about {number}?" for number in range(40)], command="", data=(), given=pairs, recipe=recipe,
        descriptions=("a warm person", "a cold person"),
    )  # fmt: skip
    fits: list[str] = []

    def guard(*_: object, **__: object) -> object:
        def means(layer: IdentityLayer) -> GuardMeans:
            return GuardMeans(pairs_gain if (tmp_path / "layer").exists() else 1.0, 0.1, 1.0, 1.0, 1.0)

        return means

    monkeypatch.setattr(alpha.guards, "answering", guard)
    fit = alpha.dpo.fit

    def begun(run: Run, data: Split, guard: object, folder: Path, start: IdentityLayer | None) -> object:
        assert start is not None
        fits.append(folder.name)
        return fit(run, data, guard, folder, start)  # type: ignore[arg-type]

    monkeypatch.setattr(alpha.dpo, "fit", begun)
    found = exhaust(alpha.layer(Run(model, recipe, tmp_path), job, Split(pairs, pairs), None))  # type: ignore[arg-type]
    assert fits == ["layer"], "once, from the distilled one"
    assert ("pair_accuracy" in found.checks) == (kept == "layer")
    assert ("distil_kl" in found.checks) == (kept == "distilled")
