"""Who sees what, in which order: a person's whole schedule from a seed and from how often each cell was shown before.

Pure functions. A cell is what should be shown equally often: a pair of strengths, a strength, or a prompt.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from playground.study.parts import Kind, Prompt, Task
from playground.study.stimuli import Study

Check = Literal["", "instructed", "gold", "repeated"]
Fills = Counter[tuple[str, str]]
"""How often each (cell, content) was shown so far."""


@dataclass(frozen=True)
class Content:
    """What a trial shows: replies to one prompt under one seed, by stimulus id in rising strength."""

    prompt: str
    seed: int
    options: tuple[str, ...]

    @property
    def name(self) -> str:
        """Names the content inside its cell."""
        return f"{self.prompt}/{self.seed}"


@dataclass(frozen=True)
class Trial:
    """One trial of a person's schedule.

    `task` is the name of its task. `options` are stimulus ids as they stand on the page: left and right of a pair, the
    positions of a slider, the one reply of a single. `start` is where a slider begins; an adaptive trial gets the place
    of its reply when it is first shown. `expected` is the right answer of a check, `repeats` the position of the pair
    it repeats.
    """

    task: str
    kind: Kind
    cell: str
    content: str
    options: tuple[str, ...]
    counted: bool = True
    start: int | None = None
    check: Check = ""
    expected: str = ""
    repeats: int | None = None


Design = Mapping[str, Sequence[Content]]
"""The contents of each cell."""


def design(study: Study, kind: Kind, prompts: Sequence[Prompt]) -> Design:
    """The cells of a task. A pair that reads the same on both sides is in none of them."""
    plan = study.plan
    shown = [(prompt.id, seed) for prompt in prompts for seed in plan.seeds]

    def content(prompt: str, seed: int, strengths: Iterable[float]) -> Content:
        return Content(prompt, seed, tuple(study.at(prompt, seed, strength).id for strength in strengths))

    if kind == "pair":
        pairs = list(combinations(plan.strengths, 2))
        cells = {f"pair {low:g} {high:g}": [content(*at, (low, high)) for at in shown] for low, high in pairs}
        differing = {cell: [one for one in contents if _differs(study, one)] for cell, contents in cells.items()}
        return {cell: contents for cell, contents in differing.items() if contents}
    if kind == "single":
        return {f"single {strength:g}": [content(*at, (strength,)) for at in shown] for strength in plan.strengths}
    return {f"{kind} {prompt} {seed}": [content(prompt, seed, plan.strengths)] for prompt, seed in shown}


def schedule(study: Study, filled: Fills, seed: int) -> tuple[Trial, ...]:
    """A person's trials in order: practice first, then a block per task.

    Every trial takes the least-filled cell; ties and orders are drawn from `seed`. Inside a cell it takes the prompt
    the person has seen least, then the one shown least in that cell.
    """
    rng, plan = random.Random(seed), study.plan
    seen: Counter[str] = Counter()
    trials: list[Trial] = []
    if plan.practises:
        nothing: Fills = Counter()
        for task in plan.tasks:
            cells = design(study, task.kind, plan.practice_prompts)
            block = _block(study, task, _take(cells, plan.practice, nothing, seen, rng), rng)
            trials += [replace(trial, counted=False) for trial in block]
    filled = filled.copy()
    for task in plan.tasks:
        cells = design(study, task.kind, plan.scored_prompts)
        block = _block(study, task, _take(cells, task.trials, filled, seen, rng), rng)
        trials += _with_checks(study, task, block, len(trials), seen, rng) if task.kind == "pair" else block
    return tuple(trials)


def _take(
    cells: Design, count: int, filled: Fills, seen: Counter[str], rng: random.Random
) -> list[tuple[str, Content]]:
    """The least-filled cells, one after another, noted in `filled` and `seen`."""
    totals: Counter[str] = Counter()
    for (cell, _), times in filled.items():
        totals[cell] += times
    taken: list[tuple[str, Content]] = []
    for _ in range(count if cells else 0):
        cell = min(cells, key=lambda cell: (totals[cell], min(seen[one.prompt] for one in cells[cell]), rng.random()))
        content = min(cells[cell], key=lambda one: (seen[one.prompt], filled[cell, one.name], rng.random()))
        totals[cell] += 1
        filled[cell, content.name] += 1
        seen[content.prompt] += 1
        taken.append((cell, content))
    return taken


def _block(study: Study, task: Task, taken: list[tuple[str, Content]], rng: random.Random) -> list[Trial]:
    """Trials of what was taken, in random order; sides and directions are balanced inside the block."""
    # Side by side with those of the same gap, every other one is turned: balanced in each gap and over all.
    taken = sorted(taken, key=lambda pair: (_gap(study, pair[1]), rng.random()))
    turn = rng.randrange(2)
    trials: list[Trial] = []
    for number, (cell, content) in enumerate(taken):
        options = content.options
        if task.kind in ("pair", "adjustment") and (number + turn) % 2:
            options = options[::-1]
        start = rng.randrange(len(options)) if task.kind == "adjustment" else None
        trials.append(Trial(task.name, task.kind, cell, content.name, options, start=start))
    rng.shuffle(trials)
    return trials


def _with_checks(
    study: Study, task: Task, block: list[Trial], before: int, seen: Counter[str], rng: random.Random
) -> list[Trial]:
    """Hide instructed, gold and repeated pairs in a block; `before` is how many trials come before it."""
    checks = study.plan.checks
    hidden = [_instructed(task.name, number, rng) for number in range(checks.instructed)]
    hidden += _gold(study, task.name, seen, rng)
    for trial in hidden:
        block.insert(rng.randint(min(1, len(block)), len(block)), trial)
    # A repeated pair comes from the first half and returns in the second.
    half = max(1, len(block) // 2)
    ordinary = [number for number, trial in enumerate(block[:half]) if not trial.check]
    late: dict[int, list[Trial]] = {}
    for source in rng.sample(ordinary, min(checks.repeated, len(ordinary))):
        again = replace(block[source], options=block[source].options[::-1], check="repeated", repeats=before + source)
        late.setdefault(rng.randint(min(half + 1, len(block)), len(block)), []).append(again)
    return [trial for place in range(len(block) + 1) for trial in (*late.get(place, ()), *block[place : place + 1])]


def _instructed(task: str, number: int, rng: random.Random) -> Trial:
    return Trial(task, "pair", "", f"check/{number}", (), check="instructed", expected=rng.choice(("left", "right")))


def _gold(study: Study, task: str, seen: Counter[str], rng: random.Random) -> list[Trial]:
    """Pairs of a fluent and a broken reply, the sides in turn."""
    plan, turn = study.plan, rng.randrange(2)
    if plan.checks.broken is None:
        return []
    trials: list[Trial] = []
    for number in range(plan.checks.gold):
        prompt = min(plan.scored_prompts, key=lambda prompt: (seen[prompt.id], rng.random()))
        seed = rng.choice(plan.seeds)
        seen[prompt.id] += 1
        sides = [plan.checks.fluent, plan.checks.broken]
        if (number + turn) % 2:
            sides = sides[::-1]
        options = tuple(study.at(prompt.id, seed, strength).id for strength in sides)
        expected = "left" if sides[0] == plan.checks.fluent else "right"
        trials.append(Trial(task, "pair", "", f"{prompt.id}/{seed}", options, check="gold", expected=expected))
    return trials


def _differs(study: Study, content: Content) -> bool:
    low, high = (study.stimuli[option].reply for option in content.options)
    return low != high


def _gap(study: Study, content: Content) -> float:
    """How far apart the strengths of a content lie."""
    return study.stimuli[content.options[-1]].strength - study.stimuli[content.options[0]].strength
