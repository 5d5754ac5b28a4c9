"""Crowds of people with known preferences, and their answers to pairs as arrays. Pure.

A person likes strength x by `-sharpness * (x - preferred)^2`, a logit in pairs; no preference is Rao and Kupper's
(1967, doi 10.1080/01621459.1967.10482901), degrees are further thresholds. Some are careless: they answer anything.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from playground.settings import FURTHEST, Settings
from playground.study.adaptive import quest
from playground.study.model.ordinal import Array, Places
from playground.study.model.pairs import Pairs
from playground.study.plan import StudyPlan

_CLEARER = (0.9, 2.0)  # log-odds beyond a tie from which a preference is said to be clear, and strong


def _step(part: str) -> Any:
    told = f"How much higher the preferred strength of each further {part} lies than that of the one before."
    return Field(default=0.0, ge=-FURTHEST, le=FURTHEST, description=told)


class Crowd(Settings):
    """Whom to simulate. Strengths are in the units of the study."""

    preferred: float = Field(ge=-FURTHEST, le=FURTHEST, description="The mean of people's preferred strengths.")
    spread: float = Field(ge=0, le=FURTHEST, description="Their standard deviation.")
    sharpness: float = Field(gt=0, le=1000, description="Log-odds lost at one unit from a person's own.")
    limit: float = Field(ge=-FURTHEST, le=FURTHEST, description="The mean strength half call too strong.")
    tie: float = Field(default=0.3, ge=0, le=5, description="Log-odds within which two replies tie.")
    side: float = Field(default=0.1, ge=-5, le=5, description="Log-odds that the right side gains by being there.")
    careless: float = Field(default=0.05, ge=0, le=1, description="Share of people who do not read.")
    sharpness_spread: float = Field(
        default=0.0, ge=0, le=2, description="Standard deviation of the logarithm of people's sharpness."
    )
    above: float = Field(
        default=1.0, gt=0, le=100, description="How much sharper liking falls above the top than below."
    )
    second: float | None = Field(
        default=None, ge=-FURTHEST, le=FURTHEST, description="What every other person likes best, a camp of their own."
    )
    prompts: float = Field(default=0.0, ge=0, le=FURTHEST, description="Standard deviation of tops between prompts.")
    topics: float = _step("topic")
    conditions: float = _step("condition")
    groups: float = _step("group")


class Schedules(NamedTuple):
    """What people are shown: `strengths` [people, trials, 2], left and right, and `prompt` [people, trials] from 0.

    `topic`, `condition` and `group` [people, trials] count from 0 too; without them all are of one.
    """

    strengths: Array
    prompt: Places
    topic: Places | None = None
    condition: Places | None = None
    group: Places | None = None

    def of(self, people: int) -> "Schedules":
        """Those of the first so many people."""
        return Schedules(*(None if part is None else part[:people] for part in self))  # pyrefly: ignore[bad-argument-type]

    def higher(self, about: Crowd) -> Array:
        """How much higher tops lie than those of the first topic, condition and group, [people, trials]."""
        higher = np.zeros(self.prompt.shape)
        for part, step in ((self.topic, about.topics), (self.condition, about.conditions), (self.group, about.groups)):
            higher += 0.0 if part is None else step * part
        return higher


def crowd(plan: StudyPlan, **given: float | None) -> Crowd:
    """Whom to simulate for a plan: what is given, the rest moderate for its strengths. Raises InvalidInput."""
    low, high = plan.strengths[0], plan.strengths[-1]
    span = high - low
    usual = {
        "preferred": low + span * 0.6,
        "spread": span / 6,
        "sharpness": 8 / span**2,
        "limit": low + span * 0.85,
    }
    return Crowd(**usual | {name: value for name, value in given.items() if value is not None})


def liking(about: Crowd, preferred: Array, strength: Array) -> Array:
    """What a person with this preferred strength makes of others, in log-odds; 0 at the top."""
    away = strength - preferred
    return -about.sharpness * np.where(away > 0, about.above, 1.0) * away**2


def felt(about: Crowd, preferred: Array, sharp: Array, pair: Array, rng: np.random.Generator) -> Array:
    """How much better right is than left [..., 2], as a person feels it this time."""
    gain = liking(about, preferred, pair[..., 1]) - liking(about, preferred, pair[..., 0])
    return sharp * gain + about.side + rng.logistic(size=np.shape(gain))


def graded(about: Crowd, felt: Array) -> Places:
    """The answer to what is felt: -3 (left, much better) to 3 (right), 0 for no preference."""
    clear = sum((np.abs(felt) > about.tie + more).astype(np.int64) for more in _CLEARER)
    return np.where(np.abs(felt) > about.tie, np.sign(felt).astype(np.int64) * (1 + clear), 0)


def tops(about: Crowd, people: int, rng: np.random.Generator) -> Array:
    """The preferred strengths of so many people; with a second camp every other one is of it."""
    own = about.preferred + about.spread * rng.standard_normal(people)
    return own if about.second is None else own + np.where(np.arange(people) % 2, about.second - about.preferred, 0.0)


def draw_pairs(about: Crowd, shown: Schedules, rng: np.random.Generator, degrees: bool = False) -> Pairs:
    """The answers of as many people to what they are shown."""
    people, trials = shown.prompt.shape
    reads = rng.random(people) >= about.careless
    sharp = np.exp(about.sharpness_spread * rng.standard_normal(people))
    by_prompt = about.prompts * rng.standard_normal(int(shown.prompt.max()) + 1)
    own = tops(about, people, rng)[:, None] + by_prompt[shown.prompt] + shown.higher(about)
    answer = graded(about, felt(about, own, sharp[:, None], shown.strengths, rng))
    anything = rng.integers(-3, 4, size=answer.shape)
    answer = np.where(reads[:, None], answer, anything).ravel()
    left, right = shown.strengths[..., 0].ravel(), shown.strengths[..., 1].ravel()
    return Pairs(
        people=people,
        person=np.repeat(np.arange(people), trials),
        left=left,
        right=right,
        answer=answer + 3 if degrees else np.sign(answer) + 1,
        categories=7 if degrees else 3,
        prompt=shown.prompt.ravel(),
    )


def draw_verdicts(
    about: Crowd, placed: Sequence[Sequence[float]], strengths: tuple[float, ...], rng: np.random.Generator
) -> tuple[Places, Array, Array]:
    """Whose each verdict is, at which strength, and whether it is too strong: [N] each, of people who give some.

    `placed` are the strengths that each person is shown, nan where QUEST+ places it by their earlier answers.
    """
    noise, rows = about.spread / 2 or 0.1, list[tuple[int, float, bool]]()
    for person, own in enumerate(one for one in placed if one):
        limit, reads = about.limit + about.spread * rng.standard_normal(), rng.random() >= about.careless
        given: list[tuple[float, bool]] = []
        for asked in own:
            at = strengths[quest(strengths).choose(given, float(rng.random()))] if math.isnan(asked) else asked
            felt = at + noise * rng.standard_normal() > limit if reads else rng.random() < 0.5
            given.append((at, bool(felt)))
        rows += [(person, *one) for one in given]
    person, at, said = (np.array(part) for part in zip(*rows, strict=True))
    return person, at, said.astype(float)
