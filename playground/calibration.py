"""Calibrates an instant axis: how much of a contrast is 1, how long its vector is, and what either costs.

Twice a few prompts are answered: by the base model, of whose replies both descriptions are asked as well, and steered,
at some strengths of each slider. That takes seconds, and the same descriptions of the same model come out the same.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor

from playground import cards, metrics
from playground.cards import Contrast, Point
from playground.descriptions import Described
from playground.engine.language_model import LanguageModel
from playground.engine.methods import PromptContrast, Steering, SteeringVector
from playground.engine.plan import plan_rows
from playground.engine.prefix_tree import PrefixTree
from playground.engine.scheduler import Scheduler
from playground.errors import InvalidInput
from playground.events import Finished, Progress, Token
from playground.metrics import ReplyMetrics
from playground.settings import UNSTEERED, Request, Row, Sampling, Sliders, Strength, conversation

PROMPTS = (
    "How was your day?",
    "What should I cook tonight?",
    "Explain why the sky is blue.",
    "Give me advice for a job interview.",
    "Describe a walk in the park.",
    "What do you think about learning to play the piano?",
    "Write a short message to a friend who moved away.",
    "How do I keep my house plants alive?",
)
TOKENS = 24
"""Length of each reply."""

AT: Mapping[str, tuple[float, ...]] = {
    PromptContrast.slider: (-1.5, -1.0, -0.5, 0.5, 1.0, 1.5),
    SteeringVector.slider: (-1.0, 1.0),
}
"""Where along each slider replies are steered, for the curve and the tested range."""

COST: Mapping[str, float] = {PromptContrast.slider: 0.26, SteeringVector.slider: 0.09}
"""KL in nats per token at 1 where no shipped axis tells one."""

_AXIS = "axis"
_TEMPERATURE = 0.7
_POSITIONS = 96
"""How many of the base's positions a strength is solved on."""
_WIDEST, _HALVINGS = 64.0, 12


class Calibrated(NamedTuple):
    """An instant axis as far as it depends on the base model: its contrast, its vector [D], its measured points."""

    contrast: Contrast
    vector: Tensor
    curve: tuple[Point, ...]


@dataclass(frozen=True)
class _Visited:
    """What the three streams made of some replies' N positions, and the tokens [N] that came next."""

    base: Tensor
    positive: Tensor
    negative: Tensor
    tokens: Tensor
    lengths: list[int]

    def likelier(self, model: LanguageModel) -> list[float]:
        """(log p_positive - log p_negative) / tokens of each reply: the implicit reward before it is standardised."""
        told: list[Tensor] = []
        for part in torch.arange(len(self.tokens)).split(64):  # logits are large
            chosen = self.tokens[part].unsqueeze(1)
            positive, negative = (
                model.head(states[part].float()).log_softmax(-1).gather(1, chosen).squeeze(1)
                for states in (self.positive, self.negative)
            )
            told.append(positive - negative)
        return [float(reply.mean()) for reply in torch.cat(told).split(self.lengths)]


def cost(slider: str) -> float:
    """KL in nats per token that 1 is to cost along a slider: the median of what it costs on the shipped axes."""
    at = UNSTEERED.to(slider, 1.0)
    found = [point.metrics["kl"].mean for card in cards.shipped().values() for point in card.curve if point.at == at]
    return median(found) if found else COST[slider]


class Fitted(NamedTuple):
    """The half of a calibration that tells what 1 is; the base's replies and their rewards come along."""

    contrast: Contrast
    vector: Tensor
    base: tuple[Finished, ...]
    rewards: tuple[float, ...]


def calibrate(scheduler: Scheduler, described: Described) -> Generator[Progress, None, Calibrated]:
    """Find the scale and the vector, and measure what they do."""
    tree, strengths = PrefixTree(), [UNSTEERED.to(slider, amount) for slider, at in AT.items() for amount in at]
    pace = _Pace((1 + len(strengths)) * len(PROMPTS) * TOKENS)
    fitted = yield from _fitted(scheduler, described, tree, pace)
    rows = [_row(prompt, number, at) for at in strengths for number, prompt in enumerate(PROMPTS)]
    steering = {_AXIS: Steering((PromptContrast.of(fitted.contrast), SteeringVector(fitted.vector)))}
    ends = yield from _answered(scheduler, steering, rows, tree, pace)
    with scheduler.alone():
        rewards = rewarded(scheduler.model, fitted.contrast, rows, ends, tree)
    rewards = [*fitted.rewards, *rewards]
    curve = _curve([UNSTEERED, *strengths], [*fitted.base, *ends], rewards)
    return Calibrated(fitted.contrast, fitted.vector, curve)


def rewarded(
    model: LanguageModel, contrast: Contrast, rows: Sequence[Row], ends: Sequence[Finished], tree: PrefixTree
) -> list[float]:
    """The implicit rewards of replies that a tree remembers, each steered by this contrast alone."""
    steering = {row.strengths[0].axis: Steering((PromptContrast.of(contrast),)) for row in rows}
    raw = _visited(model, steering, rows, ends, tree).likelier(model)
    return [(one - contrast.zero) / contrast.unit for one in raw]


def fit(scheduler: Scheduler, described: Described) -> Generator[Progress, None, Fitted]:
    """Find the scale and the vector alone."""
    return (yield from _fitted(scheduler, described, PrefixTree(), _Pace(len(PROMPTS) * TOKENS)))


def _fitted(
    scheduler: Scheduler, described: Described, tree: PrefixTree, pace: "_Pace"
) -> Generator[Progress, None, Fitted]:
    model, (positive, negative) = scheduler.model, (described.positive, described.negative)
    steering = {_AXIS: Steering((PromptContrast(positive, negative, 1.0),))}
    rows = [_row(prompt, number, UNSTEERED) for number, prompt in enumerate(PROMPTS)]
    ends = yield from _answered(scheduler, steering, rows, tree, pace)
    with scheduler.alone():
        visited = _visited(model, steering, rows, ends, tree)
        half = (visited.positive - visited.negative) / 2
        vector = half.mean(0)
        scale = _solved(model, visited.base, half, cost(PromptContrast.slider))
        length = _solved(model, visited.base, vector.expand_as(half), cost(SteeringVector.slider))
        raw = visited.likelier(model)
    zero, unit = sum(raw) / len(raw), max(float(torch.tensor(raw).std()), 1e-6)
    contrast = Contrast(positive=positive, negative=negative, scale=scale, zero=zero, unit=unit)
    return Fitted(contrast, length * vector, tuple(ends), tuple((one - zero) / unit for one in raw))


def _row(prompt: str, seed: int, at: Sliders) -> Row:
    return Row(messages=conversation(prompt), strengths=(Strength(axis=_AXIS, **at.amounts),), seed=seed)


class _Pace:
    """Counts tokens."""

    def __init__(self, total: int) -> None:
        self.done, self.total = 0, total

    def __call__(self, more: int) -> Progress:
        self.done += more
        return Progress("calibrating", self.done, self.total, "tokens")


def _answered(
    scheduler: Scheduler,
    steering: Mapping[str, Steering],
    rows: Sequence[Row],
    tree: PrefixTree,
    pace: Callable[[int], Progress],
) -> Generator[Progress, None, list[Finished]]:
    """The replies to rows."""
    request = Request(rows=tuple(rows), sampling=Sampling(temperature=_TEMPERATURE), max_new_tokens=TOKENS)
    ends: dict[int, Finished] = {}
    for step in scheduler.run(steering, request, tree):
        ends |= {event.row: event for event in step if isinstance(event, Finished)}
        ended_early = sum(TOKENS - len(event.token_ids) for event in step if isinstance(event, Finished))
        yield pace(sum(isinstance(event, Token) for event in step) + ended_early)
    return [ends[row] for row in range(len(rows))]


def _visited(
    model: LanguageModel,
    steering: Mapping[str, Steering],
    rows: Sequence[Row],
    ends: Sequence[Finished],
    tree: PrefixTree,
) -> _Visited:
    """What the tree remembers of replies."""
    states: list[Tensor] = []
    for plan, end in zip(plan_rows(model, steering, rows), ends, strict=True):
        node = tree.root(model, plan.prompt)
        if len(plan.streams) < 3:  # one for both descriptions
            raise _alike()
        for token in end.token_ids:
            states.append(torch.stack([node.states[stream] for stream in plan.streams]))
            node = tree.child(node, token)
    base, positive, negative = torch.stack(states, 1).float()
    tokens = torch.tensor([token for end in ends for token in end.token_ids], device=base.device)
    return _Visited(base, positive, negative, tokens, [len(end.token_ids) for end in ends])


@torch.inference_mode()
def _solved(model: LanguageModel, base: Tensor, direction: Tensor, wanted: float) -> float:
    """How far along a direction states [N, D] go until that costs so many nats, the mean of both ways."""
    places = torch.linspace(0, len(base) - 1, min(_POSITIONS, len(base))).long()
    start = model.head(base[places])
    slope = model.head(base[places] + direction[places]) - start
    usual = start.log_softmax(-1)

    def spent(far: float) -> float:
        both = [(start + way * far * slope).log_softmax(-1) for way in (1, -1)]
        return sum(float((one.exp() * (one - usual)).sum(-1).mean()) for one in both) / 2

    low, high = 0.0, _WIDEST
    if not spent(high) > wanted:
        raise _alike()
    for _ in range(_HALVINGS):
        middle = (low + high) / 2 if low else high / 4
        low, high = (middle, high) if spent(middle) < wanted else (low, middle)
    return float(f"{(low + high) / 2:.3g}")


def _alike() -> InvalidInput:
    return InvalidInput("The model replies alike under both descriptions.", "Describe two who differ more.")


def _curve(strengths: Sequence[Sliders], ends: Sequence[Finished], rewards: Sequence[float]) -> tuple[Point, ...]:
    """The points of strengths, each of which has a reply to each prompt."""
    count, points = len(PROMPTS), list[Point]()
    for place, at in enumerate(strengths):
        own = range(place * count, (place + 1) * count)
        readings = [
            ReplyMetrics(number, number, {"reward": rewards[row], **metrics.own(ends[row])})
            for number, row in enumerate(own)
        ]
        points.append(metrics.point(at, readings))
    return tuple(sorted(points, key=lambda point: point.order))
