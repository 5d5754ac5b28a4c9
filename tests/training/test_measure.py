"""What is read off measured points: the step size, where reward stops rising, the tested range."""

import time
from pathlib import Path

import pytest

from playground import metrics
from playground.cards import Point
from playground.engine.decode import decode
from playground.engine.loading import load_model
from playground.engine.methods import by_layer
from playground.engine.methods.identity_layer import IdentityLayer
from playground.events import Finished, Progress, exhaust
from playground.settings import Request, Sampling, Strength
from playground.sources import build_tiny
from playground.training import measure
from playground.training.recipe import Recipe
from playground.training.run import Run

RECIPE = Recipe()
STRENGTHS = [Strength(axis="warmth", alpha=alpha) for alpha in (0.0, 1.0, -1.0, 0.5, 2.0, 1.5)]
PROMPTS = [f"What about {number}?" for number in range(11)]


def point(
    alpha: float = 0.0, control: float = 0.0, reward: float = 0.0, surprise: float = 1.0, diversity: float = 0.9
) -> Point:
    values = {"reward": reward, "surprise": surprise, "diversity": diversity}
    return Point(
        alpha=alpha, control=control, metrics={name: metrics.estimate([value]) for name, value in values.items()}
    )


BASE = point()


def test_what_matters_most_is_measured_first() -> None:
    def at(recipe: Recipe) -> list[tuple[float, float]]:
        return [(asked.alpha, asked.control) for asked in measure.wanted_strengths("warmth", recipe)]

    both, one = at(RECIPE), at(RECIPE.model_copy(update={"opposite": 0.0}))
    assert both[:5] == [(0, 0), (1, 0), (0, 1), (-1, 0), (RECIPE.room, 0)]
    assert set(both) == {(alpha, 0) for alpha in RECIPE.alphas} | {(0, control) for control in (*RECIPE.controls, 0)}
    distances = [abs(alpha) + abs(control) for alpha, control in both[5:]]
    assert len(both) == len(set(both)) and distances == sorted(distances), "outwards, each once"
    assert one == [strength for strength in both if min(strength) >= 0], "no end that was not trained"


def test_the_step_size_with_the_highest_reward_among_fluent_ones_is_taken() -> None:
    points = [point(reward=1.0), point(reward=2.0), point(reward=9.0, surprise=2.0), point(reward=8.0, diversity=0.5)]
    assert measure.best_step_size([0.3, 0.4, 0.5, 0.6], points, BASE, RECIPE) == 0.4
    assert measure.best_step_size([0.3, 0.4, 0.5, 0.6], points[:1], BASE, RECIPE) == 0.3, "time ran out after one"


def test_where_none_passes_the_guard_one_in_the_safe_range_is_taken() -> None:
    safe = RECIPE.safe_diversity * 0.9 + 0.001
    points = [point(reward=3.0, diversity=0.5), point(reward=2.0, diversity=safe), point(reward=1.0, diversity=safe)]
    assert measure.best_step_size([0.4, 0.3, 0.2], points, BASE, RECIPE) == 0.3
    assert measure.best_step_size([0.4, 0.3, 0.2, 0.1], [*points, point(reward=0.5)], BASE, RECIPE) == 0.1


def test_where_no_step_size_is_fluent_the_smallest_is_taken() -> None:
    broken = [point(reward=5.0, surprise=4.0)] * 2
    assert measure.best_step_size([0.4, 0.1], broken, BASE, RECIPE) == 0.1


def test_the_safe_range_ends_where_replies_first_break() -> None:
    points = [
        point(-1.0, surprise=3.0), point(-0.5), BASE, point(0.5), point(1.0, surprise=1.3), point(1.5, diversity=0.5),
        point(2.0), point(control=1.0), point(control=2.0, surprise=3.0),
    ]  # fmt: skip
    found = metrics.safe_range(points, RECIPE.safe_perplexity, RECIPE.safe_diversity)
    assert found.alpha == (-0.5, 1.0), "2 holds again, but beyond a strength that does not"
    assert found.control == (0.0, 1.0)


def test_reward_rises_until_its_highest_mean() -> None:
    points = [point(0.0, reward=0.0), point(1.0, reward=2.0), point(2.0, reward=1.0), point(control=1.0, reward=9.0)]
    assert measure.rises_until(points) == 1.0


def test_perplexities_are_compared_by_their_logs() -> None:
    at = point(surprise=1.5, diversity=0.45)
    assert metrics.ratios(at, BASE).perplexity == pytest.approx(2.718281828**0.5)
    assert metrics.ratios(at, BASE).diversity == pytest.approx(0.5)


def test_each_prompt_is_asked_at_each_strength_with_one_noise() -> None:
    rows = measure.rows_at(STRENGTHS, PROMPTS, seed=7)
    assert {(asked.strength, asked.prompt) for asked in rows} == {
        (at, index) for at in range(len(STRENGTHS)) for index in range(len(PROMPTS))
    }
    assert len(rows) == len(STRENGTHS) * len(PROMPTS)
    for asked in rows:
        assert asked.row.strengths == (STRENGTHS[asked.strength],)
        assert asked.row.messages[-1].content == PROMPTS[asked.prompt]
        assert asked.row.seed == 7 + asked.prompt


@pytest.mark.parametrize("late", [False, True])
def test_readings_are_those_of_their_strength_and_prompt(tmp_path: Path, late: bool) -> None:
    model = load_model(build_tiny(tmp_path / "model"))
    layer = IdentityLayer(model)
    layer.layer.load_state_dict({name: weight + 0.3 for name, weight in layer.layer.state_dict().items()})
    axes = {"warmth": by_layer(layer)}
    recipe = Recipe(measured_tokens=9)
    sampling = Sampling(temperature=recipe.measured_temperature)

    told: list[Progress] = []

    def measured(deadline: float) -> list[list[metrics.ReplyMetrics]]:
        run = Run(model, recipe, tmp_path, deadline)
        grid, to = measure.Grid(STRENGTHS, PROMPTS), run.gathering("replies.jsonl", "curve")
        return exhaust(measure.measure(run, axes, {}, grid, to), told.append)

    # Past its deadline a measurement ends once the first few strengths are measured.
    found = measured(time.monotonic() - 1 if late else float("inf"))
    done = STRENGTHS[: measure.TOGETHER] if late else STRENGTHS
    assert [len(readings) for readings in found] == [len(PROMPTS)] * len(done)
    assert "scoring" in told[-1].note
    for asked in measure.rows_at(done, PROMPTS, recipe.seed):
        alone = [
            event
            for event in decode(
                model, axes, Request(rows=(asked.row,), sampling=sampling, max_new_tokens=recipe.measured_tokens)
            )
            if isinstance(event, Finished)
        ]
        reading = found[asked.strength][asked.prompt]
        assert (reading.prompt, reading.seed) == (asked.prompt, asked.row.seed)
        assert reading.numbers == pytest.approx(metrics.own(alone[0]), rel=1e-4)
