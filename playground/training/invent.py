"""Preference pairs from two sentences: the model answers prompts under each description, and plays both sides.

Contrastive self-generation as in RLCD (arXiv 2307.12950): the descriptions steer the answers and are then left out.
"""

import math
from collections.abc import Generator, Sequence
from pathlib import Path

from playground.engine.language_model import LanguageModel
from playground.events import Progress
from playground.settings import Row, Sampling, conversation
from playground.training.pairs import Pair
from playground.training.recipe import Recipe
from playground.training.replies import gather


def invent(
    model: LanguageModel,
    positive: str,
    negative: str,
    prompts: Sequence[str],
    recipe: Recipe,
    store: Path,
    deadline: float = math.inf,
) -> Generator[Progress, None, list[Pair]]:
    """Let the model answer each prompt under both descriptions; return pairs (chosen: the positive one's reply).

    Both sides of a pair share their noise. Pairs whose replies are equal or empty are left out.
    """
    rows = [
        Row(messages=conversation(prompt, system=system), seed=recipe.seed + sample)
        for sample in range(recipe.samples)
        for prompt in prompts
        for system in (persona(positive), persona(negative))
    ]
    sampling = Sampling(temperature=recipe.invent_temperature)
    replies = yield from gather(
        model, {}, rows, sampling, recipe.invent_tokens, store, "inventing pairs", deadline=deadline
    )
    by_row = {reply.row: reply for reply in replies}
    pairs: list[Pair] = []
    for index in range(0, len(rows), 2):
        if index + 1 not in by_row:
            break
        chosen, rejected = by_row[index], by_row[index + 1]
        texts = chosen.text.strip(), rejected.text.strip()
        if all(texts) and texts[0] != texts[1]:
            cut = "length" in (chosen.finish_reason, rejected.finish_reason)
            prompt = conversation(rows[index].messages[-1].content)
            pairs.append(Pair(prompt=prompt, chosen=texts[0], rejected=texts[1], cut=cut))
    return pairs


def persona(description: str) -> str:
    """A description as a system prompt."""
    return f"You are {description.strip().rstrip('.')}. Stay in character in every answer. Do not mention these words."

