"""The methods as algebra."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.engine.methods import REControl, Steering, SteeringVector
from playground.engine.methods.base import Edited
from playground.engine.methods.clm import alpha_interval, merge
from playground.engine.methods.re_control import GradientAscent
from playground.engine.methods.value_function import ValueFunction
from playground.errors import InvalidInput
from playground.settings import Strength
from tests.engine.plain_decode import climb_by_autograd, interpolate

ROWS, WIDTH, VOCABULARY = 3, 8, 20
alphas = st.floats(-5, 5)
seeds = st.integers(0, 10_000)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(alphas, seeds)
def test_merging_hidden_states_equals_merging_logits(alpha: float, seed: int) -> None:
    base, aligned = random(ROWS, WIDTH, seed=seed), random(ROWS, WIDTH, seed=seed + 1)
    head = random(VOCABULARY, WIDTH, seed=seed + 2)
    merged_first = merge(base, [(alpha, aligned - base)]) @ head.T
    merged_last = merge(base @ head.T, [(alpha, aligned @ head.T - base @ head.T)])
    torch.testing.assert_close(merged_first, merged_last, rtol=1e-4, atol=1e-4)


def test_alpha_0_is_exactly_the_base_and_alpha_1_the_aligned_stream() -> None:
    base, aligned = random(ROWS, WIDTH), random(ROWS, WIDTH, seed=1)
    assert torch.equal(merge(base, [(0.0, aligned - base)]), base)
    torch.testing.assert_close(merge(base, [(1.0, aligned - base)]), aligned)


def test_axes_add_up() -> None:
    base, aligned = random(ROWS, WIDTH), random(2, ROWS, WIDTH, seed=1)
    alpha = random(2, ROWS, seed=2)
    torch.testing.assert_close(
        merge(base, [(alpha[k, :, None], aligned[k] - base) for k in range(2)]), interpolate(base, aligned, alpha)
    )


def test_no_axis_leaves_the_base() -> None:
    base = random(ROWS, WIDTH)
    assert merge(base, []) is base


@pytest.fixture
def function() -> ValueFunction:
    return value_function()


def value_function(width: int = WIDTH, hidden: int = 16) -> ValueFunction:
    """Random, and standardising by random means and scales."""
    torch.manual_seed(0)
    function = ValueFunction(width, hidden)
    function.mean.copy_(torch.randn(width))
    function.scale.copy_(0.5 + torch.rand(width))
    return function


def control(
    hidden: torch.Tensor,
    function: ValueFunction,
    step_size: torch.Tensor,
    updates: torch.Tensor,
    targets: torch.Tensor | None = None,
) -> Edited:
    """A climb; without targets upwards."""
    targets = torch.full_like(step_size, torch.inf) if targets is None else targets
    return GradientAscent(function)(hidden, step_size, updates, targets)


@pytest.mark.parametrize(("step_size", "updates"), [(0.0, 5), (0.5, 0)])
def test_control_off_is_the_identity(function: ValueFunction, step_size: float, updates: int) -> None:
    hidden = random(ROWS, WIDTH)
    found = control(hidden, function, torch.full((ROWS,), step_size), torch.full((ROWS,), updates))
    assert torch.equal(found.hidden, hidden)
    assert torch.equal(found.before, found.after)


@given(seeds, st.integers(1, 8))
@settings(max_examples=25)
def test_small_steps_never_lower_the_value_and_negative_ones_never_raise_it(seed: int, updates: int) -> None:
    function = value_function()
    hidden, rounds = random(ROWS, WIDTH, seed=seed), torch.full((ROWS,), updates)
    up = control(hidden, function, torch.full((ROWS,), 1e-2), rounds)
    down = control(hidden, function, torch.full((ROWS,), -1e-2), rounds)
    assert (up.after >= up.before).all()
    assert (down.after <= down.before).all()


def test_every_row_follows_its_own_step_size_and_updates(function: ValueFunction) -> None:
    hidden = random(ROWS, WIDTH)
    step_size, updates = torch.tensor([0.1, -0.3, 0.2]), torch.tensor([3, 0, 7])
    together = control(hidden, function, step_size, updates)
    for index in range(ROWS):
        part = slice(index, index + 1)
        alone = control(hidden[part], function, step_size[part], updates[part])
        torch.testing.assert_close(together.hidden[part], alone.hidden)


def test_control_is_gradient_ascent_written_out(function: ValueFunction) -> None:
    hidden = random(1, WIDTH)
    state = hidden.clone()
    for _ in range(3):
        leaf = state.clone().requires_grad_(True)
        function(leaf).sum().backward()
        assert leaf.grad is not None
        state = state + 0.2 * leaf.grad
    found = control(hidden, function, torch.tensor([0.2]), torch.tensor([3]))
    torch.testing.assert_close(found.hidden, state)


@given(seeds)
@settings(max_examples=25)
def test_with_a_target_the_climb_descends_hubers_loss(seed: int) -> None:
    """The same steps by autograd, on the loss of V(h) - target; rows without a target climb as ever."""
    function, hidden = value_function(64, 32), random(4, 64, seed=seed)
    targets = torch.tensor([0.3, -2.0, torch.inf, 0.0])
    step_size, state = torch.full((4,), 0.2), hidden.clone()
    for _ in range(6):
        leaf = state.clone().requires_grad_(True)
        values = function(leaf)
        loss = torch.where(
            targets.isfinite(),
            -torch.nn.functional.huber_loss(values, targets.nan_to_num(posinf=0.0), reduction="none", delta=1.0),
            values,
        )
        loss.sum().backward()
        assert leaf.grad is not None
        state = state + 0.2 * leaf.grad
    found = control(hidden, function, step_size, torch.full((4,), 6), targets)
    torch.testing.assert_close(found.hidden, state, rtol=1e-4, atol=1e-4)


@given(seeds, st.floats(-1, 1))
@settings(max_examples=25)
def test_a_climb_to_a_target_comes_nearer_from_either_side_and_stays(seed: int, target: float) -> None:
    function, hidden = value_function(), random(ROWS, WIDTH, seed=seed)
    targets = torch.full((ROWS,), target)
    found = control(hidden, function, torch.full((ROWS,), 0.01), torch.full((ROWS,), 20), targets)
    assert ((found.after - target).abs() <= (found.before - target).abs() + 1e-6).all()
    there = control(hidden, function, torch.full((ROWS,), 0.5), torch.full((ROWS,), 9), found.before)
    torch.testing.assert_close(there.hidden, hidden, rtol=1e-4, atol=1e-5)


def test_a_row_without_a_target_climbs_as_alone_even_where_its_value_is_infinite(function: ValueFunction) -> None:
    torch.nn.init.constant_(function.outer.weight, 10.0)
    hidden, none = random(2, WIDTH), torch.tensor([torch.inf])
    step_size, updates = torch.tensor([1e36, 0.01]), torch.tensor([2, 2])
    together = control(hidden, function, step_size, updates, torch.tensor([torch.inf, 0.5]))
    alone = control(hidden[:1], function, step_size[:1], updates[:1], none)
    assert alone.after.isinf().all() and alone.hidden.isfinite().all()
    torch.testing.assert_close(together.hidden[:1], alone.hidden)


def test_a_target_is_a_row_s_own_and_control_its_pace(function: ValueFunction) -> None:
    method, hidden = REControl(function, 0.01, 30), random(3, WIDTH)
    asked = [Strength(axis="any", control=amount, target=target) for amount, target in ((1, -9), (-1, -9), (1, None))]
    found = method.edit(hidden, asked)
    torch.testing.assert_close(method.edit(hidden[:1].expand(2, -1), asked[:2]).hidden[0], found.hidden[0])
    assert (found.after[:2] < found.before[:2]).all() and found.after[2] > found.before[2]
    assert method.moves(asked[1]) and not method.moves(Strength(axis="any", target=1.0))


@given(seeds)
@settings(max_examples=25)
def test_the_closed_form_is_autograd(seed: int) -> None:
    """Thirty updates of each row by its own step size, also none at all, in float32: equal to 1e-4."""
    function, hidden = value_function(64, 32), 3 * random(5, 64, seed=seed)
    step_size, updates = torch.tensor([0.5, -0.5, 2.0, 0.0, 1.0]), torch.tensor([30, 12, 30, 30, 0])
    found, expected = (
        control(hidden, function, step_size, updates),
        climb_by_autograd(hidden, function, step_size, updates),
    )
    torch.testing.assert_close(found.hidden, expected.hidden, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.before, expected.before, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.after, expected.after, rtol=1e-4, atol=1e-4)
    assert torch.equal(found.hidden[3:], hidden[3:])


def test_control_leaves_no_gradient_and_mutates_nothing(function: ValueFunction) -> None:
    hidden = random(ROWS, WIDTH)
    before = hidden.clone()
    with torch.inference_mode():
        control(hidden, function, torch.full((ROWS,), 0.1), torch.full((ROWS,), 3))
    assert torch.equal(hidden, before)
    assert all(parameter.grad is None for parameter in function.parameters())


@given(seeds, st.floats(-2, 3))
@settings(max_examples=50)
def test_the_chosen_token_wins_inside_its_interval_and_loses_just_outside(seed: int, alpha: float) -> None:
    base, slope = random(1, VOCABULARY, seed=seed).double(), random(1, VOCABULARY, seed=seed + 1).double()
    scores = base + alpha * slope
    chosen = scores.argmax(1)
    found = alpha_interval(scores, slope, torch.tensor([alpha]).double(), chosen)
    low, high = float(found.low), float(found.high)
    assert low <= alpha <= high

    def winner(strength: float) -> int:
        return int((base + strength * slope).argmax())

    inside = [low + 1e-6, (max(low, -100) + min(high, 100)) / 2, high - 1e-6]
    assert all(winner(strength) == chosen for strength in inside if math.isfinite(strength) and low < strength < high)
    assert low == -math.inf or winner(low - 1e-6) == found.low_token != chosen
    assert high == math.inf or winner(high + 1e-6) == found.high_token != chosen


def test_parallel_lines_are_unbounded() -> None:
    scores = torch.tensor([[1.0, 2.0]])
    found = alpha_interval(scores, torch.ones(1, 2), torch.zeros(1), torch.tensor([1]))
    assert float(found.low) == -math.inf
    assert float(found.high) == math.inf


def test_a_tie_ends_the_interval_at_alpha_and_a_twin_does_not() -> None:
    scores, slope = torch.tensor([[2.0, 2.0, 2.0, 0.0]]), torch.tensor([[1.0, 1.0, 3.0, 1.0]])
    found = alpha_interval(scores, slope, torch.tensor([0.5]), torch.tensor([0]))
    assert (float(found.low), float(found.high), int(found.high_token)) == (-math.inf, 0.5, 2)


@given(seeds, st.floats(-3, 3))
@settings(max_examples=25)
def test_a_steering_vector_climbs_its_linear_value_function(seed: int, control: float) -> None:
    vector, hidden = random(WIDTH, seed=seed), random(ROWS, WIDTH, seed=seed + 1)
    found = SteeringVector(vector).edit(hidden, [Strength(axis="any", control=control)] * ROWS)
    expected = climb_by_autograd(hidden, lambda h: h @ vector, torch.full((ROWS,), control), torch.ones(ROWS).long())
    torch.testing.assert_close(tuple(found), tuple(expected), rtol=1e-4, atol=1e-4)


def test_a_steering_vector_moves_each_row_by_its_own_control_and_none_at_0() -> None:
    hidden = random(2, WIDTH)
    method = SteeringVector(random(WIDTH, seed=1))
    still, moved = Strength(axis="any"), Strength(axis="any", control=2.0)
    found = method.edit(hidden, [still, moved])
    assert torch.equal(found.hidden[0], hidden[0])
    assert not torch.equal(found.hidden[1], hidden[1])
    assert (method.moves(still), method.moves(moved)) == (False, True)


def test_of_methods_that_share_a_slider_the_named_one_acts() -> None:
    control, vector = REControl(value_function(), 0.1, 3), SteeringVector(random(WIDTH))
    steering = Steering((control, vector))
    assert list(steering.acting(Strength(axis="any"))) == [control]
    assert list(steering.acting(Strength(axis="any", method="steering_vector"))) == [vector]
    with pytest.raises(InvalidInput, match="no method 'prayer'"):
        list(steering.acting(Strength(axis="any", method="prayer")))
