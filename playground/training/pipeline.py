"""From pairs, or two sentences, to an axis's folder: the stages in order, each leaving its work behind for a resume.

base replies -> reward head, judge -> identity layer -> replies at alpha 1 -> the layer refined and scaled -> steered
replies -> value function -> step size -> curve -> card
"""

import hashlib
import json
import math
import shutil
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

import playground
from playground import axes
from playground.cards import Calibration, Card, Data, Point
from playground.engine.decode import Steering
from playground.engine.identity_layer import IdentityLayer
from playground.engine.language_model import LanguageModel
from playground.engine.reading import reply_states
from playground.engine.value_function import ValueFunction
from playground.errors import InvalidInput
from playground.events import Finished, Progress
from playground.metrics import Reading
from playground.replies import gather, write_json
from playground.rewards import Reward, preference
from playground.rewards.coherence import Coherence
from playground.rewards.preference import PreferenceReward
from playground.settings import Row, Sampling, Strength, conversation
from playground.training import contrast, guards, identity_layer, judge, measure, pairs, value_function
from playground.training.invent import Pole, invent, pairs_each
from playground.training.job import Job, check, claim, deadlines, digest, prompts_for
from playground.training.pairs import Pair

LEAST_PAIRS = 16
"""Fewer invented pairs than this are not worth training on."""
SAYING_WORDS = 20


def train(model: LanguageModel, job: Job) -> Generator[Progress, None, Card | None]:
    """Run the stages and write the axis's folder; returns its card, or None when `until` names an earlier stage.

    Started again on the same folder it goes on where it was killed. Raises InvalidInput when the folder holds the
    work of another job.
    """
    check(model, job)
    judge.check(job)
    work = claim(model, job)
    deadline = deadlines(job.minutes)
    data, kept = yield from _pairs(model, job, work, deadline["pairs"])
    if job.until == "pairs":
        return None
    base = yield from _base_replies(model, job, work, deadline["reward"])
    reward, reward_checks = yield from _reward(model, job, data, base, work)
    judged = yield from _judge(job, kept, data, work)
    if job.until == "reward":
        return None
    fitted = yield from _layer(model, job, data, reward, work, deadline["layer"])
    if job.until == "layer":
        return None
    own = yield from _own_replies(model, job, fitted.layer, work, deadline["refinement"])
    layer, layer_checks = yield from _refinement(model, job, data, reward, fitted, own, work, deadline["refinement"])
    if job.until == "refinement":
        return None
    steered = yield from _rollouts(model, job, layer, work, deadline["rollouts"])
    if job.until == "rollouts":
        return None
    function, value_checks, states = yield from _value(model, job, reward, [*base, *own, *steered])
    if job.until == "value":
        return None
    ready = layer.to(model.device, model.dtype)
    step_size = yield from _calibrate(model, job, ready, function, reward, states, work, deadline["calibration"])
    if job.until == "calibration":
        return None
    steering = Steering(ready, function, step_size, job.recipe.updates)
    curve = yield from _curve(model, job, steering, reward, judged.judge, work, deadline["card"])
    checks = {**reward_checks, **judged.checks, **layer_checks, **value_checks}
    return _write(model, job, work, data, steering, reward, judged, curve, checks)


def _pairs(
    model: LanguageModel, job: Job, work: Path, deadline: float
) -> Generator[Progress, None, tuple[pairs.Split, list[Pair]]]:
    """The pairs to learn from, given and invented, with their development part; and those kept for the judge."""
    share, most = job.recipe.development_share, job.recipe.pairs
    given = judge.part(job, job.given)
    split = pairs.split(given.learnt, share) if given.learnt else pairs.Split([], [])
    if job.descriptions is None:
        return pairs.Split(_some_pairs(split.train, most), _some_pairs(split.development, most)), given.kept
    helpers = pairs.Split(_some_pairs(split.train, most // 2), _some_pairs(split.development, most // 2))
    found = yield from _invented(model, job, helpers.train, work, deadline)
    own = judge.part(job, found)
    train, development = pairs.split(own.learnt, share)
    learnt = pairs.Split(
        [*helpers.train, *_some_pairs(train, most - len(helpers.train))],
        [*helpers.development, *_some_pairs(development, most)],
    )
    return learnt, [*given.kept, *own.kept]


def _invented(
    model: LanguageModel, job: Job, helpers: Sequence[Pair], work: Path, deadline: float
) -> Generator[Progress, None, list[Pair]]:
    """Pairs of the model's own making; given pairs help to choose them and, if short, to set the tone."""
    recipe = job.recipe
    record = work / "pairs.jsonl"
    if record.exists():
        return pairs.load(record)
    assert job.descriptions is not None
    wanted = (recipe.pairs - len(helpers)) / (1 - recipe.development_share) / recipe.invent_keep
    if judge.keeps_a_share(job):
        wanted /= 1 - recipe.judge_share
    asked = _some(job.prompts, math.ceil(wanted / pairs_each(recipe)))
    said = [pair.chosen for pair in helpers], [pair.rejected for pair in helpers]
    positive, negative = (
        Pole(description, _sayings(texts)) for description, texts in zip(job.descriptions, said, strict=True)
    )
    reward = PreferenceReward(model, preference.fit(*_features(model, helpers), recipe.ridge)) if helpers else None
    store = work / "invented.jsonl"
    found = yield from invent(model, positive, negative, asked, recipe, store, reward, deadline)
    if len(found) < LEAST_PAIRS:
        raise InvalidInput(
            f"Only {len(found)} pairs could be invented.",
            "Give more --minutes or more prompts, or describe two poles that differ more.",
        )
    pairs.save(found, record)
    return found


def _sayings(replies: Sequence[str]) -> list[str]:
    """Replies so short that a description can be followed by a few of them."""
    return [reply for reply in replies if len(reply.split()) <= SAYING_WORDS]


def _features(model: LanguageModel, part: Sequence[Pair]) -> tuple[Tensor, Tensor]:
    """What the reward head reads of the chosen and of the rejected replies, [N, F] each."""
    prompts = [pair.prompt for pair in part]
    chosen = preference.text_features(model, prompts, [pair.chosen for pair in part])
    return chosen, preference.text_features(model, prompts, [pair.rejected for pair in part])


def _base_replies(
    model: LanguageModel, job: Job, work: Path, deadline: float
) -> Generator[Progress, None, list[tuple[Row, Finished]]]:
    """The base model's own replies to training prompts: the reward's unit, and rollouts for the value function."""
    rows = _rollout_rows(job, job.recipe.rollouts // 2, ())
    sampling = Sampling(temperature=job.recipe.rollout_temperature)
    store = work / "base.jsonl"
    replies = yield from gather(
        model, {}, rows, sampling, job.recipe.reply_tokens, store, "replies of the base", deadline
    )
    return [(rows[reply.row], reply) for reply in replies]


def _reward(
    model: LanguageModel, job: Job, data: pairs.Split, base: Sequence[tuple[Row, Finished]], work: Path
) -> Generator[Progress, None, tuple[PreferenceReward, dict[str, float]]]:
    """Fit the reward head; its unit is the spread of the base's replies."""
    record = work / "reward.json"
    if record.exists():
        return PreferenceReward(model, load_file(work / preference.FILE_NAME)), json.loads(record.read_text())
    parts = {"train": data.train, "pairs": data.development}
    features: dict[str, tuple[Tensor, Tensor]] = {}
    for done, (name, part) in enumerate(parts.items()):
        yield Progress("reward head", done, len(parts) + 1, "parts", note=f"reading {len(part)} pairs")
        features[name] = _features(model, part)
    reward = PreferenceReward(model, preference.fit(*features["train"], job.recipe.ridge))
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


def _judge(job: Job, kept: Sequence[Pair], data: pairs.Split, work: Path) -> Generator[Progress, None, judge.Judged]:
    """Fit and check the judge, which nothing but the measured curve will ask."""
    yield Progress("judge", 0, 1)
    judged = judge.fit(job, kept, data.development, work)
    yield Progress("judge", 1, 1, note=_told(judged.checks))
    return judged


def _layer(
    model: LanguageModel, job: Job, data: pairs.Split, reward: PreferenceReward, work: Path, deadline: float
) -> Generator[Progress, None, identity_layer.Fitted]:
    """Fit the identity layer to the pairs and choose its scale, each under a guard that answers some prompts."""
    guard = _guard(model, job, reward, job.recipe.guard_prompts, work)
    fitted = yield from identity_layer.fit(
        model, data.train, data.development, guard, job.recipe, work / "layer", deadline
    )
    return (yield from _scaled(model, job, reward, fitted, work, "layer", deadline))


def _own_replies(
    model: LanguageModel, job: Job, layer: IdentityLayer, work: Path, deadline: float
) -> Generator[Progress, None, list[tuple[Row, Finished]]]:
    """Several replies at alpha 1 to each of some training prompts: pairs to refine the layer with, and rollouts."""
    if not job.recipe.refine_steps:
        return []
    prompts = _some(prompts_for(job, development=False), job.recipe.contrast_prompts)
    rows = contrast.rows(job.name, prompts, job.recipe)
    sampling = Sampling(temperature=job.recipe.rollout_temperature)
    steering = {job.name: Steering(layer, None, 0.0, 0)}
    store = work / "contrast.jsonl"
    replies = yield from gather(
        model, steering, rows, sampling, job.recipe.reply_tokens, store, "replies at alpha 1", deadline
    )
    return [(rows[reply.row], reply) for reply in replies]


def _refinement(
    model: LanguageModel,
    job: Job,
    data: pairs.Split,
    reward: PreferenceReward,
    fitted: identity_layer.Fitted,
    own: Sequence[tuple[Row, Finished]],
    work: Path,
    deadline: float,
) -> Generator[Progress, None, identity_layer.Fitted]:
    """Go on with the best and the worst of the steered model's own replies beside the pairs, and scale anew."""
    if not own:
        return fitted
    recipe = job.recipe
    rewards = reward([row.messages for row, _ in own], [reply.text for _, reply in own])
    train = [*data.train, *contrast.pair_up(own, rewards, recipe)]
    guard = _guard(model, job, reward, recipe.guard_prompts, work)
    more = recipe.model_copy(update={"steps": recipe.refine_steps, "learning_rate": recipe.refine_learning_rate})
    refined = yield from identity_layer.fit(
        model, train, data.development, guard, more, work / "refined", deadline, fitted, "refining the layer"
    )
    return (yield from _scaled(model, job, reward, refined, work, "refined", deadline))


def _scaled(
    model: LanguageModel,
    job: Job,
    reward: PreferenceReward,
    fitted: identity_layer.Fitted,
    work: Path,
    folder: str,
    deadline: float,
) -> Generator[Progress, None, identity_layer.Fitted]:
    """The layer as strong as replies at alpha 1 stay fluent."""
    guard = _guard(model, job, reward, job.recipe.scale_prompts, work, both=False)
    return (yield from identity_layer.strengthen(fitted, guard, job.recipe, work / folder / "scale.json", deadline))


def _guard(
    model: LanguageModel, job: Job, reward: PreferenceReward, count: int, work: Path, both: bool = True
) -> guards.Guard:
    """A guard that answers some training prompts, at both ends if the axis is trained at both."""
    prompts = _some(prompts_for(job, development=False), count)
    both = both and job.recipe.opposite > 0
    return guards.answering(model, reward, prompts, job.recipe, work / "guard.jsonl", both)


def _rollouts(
    model: LanguageModel, job: Job, layer: IdentityLayer, work: Path, deadline: float
) -> Generator[Progress, None, list[tuple[Row, Finished]]]:
    """As many replies of the steered model as of the base, at both ends, so that all rewards are seen."""
    ends = (1.0, -1.0) if job.recipe.opposite else (1.0,)
    strengths = [(Strength(axis=job.name, alpha=alpha),) for alpha in ends]
    rows = _rollout_rows(job, job.recipe.rollouts - job.recipe.rollouts // 2, *strengths)
    steering = Steering(layer.to(model.device, model.dtype), None, 0.0, 0)
    sampling = Sampling(temperature=job.recipe.rollout_temperature)
    store = work / "steered.jsonl"
    replies = yield from gather(
        model, {job.name: steering}, rows, sampling, job.recipe.reply_tokens, store, "steered replies", deadline
    )
    return [(rows[reply.row], reply) for reply in replies]


def _value(
    model: LanguageModel, job: Job, reward: PreferenceReward, rollouts: Sequence[tuple[Row, Finished]]
) -> Generator[Progress, None, tuple[ValueFunction, dict[str, float], Tensor]]:
    """Fit the value function; a share of the prompts is kept to check it. Also returns some states [N, D]."""
    yield Progress("value function", 0, job.recipe.value_epochs, "epochs", note=f"reading {len(rollouts)} replies")
    prompts = [model.prompt_ids(row.messages) for row, _ in rollouts]
    tokens = [reply.token_ids for _, reply in rollouts]
    states = [state.cpu() for state in reply_states(model, prompts, tokens)]
    rewards = reward([row.messages for row, _ in rollouts], [reply.text for _, reply in rollouts])
    replies = value_function.Replies(states, [torch.tensor(ids) for ids in tokens], rewards)
    asked = _some({row.messages[-1].content for row, _ in rollouts}, len(rollouts))
    held_out = set(asked[: math.ceil(len(asked) * job.recipe.development_share)])
    unseen = [row.messages[-1].content in held_out for row, _ in rollouts]
    train = replies.part([index for index, kept in enumerate(unseen) if not kept])
    moves = yield from value_function.move(model, train, job.recipe.seed)
    check = replies.part([index for index, kept in enumerate(unseen) if kept])
    function, checks = yield from value_function.fit(train, moves, check, job.recipe)
    return function.to(model.device), checks, torch.cat(states)[::16].to(model.device)


def _calibrate(
    model: LanguageModel,
    job: Job,
    layer: IdentityLayer,
    function: ValueFunction,
    reward: PreferenceReward,
    states: Tensor,
    work: Path,
    deadline: float,
) -> Generator[Progress, None, float]:
    """Try step sizes on development prompts and take the best that keeps replies fluent."""
    recipe = job.recipe
    sizes = measure.step_sizes(function, states, recipe)
    steering = Steering(layer, function, sizes[0], recipe.updates)
    strengths = [
        Strength(axis=job.name, control=0.0),
        *(Strength(axis=job.name, control=1.0, step_size=size) for size in sizes),
    ]
    prompts = _some(prompts_for(job, development=True), recipe.measured_prompts)
    readings = yield from measure.measure(
        model, {job.name: steering}, {"reward": reward}, strengths, prompts, recipe,
        _store(work, "calibration", sizes), "step size", deadline,
    )  # fmt: skip
    points = measure.points(strengths, readings)
    return measure.best_step_size(sizes, points[1:], points[0], recipe) if points else min(sizes)


def _curve(
    model: LanguageModel,
    job: Job,
    steering: Steering,
    reward: PreferenceReward,
    independent: Reward,
    work: Path,
    deadline: float,
) -> Generator[Progress, None, list[Point]]:
    """Measure the axis on development prompts; the first strengths always, the rest as time allows.

    An axis that was not trained at its other end is not measured there, and its safe range begins at 0.
    """
    recipe = job.recipe
    lowest = -math.inf if recipe.opposite else 0.0
    always = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), *([(-1.0, 0.0)] if recipe.opposite else [])]
    others = [(alpha, 0.0) for alpha in recipe.alphas if alpha >= lowest]
    others += [(0.0, control) for control in recipe.controls if control >= lowest]
    wanted = [*always, *sorted(set(others) - set(always), key=lambda pair: abs(pair[0]) + abs(pair[1]))]
    strengths = [Strength(axis=job.name, alpha=alpha, control=control) for alpha, control in wanted]
    prompts = _some(prompts_for(job, development=True), recipe.measured_prompts)
    scores: dict[str, Reward] = {"reward": reward, "judge": independent}
    if job.encoder is not None:
        scores["coherence"] = Coherence.load(job.encoder)
    readings: list[list[Reading]] = []
    for part, until in ((strengths[:4], math.inf), (strengths[4:], deadline)):
        store = _store(work, "curve", [steering.step_size, *(strength.alpha for strength in part)])
        readings += yield from measure.measure(
            model, {job.name: steering}, scores, part, prompts, recipe, store, "curve", until
        )
    return sorted(measure.points(strengths, readings), key=lambda at: (at.control, at.alpha))


def _write(
    model: LanguageModel,
    job: Job,
    work: Path,
    data: pairs.Split,
    steering: Steering,
    reward: PreferenceReward,
    judged: judge.Judged,
    curve: Sequence[Point],
    checks: dict[str, float],
) -> Card:
    """Write weights, then the card that describes them."""
    assert steering.identity_layer is not None and steering.value_function is not None
    steering.identity_layer.save(job.out)
    steering.value_function.save(job.out)
    reward.save(job.out)
    if judged.card.file:
        shutil.copyfile(work / judged.card.file, job.out / judged.card.file)
    learnt = Data(
        name=f"{len(data.train) + len(data.development)} pairs the layer learnt from",
        licence="as above" if job.given else "Apache-2.0",
        rows=len(data.train) + len(data.development),
        sha256=digest([*data.train, *data.development]),
        attribution="" if job.given else f"written by {model.name} under the two descriptions",
    )
    card = Card(
        name=job.name,
        description=job.description,
        poles=job.poles,
        base=model.identity(),
        data=(*job.data, learnt),
        command=job.command,
        recipe={
            **job.recipe.model_dump(mode="json"),
            "descriptions": job.descriptions and list(job.descriptions),
            "dtype": str(model.dtype),
        },
        seed=job.recipe.seed,
        judge=judged.card,
        checks={name: round(value, 4) for name, value in checks.items()},
        calibration=Calibration(step_size=steering.step_size, updates=steering.updates),
        curve=tuple(curve),
        rises_until=measure.rises_until(curve),
        safe_range=measure.safe_range(curve, job.recipe),
        files={name: axes.digest(job.out / name) for name in (*axes.WEIGHT_FILES, *filter(None, [judged.card.file]))},
        version=playground.__version__,
    )
    card.save(job.out)
    return card


def _rollout_rows(job: Job, count: int, *strengths: tuple[Strength, ...]) -> list[Row]:
    """`count` rows over the training prompts in turn, taking turns between the strengths as well."""
    prompts = _some(prompts_for(job, development=False), count)
    return [
        Row(
            messages=conversation(prompts[index % len(prompts)]),
            strengths=strengths[index % len(strengths)],
            seed=job.recipe.seed + 1000 + index,
        )
        for index in range(count)
    ]


def _some(prompts: Iterable[str], count: int) -> list[str]:
    """At most `count` prompts, picked and ordered by hash."""
    return sorted(prompts, key=lambda prompt: hashlib.sha256(prompt.encode()).digest()[8:])[:count]


def _some_pairs(part: Sequence[Pair], count: int) -> list[Pair]:
    """At most `count` pairs, picked and ordered by hash."""
    return sorted(part, key=lambda pair: hashlib.sha256(pair.model_dump_json().encode()).digest())[:count]


def _store(work: Path, stage: str, what: object) -> Path:
    """Where a stage keeps its replies: by what they depend on, so that nothing stale is taken up again."""
    return work / f"{stage}-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:8]}.jsonl"


def _told(checks: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in checks.items())
