"""Who sees what, in which order: a person's whole schedule from a seed and from how often each cell was shown before.

Pure functions. A cell is what should be shown equally often: a pair of strengths, a strength, or a prompt.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from playground.study.parts import Condition, Kind, Prompt, Task
from playground.study.plan import StudyPlan
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
    condition: str = ""

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


def design(
    study: Study, task: Task, prompts: Sequence[Prompt], conditions: Sequence[Condition] | None = None
) -> Design:
    """The cells of a task, of all conditions unless told. A pair that reads the same on both sides is in none."""
    cells: dict[str, list[Content]] = {}
    for condition in study.plan.compared if conditions is None else conditions:
        named = " ".join(name for name in (task.id, condition.id) if name)
        cells |= {
            f"{named} {cell}".strip(): contents for cell, contents in _cells(study, task.kind, prompts, condition)
        }
    return cells


def _cells(
    study: Study, kind: Kind, prompts: Sequence[Prompt], condition: Condition
) -> Iterator[tuple[str, list[Content]]]:
    """The cells of a kind of trial, of one condition."""
    shown = [(prompt.id, seed) for prompt in prompts for seed in study.plan.seeds]

    def content(prompt: str, seed: int, strengths: Iterable[float]) -> Content:
        options = tuple(study.at(prompt, seed, strength, condition.id).id for strength in strengths)
        return Content(prompt, seed, options, condition.id)

    match kind:
        case "pair":
            for low, high in combinations(condition.strengths, 2):
                pairs = [content(*at, (low, high)) for at in shown]
                differing = [one for one in pairs if _differs(study, one)]
                if differing:
                    yield f"pair {low:g} {high:g}", differing
        case "single":
            for strength in condition.strengths:
                yield f"single {strength:g}", [content(*at, (strength,)) for at in shown]
        case _:
            for prompt, seed in shown:
                yield f"{kind} {prompt} {seed}", [content(prompt, seed, condition.strengths)]


def orders(plan: StudyPlan) -> tuple[tuple[Task, ...], ...]:
    """The orders of a study's tasks: the file's, or a Williams square, where each follows each other equally often."""
    count = len(plan.tasks)
    if plan.blocks == "fixed" or count == 1:
        return (plan.tasks,)
    first = [0] + [step // 2 + 1 if step % 2 == 0 else count - 1 - step // 2 for step in range(count - 1)]
    square = [[(place + shift) % count for place in first] for shift in range(count)]
    square += [row[::-1] for row in square] if count % 2 else []
    return tuple(tuple(plan.tasks[place] for place in row) for row in square)


def schedule(study: Study, filled: Fills, seed: int, group: str = "", order: int = 0) -> tuple[Trial, ...]:
    """The trials in order of a person of a group: a block per task, each after its own practice.

    Every trial takes the condition the person has seen least, then its least-filled cell; ties and orders are drawn
    from `seed`. Inside a cell it takes the prompt the person has seen least, then the one shown least in that cell.
    """
    rng, plan = random.Random(seed), study.plan
    seen: Counter[str] = Counter()
    trials: list[Trial] = []
    conditions = plan.seen_by(group)
    nothing: Fills = Counter()
    filled, checked = filled.copy(), plan.of_kind("pair")[:1]
    for task in orders(plan)[order]:
        if plan.practises:
            cells = design(study, task, plan.practice_prompts, conditions)
            block = _block(study, task, _take(cells, plan.practice, nothing, seen, rng), rng)
            trials += [replace(trial, counted=False) for trial in block]
        cells = design(study, task, plan.scored_prompts, conditions)
        block = _block(study, task, _take(cells, task.trials, filled, seen, rng), rng)
        if task in checked:
            hidden = _hidden(study, task, conditions, seen, rng)
            block = _with_checks(block, hidden, plan.checks.repeated, len(trials), rng)
        trials += block
    return tuple(trials)


def _take(
    cells: Design, count: int, filled: Fills, seen: Counter[str], rng: random.Random
) -> list[tuple[str, Content]]:
    """The least-filled cells, one after another, noted in `filled` and `seen`."""
    totals: Counter[str] = Counter()
    for (cell, _), times in filled.items():
        totals[cell] += times
    met: Counter[str] = Counter()
    of = {cell: contents[0].condition for cell, contents in cells.items()}
    taken: list[tuple[str, Content]] = []
    for _ in range(count if cells else 0):
        cell = min(
            cells,
            key=lambda cell: (met[of[cell]], totals[cell], min(seen[one.prompt] for one in cells[cell]), rng.random()),
        )
        met[of[cell]] += 1
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


def _hidden(
    study: Study, task: Task, conditions: Sequence[Condition], seen: Counter[str], rng: random.Random
) -> list[Trial]:
    """The instructed and gold pairs of a person."""
    instructed = [_instructed(task.name, number, rng) for number in range(study.plan.checks.instructed)]
    return [*instructed, *_gold(study, task.name, conditions, seen, rng)]


def _with_checks(
    block: list[Trial], hidden: Sequence[Trial], repeated: int, before: int, rng: random.Random
) -> list[Trial]:
    """Hide checks and repeated pairs in a block; `before` is how many trials come before it."""
    for trial in hidden:
        block.insert(rng.randint(min(1, len(block)), len(block)), trial)
    # A repeated pair comes from the first half and returns in the second.
    half = max(1, len(block) // 2)
    ordinary = [number for number, trial in enumerate(block[:half]) if not trial.check]
    late: dict[int, list[Trial]] = {}
    for source in rng.sample(ordinary, min(repeated, len(ordinary))):
        again = replace(block[source], options=block[source].options[::-1], check="repeated", repeats=before + source)
        late.setdefault(rng.randint(min(half + 1, len(block)), len(block)), []).append(again)
    return [trial for place in range(len(block) + 1) for trial in (*late.get(place, ()), *block[place : place + 1])]


def _instructed(task: str, number: int, rng: random.Random) -> Trial:
    return Trial(task, "pair", "", f"check/{number}", (), check="instructed", expected=rng.choice(("left", "right")))


def _gold(
    study: Study, task: str, conditions: Sequence[Condition], seen: Counter[str], rng: random.Random
) -> list[Trial]:
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
        condition = conditions[number % len(conditions)].id
        options = tuple(study.at(prompt.id, seed, strength, condition).id for strength in sides)
        expected = "left" if sides[0] == plan.checks.fluent else "right"
        trials.append(Trial(task, "pair", "", f"{prompt.id}/{seed}", options, check="gold", expected=expected))
    return trials


def _differs(study: Study, content: Content) -> bool:
    low, high = (study.stimuli[option].reply for option in content.options)
    return low != high


def _gap(study: Study, content: Content) -> float:
    """How far apart the strengths of a content lie."""
    return study.stimuli[content.options[-1]].strength - study.stimuli[content.options[0]].strength
