"""The model of people finds what was put in, and agrees with slower ways and with other programs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.special import expit, logsumexp
from scipy.stats import norm, t

from playground.study import comparisons, crowd, differences, family, planned, preferences
from playground.study import plan as plans
from playground.study.crowd import Crowd
from playground.study.model import apart, inference, likelihood, multilevel, ordinal, pairs, utility
from playground.study.model import prompts as by_prompts
from playground.study.model.design import Design, Layout, Shape
from playground.study.model.pairs import Pairs, Scale, TooLittleError
from playground.study.preferences import PreferenceModel

PLAN = plans.parse(plans.example())
SCALE = Scale(PLAN.strengths)


@pytest.mark.parametrize("highest", [0.6, 0.9, 1.2, 1.3, 1.7, 1.8])
def test_the_ends_of_a_scale_are_the_strengths_shown_to_the_bit(highest: float) -> None:
    scale = Scale((-1.0, 0.0, highest))
    assert [float(scale.back(np.array(end))) for end in (-1, 1)] == [-1.0, highest]


CROWD = crowd.crowd(PLAN, preferred=0.8, spread=0.4, careless=0.0)
OTHERS = json.loads((Path(__file__).parent / "others.json").read_text())


def shown_to(people: int) -> crowd.Schedules:
    shown = planned.planned(PLAN, "", people, 0).pairs
    assert shown is not None
    return shown


def drawn(people: int, seed: int = 0, degrees: bool = False, **about: Any) -> Pairs:
    shown = shown_to(people)
    return crowd.draw_pairs(CROWD.model_copy(update=about), shown, np.random.default_rng(seed), degrees)


def designed(data: Pairs) -> Design:
    return pairs.design(data, SCALE, pairs.quadratic(data, SCALE))


def by_brute_force(fit: multilevel.Fit) -> float:
    """The log-likelihood of a fit by a dense grid over both draws of each person, written out."""
    design, at, layout = fit.design, fit.at, fit.layout
    grid = np.linspace(-6, 6, 241)
    delta = np.exp(at[layout.spread]) if layout.spread is not None else 0.0
    omega = np.exp(at[layout.omega]) if layout.omega is not None else 0.0
    ends = np.concatenate([[-np.inf], ordinal.thresholds(at[layout.steps], design.categories), [np.inf]])
    draws = grid if layout.omega is not None else np.zeros(1)
    log_density = norm.logpdf(grid) + np.log(grid[1] - grid[0])
    log_draws = log_density if layout.omega is not None else np.zeros(1)
    careless = expit(at[layout.careless]) if layout.careless is not None else 0.0
    total = 0.0
    for person in range(design.people):
        rows = design.person == person
        outer, inner = design.outer[rows] @ at[layout.outer], design.inner[rows] @ at[layout.inner]
        eta = outer[:, None, None] + np.exp(omega * draws) * (
            inner[:, None, None] + delta * grid[:, None] * design.slope[rows][:, None, None]
        )
        low, high = ends[design.answer[rows]], ends[design.answer[rows] + 1]
        likely = expit(high[:, None, None] - eta) - expit(low[:, None, None] - eta)
        log = np.log(np.maximum(likely, 1e-300)).sum(axis=0)
        one = logsumexp(log + log_density[:, None] + log_draws)
        none = np.log(expit(high) - expit(low)).sum()
        total += np.logaddexp(np.log1p(-careless) + one, np.log(careless) + none if careless else -np.inf)
    return float(total)


@pytest.mark.parametrize("degrees", [False, True])
@pytest.mark.parametrize("shape", [Shape(sharpness=False), Shape(), Shape(careless=True)], ids=str)
def test_adaptive_quadrature_is_a_dense_grid(shape: Shape, degrees: bool) -> None:
    """Also with forty pairs of people whose tops lie far apart, where nodes that stay put go wrong."""
    forty = crowd.Schedules(*(np.concatenate([part] * 4, axis=1) for part in shown_to(12)[:2]))
    about = CROWD.model_copy(update={"spread": 0.8, "sharpness_spread": 0.5, "careless": 0.15 * shape.careless})
    data = crowd.draw_pairs(about, forty, np.random.default_rng(3), degrees)
    fitted = multilevel.fit(designed(data), shape)
    assert fitted.log_likelihood == pytest.approx(by_brute_force(fitted), abs=0.05)
    closer = multilevel.fit(designed(data), shape, counts=(15, 15))
    assert closer.log_likelihood == pytest.approx(by_brute_force(closer), abs=0.005)


@pytest.mark.parametrize("shape", [Shape(), Shape(careless=True), Shape(careless=True, camps=True)], ids=str)
@pytest.mark.parametrize("unit", [None, 1])
def test_scores_are_derivatives(shape: Shape, unit: int | None) -> None:
    design = replace(designed(drawn(6, degrees=True)), unit=unit)
    layout = Layout.of(design, shape)
    at = layout.start() + 0.1 * np.random.default_rng(1).standard_normal(layout.size)
    where = likelihood.nodes(at, design, layout, (7, 5))
    _, _, by_person, _, _ = likelihood.scores(at, design, layout, where)
    for place, step in enumerate(np.eye(layout.size) * 1e-5):
        higher, lower = (likelihood.scores(at + by, design, layout, where)[0] for by in (step, -step))
        assert (higher - lower) / 2e-5 == pytest.approx(by_person[:, place], abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(some.floats(-3, 3), some.integers(2, 7), some.lists(some.floats(-2, 1), min_size=3, max_size=3))
def test_answers_have_probabilities_that_sum_to_one(eta: float, categories: int, steps: list[float]) -> None:
    cut = ordinal.cuts(np.array(steps[: (categories - 1) // 2]), categories, np.arange(categories))
    chances = ordinal.chances(np.full((categories, 1), eta), cut)
    assert np.exp(ordinal.log_of(chances, cut)).sum() == pytest.approx(1)


def stored(name: str) -> tuple[Pairs, dict[str, Any]]:
    """A data set that R's programs were given, and their estimates; see tools/studies/others.R."""
    one = OTHERS[name]
    columns = {key: np.array(values) for key, values in one["answers"].items()}
    strengths = np.array(one["strengths"])
    return Pairs(
        people=int(columns["person"].max()) + 1,
        person=columns["person"],
        left=strengths[columns["left"]],
        right=strengths[columns["right"]],
        answer=columns["answer"],
        categories=one["categories"],
        prompt=np.zeros(len(columns["person"]), int),
    ), one["estimates"]


@pytest.mark.parametrize("name", [name for name, one in OTHERS.items() if "lme4" in one["estimates"]])
def test_choices_without_ties_are_those_of_lme4(name: str) -> None:
    data, estimates = stored(name)
    ours = multilevel.fit(designed(data), Shape(sharpness=False), counts=(11, 1))
    theirs = estimates["lme4"]
    assert ours.log_likelihood == pytest.approx(theirs["log_likelihood"], abs=0.02)
    assert ours.at[:3] == pytest.approx(theirs["fixed"], abs=0.02)
    assert ours.spread == pytest.approx(theirs["deviation"], rel=0.02)
    error = np.sqrt(np.diag(inference.by_model(ours)))[:3]
    assert error == pytest.approx(theirs["errors"], rel=0.03)


@pytest.mark.parametrize("name", [name for name, one in OTHERS.items() if "ordinal" in one["estimates"]])
def test_ties_and_degrees_are_those_of_ordinal(name: str) -> None:
    """Whose `clmm` has Laplace's approximation for a slope, which is one node."""
    data, estimates = stored(name)
    theirs, design = estimates["ordinal"], designed(data)
    upper = np.array(theirs["thresholds"])[(data.categories - 1) // 2 :]
    steps = np.log(np.diff(upper, prepend=0.0))
    at = np.array([*theirs["fixed"], *steps, np.log(theirs["deviation"])])
    layout = Layout.of(design, Shape(sharpness=False))
    where = likelihood.nodes(at, design, layout, (1, 1))
    assert likelihood.scores(at, design, layout, where)[0].sum() == pytest.approx(theirs["log_likelihood"], abs=0.01)
    found = multilevel.fit(design, Shape(sharpness=False))
    assert found.at[:3] == pytest.approx(theirs["fixed"], abs=0.1)
    assert found.spread == pytest.approx(theirs["deviation"], rel=0.1, abs=0.05)
    cuts = ordinal.thresholds(found.at[found.layout.steps], data.categories)
    assert cuts == pytest.approx(theirs["thresholds"], abs=0.05)


@pytest.mark.parametrize("name", [name for name, one in OTHERS.items() if "lme4" in one["estimates"]])
def test_utilities_by_strength_are_the_abilities_of_bradleyterry2(name: str) -> None:
    data, estimates = stored(name)
    theirs = estimates["BradleyTerry2"]
    scale = Scale(tuple(OTHERS[name]["strengths"]))
    alike = Shape(slope=False, sharpness=False)
    found = utility.by_strength(data, scale, alike)
    abilities = np.array([0.0, *theirs["abilities"][:-1]])
    assert theirs["names"] == [*(f"strength{place}" for place in range(1, 6)), "side"]
    assert found.values == pytest.approx(abilities - abilities[scale.strengths.index(0.0)], abs=0.01)
    assert found.fit.at[0] == pytest.approx(theirs["abilities"][-1], abs=0.01)
    assert found.fit.log_likelihood == pytest.approx(theirs["log_likelihood"], abs=0.01)


def test_a_preferred_strength_is_recovered_with_ties_and_with_degrees() -> None:
    for degrees in (False, True):
        found = preferences.preference(PreferenceModel(drawn(150, 1, degrees), PLAN.strengths))
        assert found.curve == "parabola"
        assert found.preferred is not None
        assert found.preferred.low < 0.8 < found.preferred.high
        assert found.preferred.high - found.preferred.low < 0.3
        assert found.beyond == ()
        assert set(found.best) <= {0.5, 1.0}


def test_degrees_tell_more_than_choices() -> None:
    graded = drawn(60, 2, degrees=True)
    plain = replace(graded, answer=np.sign(graded.answer - 3) + 1, categories=3)
    widths = [
        one.preferred.high - one.preferred.low
        for one in (preferences.preference(PreferenceModel(data, PLAN.strengths)) for data in (graded, plain))
        if one.preferred is not None
    ]
    assert len(widths) == 2
    assert widths[0] < widths[1]


def test_liking_that_falls_steeply_above_its_top_is_not_told_by_a_parabola() -> None:
    shown = shown_to(150)
    about = CROWD.model_copy(update={"spread": 0.0, "sharpness": 0.5, "above": 6.0})
    found = preferences.preference(
        PreferenceModel(crowd.draw_pairs(about, shown, np.random.default_rng(4)), PLAN.strengths)
    )
    assert found.curve == "two-sided"
    assert found.misfit is not None
    assert found.misfit < 0.01
    assert found.preferred is not None
    assert found.preferred.low < 0.8 < found.preferred.high
    assert found.parabola.high < 0.8


def test_few_pairs_do_not_take_it_that_liking_falls_alike_on_both_sides() -> None:
    """A parabola passes its test here, and its interval lies below the truth."""
    about = CROWD.model_copy(update={"spread": 0.0, "sharpness": 0.5, "above": 6.0})
    drawn_by = (crowd.draw_pairs(about, shown_to(20), np.random.default_rng(seed)) for seed in range(8))
    studies = [preferences.preference(PreferenceModel(data, PLAN.strengths)) for data in drawn_by]
    passed = [one for one in studies if one.misfit is not None and one.misfit > 0.3 and not one.refused]
    assert passed
    for found in passed:
        assert found.curve == "two-sided"
        assert found.parabola.high < 0.8
        assert found.preferred is not None
        assert found.preferred.low < 0.8 < found.preferred.high


def test_two_camps_are_told_and_one_is_not() -> None:
    found = preferences.people(PreferenceModel(drawn(60, 1, preferred=0.1, second=1.5, spread=0.15), PLAN.strengths))
    assert [camp.preferred.mean for camp in found.camps] == pytest.approx([0.1, 1.5], abs=0.2)
    assert preferences.people(PreferenceModel(drawn(60, 1), PLAN.strengths)).camps == ()


def test_people_who_differ_are_told_and_those_alike_have_a_bound() -> None:
    found = preferences.people(PreferenceModel(drawn(150, 1), PLAN.strengths))
    assert found.chance < 0.01
    assert found.deviation.low < 0.4 < found.deviation.high
    assert sum(share.mean for _, share in found.shares) == pytest.approx(1)
    alike = preferences.people(PreferenceModel(drawn(60, 3, spread=0.0, sharpness_spread=0.5), PLAN.strengths))
    assert alike.chance > 0.05
    assert alike.deviation.low == 0
    assert 0 < alike.at_most < 0.45


def test_careless_people_are_no_difference_in_taste() -> None:
    found = PreferenceModel(drawn(80, 2, spread=0.0, careless=0.25), PLAN.strengths)
    assert preferences.people(found).chance > 0.05
    assert found.shape.careless
    assert preferences.preference(found).careless == pytest.approx(0.25, abs=0.15)


def test_prompts_that_differ_widen_the_interval_in_general() -> None:
    names = [prompt.id for prompt in PLAN.scored_prompts]
    model = PreferenceModel(drawn(100, 1, prompts=0.5), PLAN.strengths)
    here, general = preferences.preference(model).preferred, preferences.by_prompt(model, names)
    assert general.chance < 0.01
    assert general.preferred is not None
    assert here is not None
    assert general.preferred.high - general.preferred.low > 1.3 * (here.high - here.low)


def test_a_variance_between_prompts_is_that_of_its_sample() -> None:
    """Without noise it is the sample's, whose interval holds it; where there is but noise, it is 0 and has a bound."""
    effects = np.array([-0.5, -0.1, 0.2, 0.4, 0.0])
    deviation, low, high, chance = by_prompts.between(effects, 1e-6)
    assert deviation == pytest.approx(effects.std(ddof=1), rel=0.001)
    assert low < deviation < high
    assert chance < 0.001
    deviation, low, high, chance = by_prompts.between(effects / 100, 1.0)
    assert deviation == low == 0 < high
    assert chance > 0.99


def test_an_interval_of_the_variance_between_prompts_holds_it_19_times_in_20() -> None:
    rng = np.random.default_rng(0)
    effects = np.hypot(0.3, 0.2) * rng.standard_normal((2000, 12))
    found = [by_prompts.between(one - one.mean(), 0.04) for one in effects]
    assert np.mean([low <= 0.3 <= high for _, low, high, _ in found]) == pytest.approx(0.95, abs=0.015)


@given(some.floats(-3, 3), some.floats(0.5, 3))
def test_a_ratio_known_well_has_the_interval_of_the_delta_method(top: float, bottom: float) -> None:
    small = 1e-6 * np.array([[2.0, 0.5], [0.5, 1.0]])
    gradient = np.array([1 / bottom, -top / bottom**2])
    half = 2 * np.sqrt(gradient @ small @ gradient)
    found = inference.ratio(top, bottom, small, 2.0)
    assert found is not None
    assert found == pytest.approx((top / bottom - half, top / bottom + half), abs=0.02 * half + 1e-9)


def test_a_ratio_over_nothing_has_no_two_ends() -> None:
    assert inference.ratio(1.0, 0.01, np.eye(2), 2.0) is None


def test_holm_is_that_of_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    chances = [0.01, 0.04, 0.03, 0.005, 0.8]
    assert family.holm(chances) == pytest.approx(multipletests(chances, method="holm")[1].tolist())
    assert family.holm([]) == []


def test_topics_that_differ_are_told_and_labels_at_random_are_not() -> None:
    one, two = (drawn(40, 3, preferred=at) for at in (0.3, 1.3))
    half = np.arange(len(one.answer)) % 2 == 0
    data = replace(one, answer=np.where(half, one.answer, two.answer))
    labels = np.where(half, "a", "b").tolist()
    found = differences.topics(PreferenceModel(data, PLAN.strengths), labels, None, {})
    assert found.chance < 0.01
    assert found.in_general is None
    a, b = found.preferred["a"], found.preferred["b"]
    assert a is not None
    assert b is not None
    assert a.mean < b.mean
    (apart,) = found.each
    assert apart.apart.low < 1.0 < apart.apart.high
    assert (apart.first, apart.second, apart.equivalent, found.equivalent) == ("a", "b", None, None)
    random = np.where(np.random.default_rng(5).random(len(half)) < 0.5, "a", "b").tolist()
    assert differences.topics(PreferenceModel(one, PLAN.strengths), random, None, {}).chance > 0.05


def two_halves(
    first: float, second: float, people: int = 40, between: bool = False
) -> tuple[PreferenceModel, list[str]]:
    """People who like one strength best in half of the answers, or half of whom do."""
    one, two = (drawn(people, 3, preferred=at) for at in (first, second))
    half = (one.person if between else np.arange(len(one.answer))) % 2 == 0
    data = replace(one, answer=np.where(half, one.answer, two.answer))
    return PreferenceModel(data, PLAN.strengths), np.where(half, "a", "b").tolist()


@pytest.mark.parametrize("between", [False, True])
def test_parts_that_differ_are_told_from_those_that_are_the_same(between: bool) -> None:
    differ = differences.parts(*two_halves(0.3, 1.3, between=between), margin=0.5)
    assert differ.chance < 0.01
    assert differ.equivalent is not None
    assert differ.equivalent > 0.5
    assert differ.each[0].apart.low < 1.0 < differ.each[0].apart.high
    same = differences.parts(*two_halves(0.8, 0.8, between=between), margin=0.8)
    assert same.chance > 0.05
    assert same.equivalent is not None
    assert same.equivalent < 0.05
    assert same.in_general is None


def test_equivalence_is_an_interval_of_90_percent_inside_the_margin() -> None:
    """Two one-sided tests at 5 %, which the margin that just holds the interval passes by a hair."""
    model, labels = two_halves(0.8, 0.9)
    (apart,) = differences.parts(model, labels).each
    people = model.pairs.people - 1
    error = (apart.apart.high - apart.apart.mean) / t.ppf(0.975, people)
    edge = abs(apart.apart.mean) + t.ppf(0.95, people) * error
    for margin, passes in ((edge * 1.01, True), (edge * 0.99, False)):
        equal = differences.parts(model, labels, margin).equivalent
        assert equal is not None
        assert (equal < 0.05) == passes


def test_parts_without_a_top_or_with_few_people_are_not_compared() -> None:
    model, labels = two_halves(0.8, 0.8, people=8)
    with pytest.raises(TooLittleError, match="a has fewer"):
        differences.parts(model, labels)
    model, labels = two_halves(0.8, 12.0)
    with pytest.raises(TooLittleError, match=r"b has no top|does not fit"):
        differences.parts(model, labels)


def test_parts_of_one_are_the_whole() -> None:
    """One parabola for each of K parts is, for one part, the parabola itself."""
    model, _ = two_halves(0.8, 0.8)
    found = apart.part_tops(model.pairs, model.scale, model.shape, np.zeros(len(model.pairs.answer), dtype=np.int64))
    assert found.tops[0] == pytest.approx(model.parabola.top, abs=1e-3)
    assert found.intervals[0] == pytest.approx(model.parabola.interval, abs=2e-3)


def test_a_registered_family_is_adjusted_alone() -> None:
    chances = {"people differ": 0.01, "topics differ": 0.03, "reward beside the strength": 0.02, "lost": None}
    every = {one.name: one.adjusted for one in family.tests(chances, None)}
    assert every == {
        "people differ": pytest.approx(0.03),
        "topics differ": pytest.approx(0.04),
        "reward beside the strength": pytest.approx(0.04),
    }
    some = {one.name: one.adjusted for one in family.tests(chances, ["people differ", "topics differ"])}
    assert some == {
        "people differ": pytest.approx(0.02),
        "topics differ": pytest.approx(0.03),
        "reward beside the strength": None,
    }
    lost = family.tests(chances, ["people differ", "lost"])  # what cannot be told makes the family no smaller
    assert lost[0].adjusted == pytest.approx(0.02)
    assert [one.adjusted for one in family.tests(chances, [])] == [None] * 3


def test_a_question_that_tells_what_people_like_is_found() -> None:
    data = drawn(60, 1, preferred=0.2, second=1.4, spread=0.2)
    model = PreferenceModel(data, PLAN.strengths)
    said = ["young" if person % 2 else "old" for person in range(60)]
    assert comparisons.moderator(model, said) < 0.01
    assert comparisons.moderator(model, [str(one) for one in np.random.default_rng(1).integers(1, 8, 60)]) > 0.05


def test_a_reward_that_is_all_people_go_by_is_told_from_strength() -> None:
    data, rng = drawn(60, 1), np.random.default_rng(0)
    reward = 30 * rng.standard_normal(len(data.answer))
    answer = np.sign(np.round((reward / 30 + rng.logistic(size=len(reward)) / 2) * 2)).astype(int) + 1
    model = PreferenceModel(replace(data, answer=answer, covariates={"reward": reward}), PLAN.strengths)
    alone, beside = comparisons.alone(model, ["reward"]), comparisons.beside(model, ["reward"])
    assert alone.effects["reward"].low > 0
    assert beside.effects["reward"].mean == pytest.approx(alone.effects["reward"].mean, rel=0.1)
    assert alone.explained > 5 * comparisons.explained(model)


def test_thresholds_placed_by_earlier_answers_are_each_persons_own() -> None:
    from playground.study.adaptive import Quest

    rng, quest, rows = np.random.default_rng(2), Quest(PLAN.strengths), []
    for person in range(120):
        threshold, before = 1.1 + 0.4 * rng.standard_normal(), []
        for _ in range(6):
            at = PLAN.strengths[quest.choose(before, float(rng.random()))]
            before.append((at, bool(at + 0.3 * rng.standard_normal() > threshold)))
        rows += [(person, *one) for one in before]
    person, at, said = (np.array(part) for part in zip(*rows, strict=True))
    found = comparisons.too_strong(person, at, said.astype(float), PLAN.strengths)
    for estimate, truth in (
        (found.half, 1.1),
        (found.three_quarters, 1.1 + 0.6745 * 0.5),
        (found.median, 1.1),
        (found.deviation, 0.4),
    ):
        assert estimate is not None
        assert estimate.low < truth < estimate.high
        assert estimate.high - estimate.low < 0.35


def test_unanimous_answers_have_finite_estimates() -> None:
    data = drawn(20)
    rising = replace(data, answer=2 * (data.right > data.left).astype(int))
    found = preferences.preference(PreferenceModel(rising, PLAN.strengths))
    assert found.preferred is None or found.preferred.mean == PLAN.strengths[-1]
    assert all(np.isfinite([one.mean, one.low, one.high]).all() for _, one in found.utilities)


def test_a_preference_beyond_what_was_shown_is_told_as_such() -> None:
    found = preferences.preference(PreferenceModel(drawn(100, preferred=4.0), PLAN.strengths))
    assert found.preferred is None or (found.preferred.high == PLAN.strengths[-1] and "high" in found.beyond)


def test_utilities_are_by_strength_what_a_parabola_is_where_it_fits() -> None:
    led = PreferenceModel(drawn(200, 1), PLAN.strengths, careless=False).led
    x = SCALE.to(np.array(PLAN.strengths))
    linear, square = led.parabola.fit.at[led.parabola.fit.layout.inner]
    by_parabola = linear * x + square * x**2
    by_parabola -= by_parabola[PLAN.strengths.index(0.0)]
    error = np.sqrt(np.diag(led.by_strength.covariance))
    assert (np.abs(led.by_strength.values - by_parabola) <= 3 * error + 1e-9).all()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: PreferenceModel(drawn(2), PLAN.strengths),
        lambda: preferences.people(PreferenceModel(drawn(4), PLAN.strengths)),
        lambda: differences.topics(PreferenceModel(drawn(12), PLAN.strengths), ["one"] * 120, None, {}),
        lambda: comparisons.too_strong(np.zeros(2, int), np.array([0.0, 1.0]), np.array([0.0, 1.0]), (0.0, 1.0)),
        lambda: comparisons.moderator(PreferenceModel(drawn(12), PLAN.strengths), [None] * 12),
        lambda: comparisons.alone(PreferenceModel(drawn(12), PLAN.strengths), ["reward"]),
        lambda: preferences.by_prompt(PreferenceModel(drawn(4), PLAN.strengths), ["a"] * 6),
    ],
)
def test_too_few_answers_are_told_in_a_sentence(ask: Any) -> None:
    with pytest.raises(TooLittleError, match=r"^[A-Z].*\.$"):
        ask()


def test_a_crowd_answers_by_its_own_numbers() -> None:
    about = Crowd(preferred=0.8, spread=0, sharpness=1.28, limit=1, careless=0, side=0.0)
    pair = np.tile(np.array([[0.0, 1.0]]), (40000, 1))
    own = np.full(40000, 0.8)
    answer = crowd.graded(about, crowd.felt(about, own, np.ones(40000), pair, np.random.default_rng(0)))
    gain = 1.28 * (0.8**2 - 0.2**2)
    assert (answer > 0).mean() == pytest.approx(expit(gain - 0.3), abs=0.01)
    assert (answer == 3).mean() == pytest.approx(expit(gain - 2.3), abs=0.01)
    assert (answer == 0).mean() == pytest.approx(expit(0.3 - gain) - expit(-0.3 - gain), abs=0.01)
