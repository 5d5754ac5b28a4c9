"""Which layer is kept, and how the training survives a kill."""

from pathlib import Path

import pytest
import torch

from playground.engine.forced import batches, predict
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.engine.methods.identity_layer import IdentityLayer
from playground.events import exhaust
from playground.settings import conversation
from playground.sources import build_tiny
from playground.training.clm.dpo import Margins, encode, fit, loss, read
from playground.training.clm.fitting import Fitted, _State, strengthen
from playground.training.guards import GuardMeans
from playground.training.pairs import Pair, Split
from playground.training.recipe import Recipe
from playground.training.run import Run


@pytest.fixture
def model(tmp_path: Path) -> LanguageModel:
    return load_model(build_tiny(tmp_path / "model"))


@pytest.fixture
def layer(model: LanguageModel) -> IdentityLayer:
    return IdentityLayer(model)


def found(reward: float, perplexity: float, diversity: float = 1.0) -> dict[str, float]:
    return {
        "pair_accuracy": 1.0, "guard_reward": reward, "guard_kl": 0.1,
        "guard_perplexity_ratio": perplexity, "guard_diversity_ratio": diversity, "guard_relevance_ratio": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("checks", "kept"),
    [
        ([(5.0, 3.0), (1.0, 1.05), (1.2, 1.05), (1.1, 1.05)], 1.2),
        ([(1.0, 1.05), (5.0, 3.0)], 1.0),
        ([(5.0, 3.0), (2.0, 2.0), (4.0, 2.5)], 2.0),
        ([(1.0, float("nan")), (0.1, 1.0)], 0.1),
    ],
    ids=["fluent beats broken", "broken never beats fluent", "the least broken of the broken", "nan is broken"],
)
def test_the_best_fluent_layer_is_kept(
    layer: IdentityLayer, tmp_path: Path, checks: list[tuple[float, float]], kept: float
) -> None:
    state = _State(tmp_path / "work", layer, torch.optim.Adam(layer.layer.parameters()))
    for reward, perplexity in checks:
        state.check(found(reward, perplexity), Recipe())
    assert state.checks["guard_reward"] == kept
    assert state.checks["guard_passed"] == float(kept <= 1.2)


def test_two_failed_checks_in_a_row_are_counted(layer: IdentityLayer, tmp_path: Path) -> None:
    state = _State(tmp_path / "work", layer, torch.optim.Adam(layer.layer.parameters()))
    for perplexity, failed in ((1.0, 0), (3.0, 1), (1.0, 0), (3.0, 1), (1.0, 0)):
        state.check(found(1.0, perplexity), Recipe())
        assert state.failed == failed
    state.check(found(1.0, 1.0, diversity=0.5), Recipe())
    assert state.failed == 1, "dull replies fail the guard as well"


def test_a_state_is_taken_up_where_it_was(layer: IdentityLayer, tmp_path: Path) -> None:
    optimizer = torch.optim.Adam(layer.layer.parameters())
    state = _State(tmp_path / "work", layer, optimizer)
    with torch.no_grad():
        for parameter in layer.layer.parameters():
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    state.step = 7
    state.check(found(1.0, 1.0), Recipe())
    weights = {name: tensor.clone() for name, tensor in layer.layer.state_dict().items()}
    with torch.no_grad():
        for parameter in layer.layer.parameters():
            parameter.zero_()
    again = torch.optim.Adam(layer.layer.parameters())
    resumed = _State(tmp_path / "work", layer, again)
    assert (resumed.step, resumed.ended, resumed.checks) == (7, False, state.checks)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in layer.layer.state_dict().items())
    assert len(again.state_dict()["state"]) == len(optimizer.state_dict()["state"]) > 0
    resumed.kept()
    assert _State(tmp_path / "work", layer, again).ended


def test_a_layer_is_trained_on_from_where_it_stands(model: LanguageModel, layer: IdentityLayer, tmp_path: Path) -> None:
    pairs = [Pair(prompt=conversation("Hello?"), chosen="Oh, hello there!", rejected="No.")] * 8
    with torch.no_grad():
        for parameter in layer.layer.parameters():
            parameter.add_(0.01)
    weights = {name: tensor.clone() for name, tensor in layer.layer.state_dict().items()}

    def guard(layer: IdentityLayer) -> GuardMeans:
        return GuardMeans(reward=1.0, kl=0.1, perplexity_ratio=1.0, diversity_ratio=1.0, relevance_ratio=1.0)

    recipe = Recipe(steps=1, batch=2, learning_rate=1e-4)
    fitted = exhaust(fit(Run(model, recipe, tmp_path), Split(pairs, pairs), guard, tmp_path / "work", start=layer))
    moved = [float((new - weights[name]).abs().max()) for name, new in fitted.layer.layer.state_dict().items()]
    assert 0 < max(moved) < 1.1e-4, "one step of Adam moves a weight by the learning rate at most"
    assert all(torch.equal(tensor, weights[name]) for name, tensor in layer.layer.state_dict().items())


def test_one_reading_tells_both_ends(model: LanguageModel, layer: IdentityLayer) -> None:
    pairs = [Pair(prompt=conversation("Hello?"), chosen="Oh, hello there!", rejected="No.")] * 2
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in layer.layer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
        data = encode(model, pairs, longest=64)
        both = read(model, data, [0, 1], layer, (1.0, -1.0))
        (alone,) = read(model, data, [0, 1], layer, (-1.0,))
    assert torch.allclose(both[1].margins, alone.margins, atol=1e-4)
    assert float(both[0].kl) > 0
    assert float(both[1].kl) > 0


def test_long_replies_are_learnt_to_a_limit(model: LanguageModel) -> None:
    pairs = [Pair(prompt=conversation("Hello?"), chosen="on and " * 30, rejected="No.")]
    data = encode(model, pairs, longest=5)
    assert len(data.chosen[0]) == 5
    assert [len(state) for state in data.states] == [5, len(data.rejected[0])]


def reading(margin: float, gains: tuple[float, float] = (0.0, 0.0), kl: float = 0.0) -> Margins:
    return Margins(torch.tensor([margin]), torch.tensor(gains), torch.tensor(kl))


def test_the_loss_wants_the_chosen_at_one_end_and_the_rejected_at_the_other() -> None:
    def cost(up: float, down: float, opposite: float = 1.0) -> float:
        return float(loss([reading(up), reading(down)], Recipe(opposite=opposite)))

    assert cost(9.0, -9.0) < cost(0.0, 0.0) < cost(-9.0, 9.0)
    assert cost(9.0, -9.0, opposite=0.0) == cost(9.0, 9.0, opposite=0.0)


def test_the_loss_wants_little_divergence_and_the_preferred_replies_likely() -> None:
    def cost(ends: list[Margins], **weights: float) -> float:
        return float(loss(ends, Recipe(anchor=0.0, likelihood=0.0).model_copy(update=weights)))

    moved = [reading(0.0, kl=2.0)]
    assert cost(moved, anchor=0.5) - cost(moved) == pytest.approx(1.0)
    gained = [reading(0.0, gains=(0.3, 7.0)), reading(0.0, gains=(7.0, 0.1))]
    assert cost(gained, likelihood=1.0) - cost(gained) == pytest.approx(-0.3 - 0.1)


def test_gains_are_what_the_tokens_gained_on_the_base(model: LanguageModel, layer: IdentityLayer) -> None:
    pairs = [
        Pair(prompt=conversation("Hello?"), chosen="Oh, hello there!", rejected="No."),
        Pair(prompt=conversation("And you?"), chosen="Fine.", rejected="None of your business, really."),
    ]
    with torch.no_grad():
        for parameter in layer.layer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
        data = encode(model, pairs, longest=64)
        (found,) = read(model, data, [1, 0], layer)
        for at, replies in enumerate((data.chosen, data.rejected)):
            steered, base = (
                sum(
                    float(predict(model, batch, used).logprobs(1).sum())
                    for prompt, reply in zip(data.prompts, replies, strict=True)
                    for batch in batches([prompt], [reply], model.device)
                )
                for used in (layer, None)
            )
            assert float(found.gains[at]) == pytest.approx((steered - base) / sum(map(len, replies)), abs=1e-4)


class Asked:
    """A guard whose replies get better and then break as the layer grows."""

    def __init__(self, breaks_at: float) -> None:
        self.breaks_at = breaks_at
        self.sizes: list[float] = []

    def __call__(self, layer: IdentityLayer) -> GuardMeans:
        size = float(layer.layer.state_dict()["mlp.down_proj.weight"][0, 0])
        self.sizes.append(size)
        return GuardMeans(
            reward=size,
            kl=0.1,
            perplexity_ratio=1.0 if size < self.breaks_at else 9.0 * size,
            diversity_ratio=1.0,
            relevance_ratio=1.0,
        )


@pytest.mark.parametrize(
    ("breaks_at", "tried", "scale"),
    [(1.3, [1, 1.2, 1.4], 1.2), (9, [1, 1.2, 1.4, 1.7], 1.7), (1.1, [1, 1.2], 1), (0.7, [1, 0.8, 0.5], 0.5),
     (0.9, [1, 0.8], 0.8), (0.1, [1, 0.8, 0.5], 0.5)],
    ids=["as far as fluent", "all the way", "as it was", "much weaker", "a little weaker", "the least broken"],
)  # fmt: skip
def test_a_layer_is_as_strong_as_the_guard_allows(
    model: LanguageModel, layer: IdentityLayer, tmp_path: Path, breaks_at: float, tried: list[float], scale: float
) -> None:
    with torch.no_grad():
        for end in ("mlp.down_proj", "self_attn.o_proj"):
            layer.layer.state_dict()[f"{end}.weight"].fill_(1.0)
    guard, recipe = Asked(breaks_at), Recipe(scales=(1.7, 0.8, 0.5, 1.2, 1.4))
    run = Run(model, recipe, tmp_path)
    state = _State(tmp_path, layer, torch.optim.Adam(layer.layer.parameters()))
    state.check(found(1.0, 1.0), recipe)
    strong = exhaust(strengthen(run, Fitted(state.kept(), state.checks), guard, tmp_path / "scale.json"))
    assert guard.sizes == pytest.approx(tried)
    assert strong.checks["scale"] == scale
    assert strong.checks["guard_reward"] == pytest.approx(scale)
    for end in ("mlp.down_proj", "self_attn.o_proj"):
        assert torch.allclose(strong.layer.layer.state_dict()[f"{end}.weight"], torch.tensor(float(scale)))
    again = exhaust(strengthen(run, Fitted(state.kept(), state.checks), guard, tmp_path / "scale.json"))
    assert len(guard.sizes) == len(tried), "what was found is not asked for again"
    assert torch.allclose(again.layer.layer.state_dict()["mlp.down_proj.weight"], torch.tensor(float(scale)))
