"""The search for the most likely model: it ends where no step within bounds gains anything."""

import numpy as np
import pytest
from scipy.optimize import minimize

from playground.study.model import multilevel, search
from playground.study.model.design import Design, Shape
from playground.study.model.ordinal import Array


@pytest.mark.parametrize("seed", range(8))
def test_a_logistic_regression_within_bounds_is_that_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = rng.standard_normal((200, 4)) * [1, 5, 0.2, 1]
    said = rng.random(200) < 1 / (1 + np.exp(-columns @ [1.0, -0.3, 2.0, 0.0]))
    ends = np.array([[-np.inf, -0.2, -np.inf, 0.1], [0.5, np.inf, np.inf, np.inf]])

    def loss(at: Array) -> tuple[float, Array, Array]:
        eta = columns @ at
        scores = (said - 1 / (1 + np.exp(-eta)))[:, None] * columns
        return float(np.logaddexp(0, eta).sum() - eta[said].sum()), -scores.sum(axis=0), scores

    at, bend, value = np.full(4, 3.0), None, np.inf
    for _ in range(20):
        at, bend, value = search.minimum(loss, at, ends, bend)
    theirs = minimize(lambda one: loss(one)[:2], np.zeros(4), jac=True, bounds=list(ends.T), options={"ftol": 1e-14})
    assert value == pytest.approx(theirs.fun, abs=1e-6)
    assert at == pytest.approx(theirs.x, abs=1e-3)
    assert (at >= ends[0]).all()
    assert (at <= ends[1]).all()


@pytest.mark.parametrize("shape", [Shape(), Shape(careless=True), Shape(sharpness=False)])
def test_a_fitted_model_is_level(shape: Shape) -> None:
    rng = np.random.default_rng(3)
    person, x = np.repeat(np.arange(30), 12), rng.uniform(-2, 2, 360)
    own = 0.8 * rng.standard_normal(30)[person]
    answer = np.digitize((0.5 + own) * x + rng.logistic(size=360), [-0.4, 0.4])
    design = Design(person, answer.astype(np.int64), 3, np.ones((360, 1)), x[:, None], x)
    found = multilevel.fit(design, shape)
    slope = found.by_person.sum(axis=0)[found.free]
    errors = 1 / np.sqrt(np.diag(found.curvature)[found.free])
    assert np.abs(slope * errors).max() < 0.02  # in standard errors: from the top no further than that


def test_a_start_near_a_fitted_model_ends_where_a_fresh_one_does() -> None:
    rng = np.random.default_rng(5)
    person, x = np.repeat(np.arange(30), 12), rng.uniform(-2, 2, 360)
    answer = np.digitize(0.7 * x + rng.logistic(size=360), [-0.4, 0.4]).astype(np.int64)
    design = Design(person, answer, 3, np.ones((360, 1)), x[:, None], x)
    plain, mixed = multilevel.fit(design, Shape()), Shape(careless=True)
    start = multilevel.start_near(plain, design, mixed, plain.at[plain.layout.inner])
    warm, cold = multilevel.fit(design, mixed, start), multilevel.fit(design, mixed)
    assert warm.log_likelihood == pytest.approx(cold.log_likelihood, abs=1e-3)
