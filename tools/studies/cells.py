"""The simulated studies of the benchmark: who answers, and what of the analysis is held against the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.stats import norm

from playground.study import comparisons, differences, preferences
from playground.study.adaptive import Quest
from playground.study.crowd import Crowd, Schedules, draw_pairs
from playground.study.model.ordinal import Places
from playground.study.model.pairs import Pairs, TooLittleError
from playground.study.preferences import PreferenceModel

STRENGTHS = (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
TOP, SHARPNESS, LIMIT, MARGIN = 0.8, 1.28, 1.1, 0.4
NOISE = 0.3  # of a verdict, beside a person's own threshold

Kind = Literal["interval", "test", "choice", "finds"]
"""An interval should hold the truth in 95 % of studies, a test reject in 5 % under its null, a finding be found.
A choice between models by an information criterion has no level: it should seldom be wrong."""


@dataclass(frozen=True)
class Cell:
    """One kind of study. `spread` is the standard deviation of people's tops; `measures` are what is asked of it.

    `parts` are two "conditions", which everybody sees, or two "groups" of people; `crowd` says how far apart they lie.
    """

    name: str
    people: int
    pairs: int
    measures: tuple[str, ...]
    spread: float = 0.4
    crowd: tuple[tuple[str, float], ...] = ()
    prompts: int = 12
    topics: int = 0
    degrees: bool = False
    ties: bool = True
    parts: str = ""


class Study:
    """One simulated study of a cell, and what its analysis says."""

    def __init__(self, cell: Cell, seed: int) -> None:
        self.cell, self.rng = cell, np.random.default_rng(seed)
        given = {"preferred": TOP, "spread": cell.spread, "sharpness": SHARPNESS, "limit": LIMIT, "careless": 0.0}
        self.about = Crowd(**given | dict(cell.crowd))

    @cached_property
    def pairs(self) -> Pairs:
        """Two different strengths at random, of a prompt at random; a measure of the replies that is but noise."""
        cell, rng = self.cell, self.rng
        size = (cell.people, cell.pairs)
        left = rng.integers(6, size=size)
        right = (left + rng.integers(1, 6, size=size)) % 6
        strengths, prompt = np.array(STRENGTHS)[np.stack([left, right], axis=-1)], rng.integers(cell.prompts, size=size)
        shown = Schedules(strengths, prompt, condition=self.part, group=self.part)
        drawn = draw_pairs(self.about, shown, rng, cell.degrees)
        noise = {"noise": rng.standard_normal(len(drawn.answer))}
        if cell.ties:
            return replace(drawn, covariates=noise)
        coin = np.where(drawn.decided, drawn.won, rng.integers(2, size=len(drawn.answer))).astype(np.int64)
        return replace(drawn, covariates=noise, answer=coin, categories=2)

    @property
    def part(self) -> Places:
        """Which of two conditions, or groups, each answer is of, [people, pairs]."""
        person, pair = np.indices((self.cell.people, self.cell.pairs))
        return (person if self.cell.parts == "groups" else pair) % 2

    @cached_property
    def parts(self) -> differences.Differences:
        """How the two differ, and whether they are the same within the margin."""
        return differences.parts(self.model, [str(one) for one in self.part.ravel()], MARGIN)

    @cached_property
    def model(self) -> PreferenceModel:
        """The model of people, as the report fits it."""
        return PreferenceModel(self.pairs, STRENGTHS)

    @cached_property
    def preference(self) -> preferences.Preference:
        """What people like best."""
        return preferences.preference(self.model)

    @cached_property
    def people(self) -> preferences.PeoplePreferences:
        """How people differ."""
        return preferences.people(self.model)

    @cached_property
    def prompts(self) -> preferences.PromptPreferences:
        """How prompts differ."""
        return preferences.by_prompt(self.model, [str(one) for one in range(self.cell.prompts)])

    @cached_property
    def limit(self) -> comparisons.Threshold:
        """From where on replies are too strong: six verdicts a person, placed by QUEST+ after one at random."""
        quest, rng = Quest(STRENGTHS), self.rng
        rows: list[tuple[int, float, bool]] = []
        for person in range(self.cell.people):
            threshold = LIMIT + self.cell.spread * rng.standard_normal()
            given: list[tuple[float, bool]] = []
            for _ in range(6):
                at = STRENGTHS[quest.choose(given, float(rng.random()))]
                given.append((at, bool(at + NOISE * rng.standard_normal() > threshold)))
            rows += [(person, at, said) for at, said in given]
        person, strength, said = (np.array(part) for part in zip(*rows, strict=True))
        return comparisons.too_strong(person, strength, said.astype(float), STRENGTHS)

    @cached_property
    def topic(self) -> list[str]:
        """The topic of each answer: prompts in turn."""
        return [str(one) for one in self.pairs.prompt % self.cell.topics]

    @cached_property
    def topics(self) -> differences.Differences:
        """How topics differ."""
        prompts = self.prompts if "topics in general" in self.cell.measures else None
        topic_of = {str(one): str(one % self.cell.topics) for one in range(self.cell.prompts)}
        return differences.topics(self.model, self.topic, prompts, topic_of)


def _holds(low_high: preferences.Estimate | None, truth: float) -> float | None:
    return None if low_high is None else float(low_high.low <= truth <= low_high.high)


def _shares(study: Study) -> float:
    """The share of bins whose interval holds the true share of people."""
    edges = (np.array(STRENGTHS[1:]) + np.array(STRENGTHS[:-1])) / 2
    below = norm.cdf((np.concatenate([[-np.inf], edges, [np.inf]]) - TOP) / max(study.cell.spread, 1e-9))
    found = [one for _, one in study.people.shares]
    return float(
        np.mean([one.low - 1e-9 <= true <= one.high + 1e-9 for one, true in zip(found, np.diff(below), strict=True)])
    )


def _camps(study: Study) -> float | None:
    """The share of two camps' intervals that hold their tops; None where no two are told."""
    camps = study.people.camps
    truth = (study.about.preferred, study.about.second or 0.0)
    if not camps:
        return None
    return float(np.mean([bool(_holds(camp.preferred, at)) for camp, at in zip(camps, sorted(truth), strict=True)]))


def _best(study: Study) -> float:
    """Whether the strengths that no other beats include the one that is best."""
    away = np.array(STRENGTHS) - TOP
    liked = -np.where(away > 0, study.about.above, 1.0) * away**2
    return float(STRENGTHS[int(liked.argmax())] in study.preference.best)


def _answered(study: Study) -> float:
    said = study.rng.integers(1, 8, size=study.cell.people)
    return float(comparisons.moderator(study.model, [str(one) for one in said]) < 0.05)


def _noise(study: Study) -> float:
    return float(comparisons.beside(study.model, ["noise"]).chances["noise"] < 0.05)


def _order(study: Study) -> float:
    position = np.tile(np.arange(study.cell.pairs, dtype=float), study.cell.people)
    return float(comparisons.order(study.model, position) < 0.05)


def _difference(study: Study) -> float | None:
    return _holds(study.parts.each[0].apart, study.about.conditions + study.about.groups)


def _equivalent(study: Study) -> float:
    return float((study.parts.equivalent or 0.0) < 0.05)


_TOPS = float(norm.ppf(0.75))

MEASURES: Mapping[str, tuple[Kind, Callable[[Study], float | None]]] = {
    "preferred": ("interval", lambda one: _holds(one.preference.preferred, TOP)),
    "in general": ("interval", lambda one: _holds(one.prompts.preferred, TOP)),
    "deviation": ("interval", lambda one: _holds(one.people.deviation, one.cell.spread)),
    "shares": ("interval", _shares),
    "prompts' deviation": ("interval", lambda one: _holds(one.prompts.deviation, one.about.prompts)),
    "camps": ("interval", _camps),
    "half too strong": ("interval", lambda one: _holds(one.limit.half, LIMIT)),
    "median threshold": ("interval", lambda one: _holds(one.limit.median, LIMIT)),
    "three quarters": (
        "interval",
        lambda one: _holds(one.limit.three_quarters, LIMIT + _TOPS * float(np.hypot(one.cell.spread, NOISE))),
    ),
    "thresholds' deviation": ("interval", lambda one: _holds(one.limit.deviation, one.cell.spread)),
    "misfit": ("test", lambda one: float((one.preference.misfit or 1.0) < 0.05)),
    "people differ": ("test", lambda one: float(one.people.chance < 0.05)),
    "prompts differ": ("test", lambda one: float(one.prompts.chance < 0.05)),
    "topics": ("test", lambda one: float(one.topics.chance < 0.05)),
    "topics in general": (
        "test",
        lambda one: None if one.topics.in_general is None else float(one.topics.in_general < 0.05),
    ),
    "difference": ("interval", _difference),
    "parts differ": ("test", lambda one: float(one.parts.chance < 0.05)),
    "equivalent, at the margin": ("test", _equivalent),
    "finds them equivalent": ("finds", _equivalent),
    "order": ("test", _order),
    "question": ("test", _answered),
    "noise beside strength": ("test", _noise),
    "two groups": ("choice", lambda one: float(bool(one.people.camps))),
    "finds misfit": ("finds", lambda one: float((one.preference.misfit or 1.0) < 0.05)),
    "finds two groups": ("finds", lambda one: float(bool(one.people.camps))),
    "best shown": ("finds", _best),
}


def measure(study: Study, name: str) -> float | None:
    """A measure of a study; None where the analysis refuses to say it."""
    try:
        return MEASURES[name][1](study)
    except TooLittleError:
        return None


_ALL = ("preferred", "deviation", "shares", "misfit", "two groups")
_VERDICTS = ("half too strong", "three quarters", "median threshold", "thresholds' deviation")
_ASYMMETRIC = (("sharpness", 0.5), ("above", 6.0))

CELLS = (
    *(
        Cell(f"50 people, {pairs} pairs, spread {spread:g}", 50, pairs, _ALL, spread)
        for spread in (0.4, 0.8)
        for pairs in (10, 20, 40)
    ),
    Cell("15 people, 20 pairs", 15, 20, ("preferred", "deviation", "misfit")),
    Cell("200 people, 10 pairs", 200, 10, _ALL),
    Cell("with degrees", 50, 20, _ALL, degrees=True),
    Cell("without ties", 50, 20, _ALL, ties=False),
    Cell("sharpness varies", 50, 20, ("preferred", "deviation", "misfit"), crowd=(("sharpness_spread", 0.5),)),
    Cell("falls steeply above, 20 pairs", 50, 20, ("preferred", "finds misfit", "best shown"), 0.0, _ASYMMETRIC),
    Cell("falls steeply above, 10 pairs", 50, 10, ("preferred", "finds misfit", "best shown"), 0.0, _ASYMMETRIC),
    Cell("falls steeply above, 25 people", 25, 10, ("preferred", "best shown"), 0.0, _ASYMMETRIC),
    Cell("all alike", 50, 10, ("preferred", "people differ"), 0.0),
    Cell("all alike, sharpness varies", 50, 20, ("preferred", "people differ"), 0.0, (("sharpness_spread", 0.5),)),
    Cell("all alike, 15 % careless", 50, 20, ("preferred", "people differ"), 0.0, (("careless", 0.15),)),
    Cell(
        "two camps, 0.1 and 1.5", 50, 20, ("camps", "finds two groups"), 0.15,
        (("preferred", 0.1), ("second", 1.5)),
    ),
    Cell("12 prompts that differ by 0.4", 50, 20, ("in general", "prompts' deviation"), crowd=(("prompts", 0.4),)),
    Cell(
        "24 prompts that differ by 0.2", 50, 20, ("in general", "prompts' deviation"), prompts=24,
        crowd=(("prompts", 0.2),),
    ),
    Cell("6 prompts alike", 50, 10, ("in general", "prompts differ"), prompts=6),
    Cell("verdicts, thresholds 0.3 apart", 50, 10, _VERDICTS, 0.3),
    Cell("verdicts, thresholds 0.5 apart", 30, 10, _VERDICTS, 0.5),
    Cell("10 people, 2 topics", 10, 20, ("topics", "order"), topics=2),
    Cell("20 people, 4 topics", 20, 10, ("topics", "order", "question"), topics=4),
    Cell("20 people, 6 topics", 20, 12, ("topics", "question"), topics=6),
    Cell("12 prompts differ, 2 topics do not", 40, 20, ("topics in general",), topics=2, crowd=(("prompts", 0.3),)),
    Cell("two conditions alike", 30, 20, ("difference", "parts differ", "finds them equivalent"), parts="conditions"),
    Cell(
        "two conditions, the margin apart", 30, 20, ("difference", "equivalent, at the margin"), parts="conditions",
        crowd=(("conditions", MARGIN),),
    ),
    Cell("two groups alike", 60, 20, ("difference", "parts differ", "finds them equivalent"), parts="groups"),
    Cell(
        "two groups, the margin apart", 60, 20, ("difference", "equivalent, at the margin"), parts="groups",
        crowd=(("groups", MARGIN),),
    ),
    Cell("a measure that is but noise", 30, 20, ("noise beside strength", "preferred")),
)  # fmt: skip
"""What is simulated."""
