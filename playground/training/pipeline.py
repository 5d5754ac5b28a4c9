"""From pairs, or two sentences, to an axis's folder: the stages in order, each leaving its work behind for a resume.

pairs, replies of the base -> reward head, judge -> layer behind alpha -> value function behind control -> curve, card
"""

import math
import shutil
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

import playground
from playground import axes, metrics
from playground.cards import Calibration, Card, Data, Point
from playground.engine.language_model import LanguageModel
from playground.engine.methods import CLM, REControl, Steering
from playground.errors import InvalidInput
from playground.events import Progress
from playground.files import read_record, write_json
from playground.measure.gather import load_tensors
from playground.rewards import Reward, preference
from playground.rewards.coherence import Coherence
from playground.rewards.preference import PreferenceReward
from playground.rewards.relevance import Relevance
from playground.training import judge, measure, pairs, rollouts
from playground.training.clm import stages as clm
from playground.training.invent import Pole, invent, pairs_each
from playground.training.pairs import Pair
from playground.training.re_control import stages as re_control
from playground.training.recipe import Stage
from playground.training.rollouts import Rollouts
from playground.training.run import Run
from playground.training.spec import Job, check, claim, deadlines, digest, prompts_for

LEAST_PAIRS = 16
"""Fewer pairs than this are not worth training on."""
SAYING_WORDS = 20
INVENTED = "pairs.jsonl"
"""Where a job keeps the pairs that the model wrote, if it wrote any."""


def train(model: LanguageModel, job: Job) -> Generator[Progress, None, Card | None]:
    """Run the stages and write the axis's folder; returns its card, or None when `until` names an earlier stage.

    Started again on the same folder it goes on where it was killed. Raises InvalidInput when the folder holds the
    work of another job.
    """
    check(model, job)
    judge.check(job)
    with claim(model, job) as work:
        return (yield from _stages(Run(model, job.recipe, work), job, deadlines(job.minutes)))


def _stages(run: Run, job: Job, deadline: dict[Stage, float]) -> Generator[Progress, None, Card | None]:
    data, kept = yield from _pairs(run.until(deadline["pairs"]), job)
    if job.until == "pairs":
        return None
    base = yield from rollouts.base(run.until(deadline["reward"]), job)
    reward, reward_checks = yield from _reward(run, data, base)
    judged = yield from _judge(job, kept, data, run.work)
    if job.until == "reward":
        return None
    fitted = yield from clm.layer(run.until(deadline["layer"]), job, data, reward)
    if job.until == "layer":
        return None
    refining = run.until(deadline["refinement"])
    fitted, own = yield from clm.refinement(refining, job, data, reward, fitted)
    layer, layer_checks = yield from clm.with_room(refining, job, reward, fitted)
    if job.until == "refinement":
        return None
    ready = CLM.of(run.model, layer)
    steered = yield from rollouts.steered(run.until(deadline["rollouts"]), job, ready.layer)
    if job.until == "rollouts":
        return None
    read = rollouts.BothRollouts(base, [*own, *steered])
    value, value_checks = yield from re_control.value(run.until(deadline["value"]), job, ready.layer, reward, read)
    if job.until == "value":
        return None
    step_size = yield from re_control.calibrate(run.until(deadline["calibration"]), job, value, reward)
    if job.until == "calibration":
        return None
    steering = Steering((ready, REControl(value.function, step_size, job.recipe.updates)))
    checks = {**reward_checks, **judged.checks, **layer_checks, **value_checks}
    trained = Trained(steering, reward, judged, checks)
    curve = yield from _curve(run.until(deadline["card"]), job, trained)
    return _write(run, job, data, trained, curve)


def _pairs(run: Run, job: Job) -> Generator[Progress, None, tuple[pairs.Split, list[Pair]]]:
    """The pairs to learn from, given and invented, with their development part; and those kept for the judge."""
    share, most = job.recipe.development_share, job.recipe.pairs
    completed = yield from rollouts.completed(run, job.given)
    learnt, kept = judge.part(job, completed)
    if job.descriptions is not None or (_are_sayings(learnt) and not job.completes):
        given = pairs.split(learnt, share) if learnt else pairs.Split([], [])
        helpers = [pairs.some_pairs(part, most // 2) for part in given]
        found = yield from _invented(run, job, helpers[0])
        own = judge.part(job, found)
        learnt, kept = [*helpers[0], *helpers[1], *own.learnt], [*kept, *own.kept]
    train, development = pairs.split(learnt, share)
    return pairs.Split(pairs.some_pairs(train, most), pairs.some_pairs(development, most)), kept


def _invented(run: Run, job: Job, helpers: Sequence[Pair]) -> Generator[Progress, None, list[Pair]]:
    """Pairs of the model's own making; given pairs help to choose them and, if short, tell who speaks."""
    model, recipe, record = run.model, job.recipe, run.work / INVENTED
    if record.exists():
        return pairs.load(record)
    wanted = (recipe.pairs - len(helpers)) / (1 - recipe.development_share) / recipe.invent_keep
    if judge.keeps_a_share(job):
        wanted /= 1 - recipe.judge_share
    asked = pairs.some(job.prompts, math.ceil(wanted / pairs_each(recipe)))
    said = [pair.chosen for pair in helpers], [pair.rejected for pair in helpers]
    positive, negative = (
        Pole(description, _sayings(texts))
        for description, texts in zip(job.descriptions or ("", ""), said, strict=True)
    )
    reward = PreferenceReward(model, preference.fit(*_features(model, helpers), recipe.ridge)) if helpers else None
    found = yield from invent(run, (positive, negative), asked, reward)
    if len(helpers) + len(found) < LEAST_PAIRS:
        raise InvalidInput(
            f"Only {len(found)} pairs could be invented.",
            "Give more --minutes or more prompts, or two poles that differ more.",
        )
    pairs.save(found, record)
    return found


def _sayings(replies: Sequence[str]) -> list[str]:
    """Replies so short that a system prompt can hold some of them."""
    return [reply for reply in replies if len(reply.split()) <= SAYING_WORDS]


def _are_sayings(given: Sequence[Pair]) -> bool:
    """Whether most replies of either side are sayings: they tell who speaks, but not how such a person replies."""
    sides = [pair.chosen for pair in given], [pair.rejected for pair in given]
    return all(2 * len(_sayings(side)) > len(side) for side in sides)


def _features(model: LanguageModel, part: Sequence[Pair]) -> tuple[Tensor, Tensor]:
    """What the reward head reads of the chosen and of the rejected replies, [N, F] each."""
    prompts = [pair.prompt for pair in part]
    chosen = preference.text_features(model, prompts, [pair.chosen for pair in part])
    return chosen, preference.text_features(model, prompts, [pair.rejected for pair in part])


def _reward(
    run: Run, data: pairs.Split, base: Rollouts
) -> Generator[Progress, None, tuple[PreferenceReward, dict[str, float]]]:
    """Fit the reward head; its unit is the spread of the base's replies."""
    model, work = run.model, run.work
    record = work / "reward.json"
    if record.exists():
        return PreferenceReward(model, load_tensors(work / preference.FILE_NAME)), read_record(record, dict)
    parts = {"train": data.train, "pairs": data.development}
    features: dict[str, tuple[Tensor, Tensor]] = {}
    for done, (name, part) in enumerate(parts.items()):
        yield Progress("reward head", done, len(parts) + 1, "parts", note=f"reading {len(part)} pairs")
        features[name] = _features(model, part)
    reward = PreferenceReward(model, preference.fit(*features["train"], run.recipe.ridge))
    reward = reward.in_units_of(
        preference.text_features(model, [row.messages for row, _ in base], [reply.text for _, reply in base])
    )
    checks = {
        f"reward_accuracy_{name}": float((reward.score(chosen) > reward.score(rejected)).float().mean())
        for name, (chosen, rejected) in features.items()
        if name != "train"
    }
    reward.save(work)
    write_json(record, checks)
    yield Progress("reward head", len(parts) + 1, len(parts) + 1, "parts", note=_told(checks))
    return reward, checks


def _judge(
    job: Job, kept: Sequence[Pair], data: pairs.Split, work: Path
) -> Generator[Progress, None, judge.FittedJudge]:
    """Fit and check the judge, which nothing but the measured curve will ask."""
    yield Progress("judge", 0, 1)
    judged = judge.fit(job, kept, data.development, work)
    yield Progress("judge", 1, 1, note=_told(judged.checks))
    return judged


class Trained(NamedTuple):
    """What the stages made of an axis, and what they found of it."""

    steering: Steering
    reward: PreferenceReward
    judged: judge.FittedJudge
    checks: dict[str, float]


def _curve(run: Run, job: Job, trained: Trained) -> Generator[Progress, None, list[Point]]:
    """Measure the axis on development prompts; the first strengths always, the rest as time allows."""
    recipe = job.recipe
    strengths = measure.wanted_strengths(job.name, recipe)
    prompts = pairs.some(prompts_for(job, development=True), recipe.measured_prompts)
    scores: dict[str, Reward] = {"reward": trained.reward, "judge": trained.judged.judge}
    scores["relevance"] = Relevance(run.model)
    if job.encoder is not None:
        scores["coherence"] = Coherence.load(job.encoder)
    to = run.gathering(measure.store("curve", trained.steering.of(REControl).step_size), "curve")
    grid = measure.Grid(strengths, prompts)
    readings = yield from measure.measure(run, {job.name: trained.steering}, scores, grid, to)
    return sorted(measure.points(strengths, readings), key=lambda at: at.order)


def _write(run: Run, job: Job, data: pairs.Split, trained: Trained, curve: Sequence[Point]) -> Card:
    """Write weights, then the card that describes them."""
    steering, judged = trained.steering, trained.judged
    for part in (*steering.stored, trained.reward):
        part.save(job.out)
    control = steering.of(REControl)
    files = [*(method.file for method in steering.stored), preference.FILE_NAME, *filter(None, [judged.card.file])]
    if judged.card.file:
        shutil.copyfile(run.work / judged.card.file, job.out / judged.card.file)
    learnt = Data(
        name=f"{len(data.train) + len(data.development)} pairs the layer learnt from",
        licence="as above" if job.given else "Apache-2.0",
        rows=len(data.train) + len(data.development),
        sha256=digest([*data.train, *data.development]),
        attribution=_written_by(run, job),
    )
    card = Card(
        name=job.name,
        description=job.description,
        poles=job.poles,
        base=run.model.identity(),
        data=(*job.data, learnt),
        command=job.command,
        recipe={
            **job.recipe.model_dump(mode="json"),
            "descriptions": job.descriptions and list(job.descriptions),
            "dtype": str(run.model.dtype),
        },
        seed=job.recipe.seed,
        judge=judged.card,
        checks={name: round(value, 4) for name, value in trained.checks.items()},
        calibration=Calibration(step_size=control.step_size, updates=control.updates),
        curve=tuple(curve),
        rises_until=measure.rises_until(curve),
        safe_range=metrics.safe_range(curve, job.recipe.safe_perplexity, job.recipe.safe_diversity),
        files={name: axes.digest(job.out / name) for name in files},
        version=playground.__version__,
    )
    card.save(job.out)
    return card


def _written_by(run: Run, job: Job) -> str:
    """What of the pairs learnt from the model wrote itself, and as whom."""
    if job.completes:
        return f"where one reply was given, the other by {run.model.name}"
    if not (run.work / INVENTED).exists():
        return ""
    whom = "under the two descriptions" if job.descriptions is not None else "as people who say such things"
    return f"{'some ' if job.given else ''}written by {run.model.name} {whom}"


def _told(checks: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in checks.items())
