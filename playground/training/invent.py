"""Preference pairs from two sentences: the model answers prompts under each description, and plays both sides.

Contrastive self-generation as in RLCD (arXiv 2307.12950): the descriptions steer the answers and are then left out.
"""

import math
from collections.abc import Generator, Sequence
from pathlib import Path

from playground.engine.language_model import LanguageModel
from playground.engine.reading import reply_logprobs
from playground.events import Finished, Progress
from playground.replies import Pace, gather
from playground.settings import Row, Sampling, conversation
from playground.training.pairs import Pair
from playground.training.recipe import Recipe

READ_AT_ONCE = 128


def invent(
    model: LanguageModel,
    positive: str,
    negative: str,
    prompts: Sequence[str],
    recipe: Recipe,
    store: Path,
    deadline: float = math.inf,
) -> Generator[Progress, None, list[Pair]]:
    """Let the model answer each prompt under both descriptions; return the pairs that tell them apart best.

    chosen is the positive description's reply. Both sides of a pair share their noise. Of all pairs the share
    `recipe.invent_keep` with the highest contrast is returned, the most telling first.
    """
    rows = [
        Row(messages=conversation(prompt, system=system), seed=recipe.seed + sample * len(prompts) + index)
        for sample in range(recipe.samples)
        for index, prompt in enumerate(prompts)
        for system in (persona(positive), persona(negative))
    ]
    sampling = Sampling(temperature=recipe.invent_temperature, top_k=recipe.invent_top_k)
    replies = yield from gather(
        model, {}, rows, sampling, recipe.invent_tokens, store, "inventing pairs", deadline=deadline
    )
    by_row = {reply.row: reply for reply in replies}
    candidates: list[tuple[Pair, Finished, Finished]] = []
    for index in range(0, len(rows), 2):
        if index + 1 not in by_row:
            break
        chosen, rejected = by_row[index], by_row[index + 1]
        texts = chosen.text.strip(), rejected.text.strip()
        if all(texts) and texts[0] != texts[1]:
            cut = "length" in (chosen.finish_reason, rejected.finish_reason)
            prompt = conversation(rows[index].messages[-1].content)
            candidates.append((Pair(prompt=prompt, chosen=texts[0], rejected=texts[1], cut=cut), chosen, rejected))

    contrasts: list[float] = []
    pace = Pace("choosing pairs", len(candidates), "pairs")
    yield pace(0)
    for start in range(0, len(candidates), READ_AT_ONCE):
        part = candidates[start : start + READ_AT_ONCE]
        contrasts += contrast(
            model, [rows[chosen.row] for _, chosen, _ in part], [chosen for _, chosen, _ in part],
            [rows[rejected.row] for _, _, rejected in part], [rejected for _, _, rejected in part],
        )  # fmt: skip
        yield pace(start + len(part))
    ranked = sorted(range(len(candidates)), key=lambda index: -contrasts[index])
    return [candidates[index][0] for index in ranked[: math.ceil(recipe.invent_keep * len(ranked))]]


def contrast(
    model: LanguageModel,
    chosen_rows: Sequence[Row],
    chosen: Sequence[Finished],
    rejected_rows: Sequence[Row],
    rejected: Sequence[Finished],
) -> list[float]:
    """How much better each reply fits its own description than the other one, summed over a pair, in nats [N].

    log p(c | P+) - log p(c | P-) + log p(r | P-) - log p(r | P+): the evidence the two texts give of who wrote them.
    """
    own = [_logprob(reply) for reply in chosen], [_logprob(reply) for reply in rejected]
    prompts = [model.prompt_ids(row.messages) for row in [*rejected_rows, *chosen_rows]]
    crossed = reply_logprobs(model, prompts, [reply.token_ids for reply in [*chosen, *rejected]]).tolist()
    count = len(chosen)
    return [own[0][i] + own[1][i] - crossed[i] - crossed[count + i] for i in range(count)]


def persona(description: str) -> str:
    """A description as a system prompt."""
    return f"You are {description.strip().rstrip('.')}."


def _logprob(reply: Finished) -> float:
    """A base reply's log-probability in nats, from its perplexity."""
    return -len(reply.token_ids) * math.log(reply.perplexity)
