"""A steering vector for an axis that is there: the mean difference of hidden states, as long as control 1 is to go.

No training: what the model replies at either end of the axis, or given pairs, is read once, and a few lengths are tried
on other prompts by the rule that calibrates RE-Control's step size.
"""

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from playground import metrics
from playground.axes import Axis
from playground.cards import Card, Point
from playground.engine.forced import reply_states
from playground.engine.language_model import LanguageModel
from playground.engine.methods import Steering, SteeringVector
from playground.errors import InvalidInput
from playground.events import Progress
from playground.files import digest
from playground.measure.gather import gather
from playground.settings import MAIN, UNSTEERED, Request, Row, Sampling, Strength, conversation
from playground.training import measure, pairs
from playground.training.pairs import Pair
from playground.training.run import Run

SHARES = (0.05, 0.1, 0.2, 0.4)
"""Lengths that are tried, as shares of the hidden state's own."""
PAIRS = 128
"""More pairs than this move the mean no more."""
_LEAST_PAIRS = 8


def mean_difference(model: LanguageModel, given: Sequence[Pair], longest: int) -> dict[str, Tensor]:
    """The mean final hidden state of chosen replies minus that of rejected ones, `direction` [D].

    `length` is the mean length of all these states. Of each reply `longest` tokens are read.
    """
    prompts = [model.prompt_ids(pair.prompt) for pair in given] * 2
    texts = [pair.chosen for pair in given] + [pair.rejected for pair in given]
    states = reply_states(model, prompts, [model.reply_ids(text)[:longest] for text in texts])
    means = torch.stack([state.mean(0) for state in states])
    direction = means[: len(given)].mean(0) - means[len(given) :].mean(0)
    return {"direction": direction, "length": torch.cat(states).norm(dim=1).mean()}


def sizes(found: Mapping[str, Tensor]) -> list[float]:
    """The lengths to try, in units of the mean difference."""
    unit = float(found["length"] / found["direction"].norm())
    return [float(f"{share * unit:.3g}") for share in SHARES]


def make(
    run: Run, axis: Axis, folder: Path, prompts: Sequence[str], given: Sequence[Pair] | None
) -> Generator[Progress, None, Card]:
    """Make the vector, calibrate it, and write it into the axis's folder with its card; returns the card.

    Without `given` pairs the model's own replies at both ends of the axis are. What is done is kept in the work
    folder, so that the same call goes on there. Raises InvalidInput where there are too few prompts or pairs.
    """
    model, recipe = run.model, run.recipe
    share = axis.card.development_share or recipe.development_share
    train, held_out = (
        [prompt for prompt in prompts if pairs.is_development(prompt, share) == development]
        for development in (False, True)
    )
    if given is None:
        given = yield from _own(run, axis, pairs.some(train, PAIRS))
    if len(given) < _LEAST_PAIRS or not held_out:
        raise InvalidInput(f"{len(given)} pairs are too few for a vector.", "Give some more prompts or pairs.")
    yield Progress("steering vector", 0, 1, note=f"reading {min(len(given), PAIRS)} pairs")
    found = mean_difference(model, pairs.some_pairs(given, PAIRS), recipe.pair_tokens)
    tried, strengths = sizes(found), [Strength(axis=axis.card.name)]
    strengths += [Strength(axis=axis.card.name, control=size) for size in tried]
    steering = Steering((SteeringVector(found["direction"]),))
    grid = measure.Grid(strengths, pairs.some(held_out, recipe.measured_prompts))
    to = run.gathering(measure.store("vector", [tried, list(grid.prompts)]), "vector length")
    readings = yield from measure.measure(run, {axis.card.name: steering}, {"reward": axis.reward}, grid, to)
    points = measure.points(strengths, readings)
    size = measure.best_step_size(tried, points[1:], points[0], recipe)
    return _written(axis.card, folder, size * found["direction"], points[1 + tried.index(size)], points[0])


def _own(run: Run, axis: Axis, prompts: Sequence[str]) -> Generator[Progress, None, list[Pair]]:
    """The model's own replies to prompts at alpha 1 and at the other end, where the axis has one."""
    card = axis.card
    amounts = (1.0, -1.0 if card.safe_range.of(MAIN)[0] < 0 else 0.0)
    ends = [Strength(axis=card.name, **UNSTEERED.to(MAIN, amount).amounts) for amount in amounts]
    rows = tuple(
        Row(messages=conversation(prompt), strengths=(strength,), seed=seed)
        for seed, prompt in enumerate(prompts)
        for strength in ends
    )
    sampling = Sampling(temperature=run.recipe.measured_temperature)
    request = Request(rows=rows, sampling=sampling, max_new_tokens=run.recipe.pair_tokens)
    to = run.gathering(measure.store("ends", list(prompts)), "replies at both ends")
    replies = yield from gather(run.model, {axis.card.name: axis.steering}, request, to)
    text = {reply.row: reply.text for reply in replies}
    return [
        Pair(prompt=conversation(prompt), chosen=text[2 * at], rejected=text[2 * at + 1])
        for at, prompt in enumerate(prompts)
        if text[2 * at].strip() and text[2 * at + 1].strip()
    ]


def _written(card: Card, folder: Path, vector: Tensor, at: Point, base: Point) -> Card:
    """Write the vector, and what was measured of it into the card."""
    SteeringVector(vector.cpu()).save(folder)
    kept = metrics.ratios(at, base)
    told = {"reward": at.metrics["reward"].mean, "perplexity": kept.perplexity, "diversity": kept.diversity}
    checks = {f"steering_vector_{name}": round(number, 4) for name, number in told.items()}
    further = {**card.further, SteeringVector.file: digest(folder / SteeringVector.file)}
    written = card.model_copy(update={"further": further, "checks": {**card.checks, **checks}})
    written.save(folder)
    return written
