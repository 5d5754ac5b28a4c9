"""How many people a study takes: whole studies simulated with the plan's own schedules, and analysed as real ones."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from playground.cards import Estimate
from playground.errors import InvalidInput
from playground.study import preferences
from playground.study.crowd import Crowd, draw_pairs, schedules
from playground.study.model import multilevel, spread, utility
from playground.study.model.design import Shape
from playground.study.model.pairs import Pairs, Scale
from playground.study.plan import StudyPlan

_SHAPE = Shape()
COVERS_ENOUGH = 0.9


@dataclass(frozen=True)
class SampleSize:
    """What so many people give: the interval's median width, and how often it holds the truth and leaves `against` out.

    Over simulated studies. `differ` is how often people are found to differ, `misfit` how often a parabola is found not
    to fit; `told` is the share of studies in which a preferred strength could be told at all.
    """

    people: int
    width: float
    covers: float
    detects: float
    differ: float
    misfit: float
    told: float


@dataclass(frozen=True)
class _Study:
    """One simulated study as analysed."""

    preferred: Estimate | None
    differ: bool
    misfit: bool


def power(
    plan: StudyPlan, about: Crowd, sizes: Sequence[int], against: float, studies: int = 200, seed: int = 0
) -> Iterator[SampleSize]:
    """For each number of people, what to expect of the interval of the preferred strength. Raises InvalidInput.

    Careless people are among them, as nobody knows whether checks find them. Prompts differ as the crowd says, and are
    drawn anew for each study: the truth is that of prompts in general.
    """
    if not plan.of_kind("pair"):
        raise InvalidInput("Only pairs tell a preferred strength.", "Add a [[tasks]] of kind pair to the study.")
    shown = schedules(plan, max(sizes), seed)
    degrees = any(task.degree for task in plan.of_kind("pair"))
    rng = np.random.default_rng(seed)
    for people in sizes:
        some = type(shown)(shown.strengths[:people], shown.prompt[:people])
        all_of_them = [_study(draw_pairs(about, some, rng, degrees), plan.strengths) for _ in range(studies)]
        told = [one.preferred for one in all_of_them if one.preferred is not None]
        yield SampleSize(
            people=people,
            width=median(one.high - one.low for one in told) if told else math.nan,
            covers=_share([one.low <= about.preferred <= one.high for one in told]),
            detects=_share([not one.low <= against <= one.high for one in told]),
            differ=_share([one.differ for one in all_of_them]),
            misfit=_share([one.misfit for one in all_of_them]),
            told=len(told) / studies,
        )


def warnings(size: SampleSize) -> list[str]:
    """What speaks against relying on so many people."""
    told: list[str] = []
    if size.covers < COVERS_ENOUGH:
        told.append(f"Beware: the interval holds the truth in {size.covers:.0%} of these studies, not in 95 %.")
    if size.told < COVERS_ENOUGH:
        told.append(f"Beware: in {1 - size.told:.0%} of these studies no preferred strength could be told.")
    return told


def _study(pairs: Pairs, strengths: tuple[float, ...]) -> _Study:
    """The preferred strength by the curve that leads, and the test of whether people differ."""
    scale = Scale(strengths)
    led = utility.lead(pairs, scale, _SHAPE)
    fitted = led.parabola.fit
    alike = multilevel.fit(fitted.design, Shape(slope=False))
    differ = spread.chance(fitted, alike) < 0.05
    preferred = preferences.told(led.leads, scale) if led.leads is not None and led.leads.has_top else None
    return _Study(preferred, differ, not led.parabola_fits)


def _share(held: Sequence[bool]) -> float:
    return sum(held) / len(held) if held else math.nan
