"""Other ways to steer the same model, written on the engine's own parts so that they run at the same speed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from playground.axes import Axis
from playground.engine import sampling
from playground.engine.decode import decode
from playground.engine.language_model import LanguageModel
from playground.engine.methods import Steering
from playground.engine.methods.value_function import ValueFunction
from playground.engine.sampling import first_max
from playground.engine.streams import Streams
from playground.events import Finished
from playground.rewards import Reward
from playground.settings import Request, Row, Sampling, Strength, conversation

APART = 1_000_003
"""How far the seeds of a prompt's further candidates lie apart."""


class Written(NamedTuple):
    """A reply as text and token ids."""

    text: str
    ids: tuple[int, ...]


Asked = Sequence[tuple[str, int]]
"""Prompts, each with the seed of its noise."""

Way = Callable[[Asked], list[Written]]
"""A way to reply."""


@dataclass
class Ways:
    """The ways to reply that finding c compares, for one axis at one length and temperature."""

    model: LanguageModel
    axis: Axis
    how: Sampling
    tokens: int
    candidates: int
    block: int
    steering: dict[str, Steering] = field(default_factory=dict)

    def base(self, asked: Asked) -> list[Written]:
        """The model as it came."""
        return self._engine(asked)

    def prompted(self, asked: Asked) -> list[Written]:
        """The model told by a system prompt to be at the positive pole."""
        return self._engine(asked, system=system_prompt(self.axis))

    def steered(self, name: str, alpha: float = 0.0, control: float = 0.0) -> Way:
        """A steering of the engine's, by the name it was given in `steering`."""
        return lambda asked: self._engine(asked, (Strength(axis=name, alpha=alpha, control=control),))

    def best(self, reward: Reward) -> Way:
        """Of several replies of the base the one with the highest reward."""

        def way(asked: Asked) -> list[Written]:
            drawn = self._engine([(prompt, seed + APART * k) for prompt, seed in asked for k in range(self.candidates)])
            messages = [conversation(prompt) for prompt, _ in asked for _ in range(self.candidates)]
            rewards = reward(messages, [one.text for one in drawn]).reshape(len(asked), self.candidates)
            return [drawn[at * self.candidates + int(row.argmax())] for at, row in enumerate(rewards)]

        return way

    def blocks(self, function: ValueFunction) -> Way:
        """Block by block the continuation of highest value among several (Mudgal et al., arXiv 2310.17022)."""

        def way(asked: Asked) -> list[Written]:
            found = best_blocks(self.model, function, asked, self.how, self.tokens, self.candidates, self.block)
            return [Written(self.model.text(ids), tuple(ids)) for ids in found]

        return way

    def _engine(self, asked: Asked, strengths: tuple[Strength, ...] = (), system: str | None = None) -> list[Written]:
        rows = tuple(
            Row(messages=conversation(prompt, system), strengths=strengths, seed=seed) for prompt, seed in asked
        )
        request = Request(rows=rows, sampling=self.how, max_new_tokens=self.tokens)
        ends = [event for event in decode(self.model, self.steering, request) if isinstance(event, Finished)]
        return [Written(end.text, end.token_ids) for end in sorted(ends, key=lambda end: end.row)]


def system_prompt(axis: Axis) -> str:
    """What asks for the positive pole: the description the axis's pairs were invented by, or the pole's name."""
    poles = axis.card.recipe.get("descriptions")
    return f"You are {poles[0].rstrip('.')}." if poles else f"You are very {axis.card.poles.positive}."


@dataclass
class _Candidate:
    """A continuation that may be chosen: whose prompt, which draw, its tokens, and the value of where it stands."""

    prompt: int
    draw: int
    ids: list[int]
    value: float = -math.inf
    ended: bool = False


@torch.inference_mode()
def best_blocks(
    model: LanguageModel, function: ValueFunction, asked: Asked, how: Sampling, most: int, candidates: int, block: int
) -> list[list[int]]:
    """Token ids of the replies to prompts: at the end of each block only the candidate of highest value goes on.

    A candidate's value is V of its last hidden state; of one that has ended, V of the state that ended it.
    """
    streams = Streams(model, {None: None})
    prompts = {(None, place): model.prompt_ids(conversation(prompt)) for place, (prompt, _) in enumerate(asked)}
    states = torch.stack(list(streams.prefill(prompts).values())).float()
    replies: list[list[int]] = [[] for _ in asked]
    places = {prompt: prompt for prompt in range(len(asked))}
    """Where each prompt's reply stands among the streams, while it goes on."""
    while places:
        live = [_Candidate(prompt, draw, list(replies[prompt])) for prompt in places for draw in range(candidates)]
        everyone, parents = live, [places[candidate.prompt] for candidate in live]
        for _ in range(min(block, most - len(live[0].ids))):
            _write(model, function, live, states[parents], asked, how)
            parents = [parent for parent, candidate in zip(parents, live, strict=True) if not candidate.ended]
            live = [candidate for candidate in live if not candidate.ended]
            if not live:
                break
            tokens = [candidate.ids[-1] for candidate in live]
            steps = {(None, place): step for place, step in enumerate(zip(parents, tokens, strict=True))}
            states = torch.stack(list(streams.advance(steps).values())).float()
            parents = list(range(len(live)))
        for candidate, state in zip(live, states, strict=False):
            candidate.value = float(function(state))
        standing = {id(candidate): place for place, candidate in enumerate(live)}
        chosen = _highest(everyone)
        for candidate in chosen:
            replies[candidate.prompt] = candidate.ids
        places = {
            candidate.prompt: standing[id(candidate)]
            for candidate in chosen
            if not candidate.ended and len(candidate.ids) < most
        }
    return replies


def _write(
    model: LanguageModel,
    function: ValueFunction,
    live: Sequence[_Candidate],
    states: Tensor,
    asked: Asked,
    how: Sampling,
) -> None:
    """Write one token of each candidate from the states [N, D] on which they stand."""
    for candidate, state, logits in zip(live, states, model.head(states), strict=True):
        seed = asked[candidate.prompt][1] + APART * candidate.draw
        noise = sampling.gumbel(seed, len(candidate.ids), len(logits)).to(logits.device)
        token = int(first_max(sampling.score(logits[None], how, noise[None], [])[0]))
        candidate.ids.append(token)
        if token in model.stop_ids:
            candidate.ended, candidate.value = True, float(function(state))


def _highest(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The candidate of highest value of each prompt, the first of equals."""
    best: dict[int, _Candidate] = {}
    for candidate in candidates:
        known = best.get(candidate.prompt)
        if known is None or candidate.value > known.value:
            best[candidate.prompt] = candidate
    return list(best.values())
