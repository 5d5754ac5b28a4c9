"""Preference pairs from two people, by description or by what they say: the model answers prompts as each of them.

Contrastive self-generation as in RLCD (arXiv 2307.12950): who they are steers the answers and is then left out. Of
several answers to a prompt those that show their side best are paired.
"""

import math
import random
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from playground.engine.forced import reply_logprobs
from playground.engine.language_model import LanguageModel
from playground.events import Finished, Progress
from playground.measure.gather import gather
from playground.measure.progress import ProgressMeter
from playground.rewards import Reward
from playground.settings import Request, Row, Sampling, as_system, conversation
from playground.texts import is_blank
from playground.training.pairs import Pair, of_replies
from playground.training.recipe import Recipe
from playground.training.run import Run

READ_AT_ONCE = 128
SAYINGS_BESIDE, SAYINGS_ALONE = 5, 12
"""How many sayings a system prompt holds, with a description and without one."""
FAR = 3.0
"""Scores are cut at so many standard deviations: one odd reply is not worth three good ones."""


@dataclass(frozen=True)
class Pole:
    """Who answers at one end of the axis: told by a description, by things that such a person says, or by both."""

    description: str = ""
    sayings: Sequence[str] = ()

    def system(self, draw: int) -> str:
        """The system prompt of one answer: the description, and some of the sayings picked by `draw`."""
        count = SAYINGS_BESIDE if self.description else SAYINGS_ALONE
        picked = random.Random(draw).sample(list(self.sayings), min(count, len(self.sayings)))
        who = as_system(self.description) if self.description else "You are a person who says of themselves:"
        return " ".join([who, *picked])


class ScoredReply(NamedTuple):
    """One reply of one side: its row (with the system prompt), the reply, and how well it shows its side."""

    row: Row
    reply: Finished
    score: float


def invent(
    run: Run, poles: tuple[Pole, Pole], prompts: Sequence[str], reward: Reward | None = None
) -> Generator[Progress, None, list[Pair]]:
    """Let the model answer each prompt as both people, the positive one first; return the pairs that tell best.

    chosen is the positive side's reply. Of `recipe.samples` replies of each side to a prompt the better half is paired,
    best with best; of all pairs the share `recipe.invent_keep` with the widest gap is returned, the widest first.
    A reply's score is the evidence it gives of its side, plus its reward where one is known; see `evidence`.
    """
    model, recipe = run.model, run.recipe
    rows = tuple(
        Row(messages=conversation(prompt, system=pole.system(seed)), seed=seed)
        for index, prompt in enumerate(prompts)  # one after the other: past the deadline there are fewer, not poorer
        for sample in range(recipe.samples)
        for seed in [recipe.seed + sample * len(prompts) + index]
        for pole in poles
    )
    if not rows:
        return []
    sampling = Sampling(temperature=recipe.invent_temperature, top_k=recipe.invent_top_k)
    request = Request(rows=rows, sampling=sampling, max_new_tokens=recipe.invent_tokens)
    # Choosing takes about as long as writing, and cannot be cut short.
    until = (time.monotonic() + run.deadline) / 2
    replies = yield from gather(model, {}, request, run.until(until).gathering("invented.jsonl", "inventing pairs"))
    replies = [reply for reply in replies if not is_blank(reply.text)]
    scores = yield from _scores(model, rows, replies, reward)
    couples = _couples(rows, replies, scores, pairs_each(recipe))
    kept = couples[: math.ceil(recipe.invent_keep * len(couples))]
    return [
        of_replies(chosen.row.messages[-1].content, chosen.reply, rejected.reply)
        for chosen, rejected in kept
        if chosen.reply.text.strip() != rejected.reply.text.strip()
    ]


def pairs_each(recipe: Recipe) -> int:
    """How many pairs come of a prompt: the better half of its replies."""
    return max(1, recipe.samples // 2)


def _couples(
    rows: Sequence[Row], replies: Sequence[Finished], scores: Sequence[float], each: int
) -> list[tuple[ScoredReply, ScoredReply]]:
    """Of each prompt the `each` best replies of both sides, best with best; the widest couple first."""
    by_prompt: dict[str, tuple[list[ScoredReply], list[ScoredReply]]] = {}
    for reply, score in zip(replies, scores, strict=True):
        row = rows[reply.row]
        sides = by_prompt.setdefault(row.messages[-1].content, ([], []))
        sides[reply.row % 2].append(ScoredReply(row, reply, score))
    couples: list[tuple[ScoredReply, ScoredReply]] = []
    for sides in by_prompt.values():
        best = [sorted(side, key=lambda answer: -answer.score)[:each] for side in sides]
        couples += zip(*best, strict=False)
    return sorted(couples, key=lambda couple: -couple[0].score - couple[1].score)


def _scores(
    model: LanguageModel, rows: Sequence[Row], replies: Sequence[Finished], reward: Reward | None
) -> Generator[Progress, None, list[float]]:
    """How well each reply shows its own side: standardised evidence, and reward if there is one."""
    pace = ProgressMeter("choosing pairs", len(replies), "replies")
    yield pace(0)
    found: list[float] = []
    rewards: list[float] = []
    for start in range(0, len(replies), READ_AT_ONCE):
        part = replies[start : start + READ_AT_ONCE]
        # Even rows are the positive side's; the other side's row with the same prompt and draw is the neighbour.
        found += evidence(model, [rows[reply.row ^ 1] for reply in part], part)
        if reward is not None:
            plain = [(rows[reply.row].messages[-1],) for reply in part]
            signs = torch.tensor([1.0 if reply.row % 2 == 0 else -1.0 for reply in part])
            rewards += (signs * reward(plain, [reply.text for reply in part])).tolist()
        yield pace(start + len(part))
    columns = [torch.tensor(column) for column in (found, rewards) if column]
    return torch.stack([_standard(column) for column in columns]).sum(0).tolist() if columns else []


def evidence(model: LanguageModel, others: Sequence[Row], replies: Sequence[Finished]) -> list[float]:
    """log p(reply | own side) - log p(reply | the other), in nats [N]: what a reply tells of who wrote it.

    others: for each reply the row under the other side's system prompt.
    """
    crossed = reply_logprobs(
        model, [model.prompt_ids(row.messages) for row in others], [reply.token_ids for reply in replies]
    ).tolist()
    return [_logprob(reply) - other for reply, other in zip(replies, crossed, strict=True)]


def _standard(column: Tensor) -> Tensor:
    """Zero mean, unit spread, cut at FAR."""
    return ((column - column.mean()) / column.std(correction=0).clamp(min=1e-6)).clamp(-FAR, FAR)


def _logprob(reply: Finished) -> float:
    """A base reply's log-probability in nats, from its perplexity."""
    return -len(reply.token_ids) * math.log(reply.perplexity)
