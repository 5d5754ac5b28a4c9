"""Simulated people with known preferences: they answer a study through its real store, and say how many it takes.

A person likes strength x by `-sharpness * (x - preferred)^2`, a logit in pairs; ties are Rao and Kupper's (1967,
doi 10.1080/01621459.1967.10482901). Some are careless: they answer anything, at once.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from pydantic import Field

from playground.errors import InvalidInput
from playground.events import Progress
from playground.settings import FURTHEST, Settings
from playground.study import fits
from playground.study.fits import Array, Pairs
from playground.study.forms import Answer
from playground.study.parts import Question
from playground.study.plan import Plan
from playground.study.results import words
from playground.study.schedule import Fills, schedule
from playground.study.stimuli import Study, unmade
from playground.study.store import Shown, Store

_SECONDS_PER_WORD = 0.25
_STEP_MS = 400.0


class Crowd(Settings):
    """Whom to simulate. Strengths are in the units of the study."""

    preferred: float = Field(ge=-FURTHEST, le=FURTHEST, description="The mean of people's preferred strengths.")
    spread: float = Field(ge=0, le=FURTHEST, description="Their standard deviation.")
    sharpness: float = Field(gt=0, le=1000, description="Log-odds lost at one unit from a person's own.")
    limit: float = Field(ge=-FURTHEST, le=FURTHEST, description="The mean strength half call too strong.")
    tie: float = Field(default=0.3, ge=0, le=5, description="Log-odds within which two replies tie.")
    side: float = Field(default=0.1, ge=-5, le=5, description="Log-odds that the right side gains by being there.")
    careless: float = Field(default=0.05, ge=0, le=1, description="Share of people who do not read.")


@dataclass(frozen=True)
class Size:
    """What so many people give: the interval's median width, and how often it holds the truth and leaves `against` out.

    Over simulated studies; `told` is the share in which a preferred strength could be estimated at all.
    """

    people: int
    width: float
    covers: float
    detects: float
    told: float


def crowd(plan: Plan, **given: float | None) -> Crowd:
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


def prefer(about: Crowd, preferred: Array, left: Array, right: Array, rng: np.random.Generator) -> Array:
    """1 for right, 0 for left, 0.5 for neither, of pairs of strengths seen by people with these preferences."""
    gain = about.sharpness * ((left - preferred) ** 2 - (right - preferred) ** 2) + about.side
    drawn = gain + rng.logistic(size=np.shape(gain))
    return np.where(drawn > about.tie, 1.0, np.where(drawn < -about.tie, 0.0, 0.5))


class Simulated:
    """One simulated person, drawn from a crowd."""

    def __init__(self, about: Crowd, rng: np.random.Generator) -> None:
        self.about, self.rng = about, rng
        shift = about.spread * rng.standard_normal()
        self.preferred, self.limit = about.preferred + shift, about.limit + shift
        self.careless = bool(rng.random() < about.careless)

    def answer(self, study: Study, shown: Shown) -> Answer:
        """This person's answer to a trial."""
        replies = [study.stimuli[option] for option in shown.options]
        read = replies if shown.kind == "pair" else replies[shown.start or 0 :][:1]
        seconds = self._seconds(sum(words(reply.reply) for reply in read))
        at = np.array([reply.strength for reply in replies])
        if shown.kind == "adjustment":
            return self._slide(at, shown.start or 0, seconds)
        task = study.plan.task(shown.task)
        assert task is not None
        if self.careless:
            choice = str(self.rng.choice(task.choices))
        elif shown.expected:
            choice = shown.expected
        elif shown.kind == "pair":
            choice = self._pair(at)
        else:
            choice = self._verdict(float(at[shown.start or 0]))
        if choice not in task.choices:  # the choice is forced
            choice = str(self.rng.choice(["left", "right"]))
        degree = {"left": -1, "right": 1}.get(choice, 0) * int(self.rng.integers(1, 4)) if choice != "bad" else None
        asked = shown.kind == "pair" and task.degree
        return Answer(choice=choice, degree=degree if asked else None, client_ms=1000 * seconds)

    def respond(self, question: Question) -> str:
        """An answer to one of the study's questions."""
        match question.kind:
            case "choice":
                return str(self.rng.choice(question.accept or question.options))
            case "scale":
                return str(self.rng.choice(question.accept or range(1, question.steps + 1)))
            case "number":
                low, high = question.least, question.most
                return str(self.rng.integers(18 if low is None else int(low), 80 if high is None else int(high) + 1))
            case "text":
                return "simulated"

    def _pair(self, at: Array) -> str:
        won = float(prefer(self.about, np.array(self.preferred), at[0], at[1], self.rng))
        if won == 0.5:
            return "bad" if at.min() > self.limit else "tie"
        return "right" if won else "left"

    def _verdict(self, at: float) -> str:
        noise = self.about.spread / 2 or 0.1
        if at + noise * self.rng.standard_normal() > self.limit:
            return "broken" if at > 2 * self.limit - self.preferred else "strong"
        return "weak" if at + noise * self.rng.standard_normal() < 2 * self.preferred - self.limit else "right"

    def _slide(self, at: Array, start: int, seconds: float) -> Answer:
        liking = -self.about.sharpness * (at - self.preferred) ** 2 + self.rng.gumbel(size=len(at))
        end = int(self.rng.integers(len(at))) if self.careless else int(liking.argmax())
        way = [*range(start, end, 1 if end > start else -1)[1:], end]
        path = ((0.0, start), *((_STEP_MS * number, place) for number, place in enumerate(way, start=1)))
        return Answer(choice="liked", option=end, path=path, client_ms=1000 * seconds + path[-1][0])

    def _seconds(self, count: int) -> float:
        pace = 0.02 if self.careless else _SECONDS_PER_WORD * math.exp(0.3 * self.rng.standard_normal())
        return 0.3 + pace * count


class Clock:
    """The time of a simulated study: it goes on only while somebody thinks."""

    def __init__(self, start: float) -> None:
        self.now = start

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now


def answer_all(store: Store, clock: Clock, about: Crowd, people: int, seed: int) -> Generator[Progress, None, None]:
    """Let so many simulated people go through a study. Raises InvalidInput if anybody has been there before."""
    if store.enrolled():
        raise InvalidInput(
            "There are people in that database already.", "Simulated people need one of their own: --database."
        )
    plan = store.study.plan
    for number in range(people):
        yield Progress("simulated people", number, people, "people")
        person = Simulated(about, np.random.default_rng([seed, number]))
        code = store.enrol(f"simulated-{number}").code
        while True:
            while (place := store.due(code)) is not None:
                asked = plan.asked_at(place)
                store.respond(code, {question.id: person.respond(question) for question in asked}, place)
            shown = store.show(code)
            if shown is None:
                break
            answer = person.answer(store.study, shown)
            clock.now += answer.client_ms / 1000
            store.answer(code, shown.token, f"simulated-{shown.id}", answer)
        store.finish(code)
    yield Progress("simulated people", people, people, "people")


def power(
    plan: Plan, about: Crowd, sizes: Sequence[int], against: float, studies: int = 200, seed: int = 0
) -> Iterator[Size]:
    """For each number of people, what to expect of the interval of the preferred strength. Raises InvalidInput.

    Simulated people meet the plan's own schedules; careless ones are left out, as they would be from the results.
    """
    if not plan.of_kind("pair"):
        raise InvalidInput("Only pairs tell a preferred strength.", "Add a [[tasks]] of kind pair to the study.")
    shown = schedules(plan, max(sizes), seed)
    rng = np.random.default_rng(seed)
    for people in sizes:
        estimates = [_preferred(about, shown[:people], plan.strengths, rng) for _ in range(studies)]
        told = [one for one in estimates if one is not None]
        yield Size(
            people=people,
            width=median(one.high - one.low for one in told) if told else math.nan,
            covers=_share(told, lambda one: one.low <= about.preferred <= one.high),
            detects=_share(told, lambda one: not one.low <= against <= one.high),
            told=len(told) / studies,
        )


def draw_pairs(about: Crowd, shown: Array, rng: np.random.Generator) -> Pairs:
    """The answers of as many people to strengths [people, trials, 2] as shown left and right."""
    people, trials, _ = shown.shape
    own = about.preferred + about.spread * rng.standard_normal((people, 1))
    left, right = shown[:, :, 0], shown[:, :, 1]
    won = prefer(about, own, left, right, rng).ravel()
    person = np.repeat(np.arange(people), trials)
    return Pairs(people, person, left.ravel(), right.ravel(), won, won != 0.5, np.zeros(len(won)))


def _preferred(
    about: Crowd, shown: Array, strengths: Sequence[float], rng: np.random.Generator
) -> fits.Estimate | None:
    try:
        return fits.preference(draw_pairs(about, shown, rng), strengths, times=200).preferred
    except fits.TooLittleError:
        return None


def _share(told: Sequence[fits.Estimate], holds: Callable[[fits.Estimate], bool]) -> float:
    return sum(map(holds, told)) / len(told) if told else math.nan


def schedules(plan: Plan, people: int, seed: int) -> Array:
    """The strengths, left and right, of the ordinary pairs of as many people: [people, trials, 2]."""
    study, filled, rng = unmade(plan), Counter(), random.Random(seed)
    rows: list[list[tuple[float, ...]]] = []
    for _ in range(people):
        pairs = [
            trial
            for trial in schedule(study, Fills(filled), rng.getrandbits(62))
            if trial.kind == "pair" and trial.counted and not trial.check
        ]
        filled.update((trial.cell, trial.content) for trial in pairs)
        rows.append([tuple(study.stimuli[option].strength for option in trial.options) for trial in pairs])
    return np.array(rows)
