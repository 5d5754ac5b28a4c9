"""How many people a study takes: whole studies simulated with the plan's own schedules, and analysed as real ones."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from playground.cards import Estimate
from playground.errors import InvalidInput
from playground.study import comparisons, differences, family, preferences
from playground.study.crowd import Crowd, Schedules, draw_pairs, draw_verdicts
from playground.study.family import SecondaryTest
from playground.study.model import spread
from playground.study.model.ordinal import Places
from playground.study.model.pairs import Pairs, TooLittleError
from playground.study.parts import Condition, PlannedAnalysis
from playground.study.plan import StudyPlan
from playground.study.planned import Planned, planned
from playground.study.preferences import PreferenceModel

COVERS_ENOUGH, SURE = 0.9, 0.05


@dataclass(frozen=True)
class SampleSize:
    """What so many people give: how wide the primary outcome's interval is, and how often it holds the truth.

    Over simulated studies. `detects` is how often it leaves `against` out, `told` the share of studies in which the
    outcome could be told at all, `misfit` how often a parabola is found not to fit. `tests` tells how often each test
    of the registered family holds after Holm's adjustment, `level` how often alone.
    """

    people: int
    width: float
    covers: float
    detects: float
    misfit: float
    told: float
    tests: Mapping[str, float]
    level: Mapping[str, float]


@dataclass(frozen=True)
class _Study:
    """One simulated study as analysed."""

    outcome: Estimate | None
    misfit: bool
    tests: tuple[SecondaryTest, ...]


def covered(plan: StudyPlan) -> tuple[str, ...]:
    """The tests of the plan's family that are simulated."""
    margin = plan.analysis is not None and plan.analysis.equivalent_within is not None
    known = (family.PEOPLE, *family.of_parts(plan.compared_parts, margin)) if plan.of_kind("pair") else ()
    registered = plan.analysis.secondary if plan.analysis else None
    return tuple(name for name in known if registered is None or name in registered)


def not_covered(plan: StudyPlan) -> tuple[str, ...]:
    """The registered tests that are not: nothing is assumed of what they ask."""
    registered = plan.analysis.secondary if plan.analysis else None
    return tuple(name for name in registered or () if name not in covered(plan))


def power(
    plan: StudyPlan, about: Crowd, sizes: Sequence[int], against: float, studies: int = 200, seed: int = 0,
    condition: Condition | None = None,
) -> Iterator[SampleSize]:  # fmt: skip
    """For each number of people, what to expect of the registered hypotheses. Raises InvalidInput.

    Careless people are among them, as nobody knows whether checks find them. Prompts differ as the crowd says, and are
    drawn anew for each study: the truth is that of prompts in general. With several conditions the primary outcome is
    that of one.
    """
    condition = condition or plan.compared[0]
    shown, rng = planned(plan, condition.id, max(sizes), seed), np.random.default_rng(seed)
    simulation = _Simulation(plan, about, condition, shown)
    if simulation.limit_leads and not any(shown.verdicts):
        raise InvalidInput(
            "Nobody says what is too strong.", "Add a [[tasks]] of kind single or adaptive to the study."
        )
    if not simulation.limit_leads and shown.pairs is None:
        raise InvalidInput("Only pairs tell a preferred strength.", "Add a [[tasks]] of kind pair to the study.")
    for people in sizes:
        yield _summed(people, [simulation.study(people, rng) for _ in range(studies)], simulation.truth, against)


def _summed(people: int, each: Sequence[_Study], truth: float, against: float) -> SampleSize:
    told = [one.outcome for one in each if one.outcome is not None]
    names = list(dict.fromkeys(test.name for one in each for test in one.tests if test.adjusted is not None))
    passed = {name: [test for one in each for test in one.tests if test.name == name] for name in names}
    return SampleSize(
        people=people,
        width=median(one.high - one.low for one in told) if told else math.nan,
        covers=_share([one.low <= truth <= one.high for one in told]),
        detects=_share([not one.low <= against <= one.high for one in told]),
        misfit=_share([one.misfit for one in each]),
        told=len(told) / len(each),
        tests={name: sum((one.adjusted or 0) < SURE for one in found) / len(each) for name, found in passed.items()},
        level={name: sum(one.chance < SURE for one in found) / len(each) for name, found in passed.items()},
    )


class _Simulation:
    """Draws studies of a plan and analyses what it registers."""

    def __init__(self, plan: StudyPlan, about: Crowd, condition: Condition, shown: Planned) -> None:
        self.plan, self.about, self.condition, self.shown = plan, about, condition, shown
        self.asked = plan.analysis or PlannedAnalysis()
        self.place = plan.compared.index(condition)
        self.degrees = any(task.degree for task in plan.of_kind("pair")[:1])
        self.covered = covered(plan)

    @property
    def limit_leads(self) -> bool:
        """Whether the primary outcome is from where on replies are too strong."""
        return self.asked.primary == "too_strong"

    @property
    def truth(self) -> float:
        """What the primary outcome's interval should hold."""
        return self.about.limit if self.limit_leads else self.about.preferred + self.place * self.about.conditions

    def study(self, people: int, rng: np.random.Generator) -> _Study:
        """One study of so many people."""
        outcome = self._limit(people, rng) if self.limit_leads else None
        if self.shown.pairs is None or (self.limit_leads and not self.covered):
            return _Study(outcome, False, ())
        shown = self.shown.pairs.of(people)
        pairs = draw_pairs(self.about, shown, rng, self.degrees)
        here = pairs if shown.condition is None else pairs.only(shown.condition.ravel() == self.place)
        # no careless people in the model, as for most studies: a test for them would take most of the time
        model = PreferenceModel(here, self.condition.strengths, careless=False)
        leads, fits = model.led.leads, model.led.parabola_fits
        if not self.limit_leads and leads is not None and leads.has_top:
            outcome = preferences.told(leads, model.scale)
        chances = self._chances(model, pairs, shown)
        return _Study(outcome, not fits, family.tests(chances, self.asked.secondary))

    def _limit(self, people: int, rng: np.random.Generator) -> Estimate | None:
        strengths = self.condition.strengths
        try:
            return comparisons.too_strong(
                *draw_verdicts(self.about, self.shown.verdicts[:people], strengths, rng), strengths
            ).half
        except TooLittleError:
            return None

    def _chances(self, model: PreferenceModel, pairs: Pairs, shown: Schedules) -> dict[str, float | None]:
        """The tests of the family that are simulated; None for one that cannot be told."""
        chances: dict[str, float | None] = dict.fromkeys(self.covered)
        if family.PEOPLE in chances and model.led.parabola_fits:
            fitted = model.parabola.fit
            chances[family.PEOPLE] = spread.chance(fitted, spread.without_own_tops(fitted))
        for what in self.plan.compared_parts:
            names = [name for name in (family.differ(what), family.equivalent(what)) if name in chances]
            try:
                found = self._compared(what, model, pairs, shown) if names else None
            except TooLittleError:
                continue
            if found is not None:
                told = {family.differ(what): found.chance, family.equivalent(what): found.equivalent}
                chances |= {name: told[name] for name in names}
        return chances

    def _compared(
        self, what: str, model: PreferenceModel, pairs: Pairs, shown: Schedules
    ) -> differences.Differences | None:
        labels = {"topics": shown.topic, "conditions": shown.condition, "groups": shown.group}[what]
        if labels is None or shown.condition is None:
            return None
        margin, here = self.asked.equivalent_within, shown.condition.ravel() == self.place
        if what == "topics":
            return differences.topics(model, _names(labels.ravel()[here]), None, {}, margin)
        if what == "groups":
            mine = labels.ravel()[here]
            return differences.parts(model, _names(mine), margin) if len(np.unique(mine)) > 1 else None
        same = [place for place, one in enumerate(self.plan.compared) if one.slider == self.condition.slider]
        kept = np.isin(labels.ravel(), same)
        strengths = sorted({at for place in same for at in self.plan.compared[place].strengths})
        both = PreferenceModel(pairs.only(kept), strengths, model.shape.careless)
        return differences.parts(both, _names(labels.ravel()[kept]), margin)


def _names(labels: Places) -> list[str]:
    return [f"{label:03}" for label in labels.tolist()]


def warnings(size: SampleSize) -> list[str]:
    """What speaks against relying on so many people."""
    told: list[str] = []
    if size.covers < COVERS_ENOUGH:
        told.append(f"Beware: the interval holds the truth in {size.covers:.0%} of these studies, not in 95 %.")
    if size.told < COVERS_ENOUGH:
        told.append(f"Beware: in {1 - size.told:.0%} of these studies the primary outcome could not be told.")
    return told


def _share(held: Sequence[bool]) -> float:
    return sum(held) / len(held) if held else math.nan
