"""What a plan shows people before anything of it is made: its own schedules as arrays. Pure."""

import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from playground.study.crowd import Schedules
from playground.study.plan import StudyPlan
from playground.study.schedule import Fills, Trial, orders, schedule
from playground.study.stimuli import Study, unmade


@dataclass(frozen=True, eq=False)
class Planned:
    """The ordinary pairs of the first pair task, and the verdicts on one condition: strengths by person.

    A verdict whose strength QUEST+ will place is nan; `pairs` is None in a study without.
    """

    pairs: Schedules | None
    verdicts: tuple[tuple[float, ...], ...]


def planned(plan: StudyPlan, condition: str, people: int, seed: int) -> Planned:
    """What as many people are shown; groups and orders of tasks take turns."""
    study, pairs = unmade(plan), [task.name for task in plan.of_kind("pair")[:1]]
    shown = [[trial for trial in trials if trial.counted and not trial.check] for trials in _each(study, people, seed)]
    verdicts = [
        tuple(_verdict(study, trial) for trial in trials if _is_verdict(study, trial, condition)) for trials in shown
    ]
    if not pairs:
        return Planned(None, tuple(verdicts))
    own = [[trial for trial in trials if trial.task == pairs[0]] for trials in shown]
    return Planned(_schedules(study, own), tuple(verdicts))


def _each(study: Study, people: int, seed: int) -> Iterator[tuple[Trial, ...]]:
    filled: Fills = Counter()
    rng, count = random.Random(seed), len(orders(study.plan))
    groups = [group.id for group in study.plan.groups] or [""]
    for person in range(people):
        trials = schedule(study, Fills(filled), rng.getrandbits(62), groups[person % len(groups)], person % count)
        filled.update((trial.cell, trial.content) for trial in trials if trial.counted and not trial.check)
        yield trials


def _schedules(study: Study, shown: list[list[Trial]]) -> Schedules:
    plan = study.plan
    prompts = {prompt.id: number for number, prompt in enumerate(plan.scored_prompts)}
    topics = sorted({prompt.topic for prompt in plan.scored_prompts})
    conditions = [one.id for one in plan.compared]
    replies = [[[study.stimuli[option] for option in trial.options] for trial in trials] for trials in shown]
    groups = np.arange(len(shown)) % max(len(plan.groups), 1)
    return Schedules(
        np.array([[[reply.strength for reply in pair] for pair in trials] for trials in replies]),
        np.array([[prompts[pair[0].prompt] for pair in trials] for trials in replies]),
        np.array([[topics.index(pair[0].topic) for pair in trials] for trials in replies]),
        np.array([[conditions.index(pair[0].condition) for pair in trials] for trials in replies]),
        np.repeat(groups[:, None], len(shown[0]), axis=1),
    )


def _is_verdict(study: Study, trial: Trial, condition: str) -> bool:
    return trial.kind in ("single", "adaptive") and study.stimuli[trial.options[0]].condition == condition


def _verdict(study: Study, trial: Trial) -> float:
    return math.nan if trial.kind == "adaptive" else study.stimuli[trial.options[0]].strength
