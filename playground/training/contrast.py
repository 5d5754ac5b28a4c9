"""Preference pairs from the steered model itself: the best of its replies to a prompt against the worst, by the reward.

Both replies have the manner that the layer has learnt so far, so what tells them apart is the axis and nothing else.
Pairs of two descriptions, or of other people's texts, also differ in much that the axis does not ask for.
"""

from collections.abc import Sequence

from torch import Tensor

from playground.events import Finished
from playground.settings import Row, Strength, conversation
from playground.texts import is_blank
from playground.training.pairs import Pair, of_replies
from playground.training.recipe import Recipe

FIRST_DRAW = 50_000
"""Draws from here on are no other stage's."""


def rows(axis: str, prompts: Sequence[str], recipe: Recipe, number: int = 1) -> list[Row]:
    """`recipe.contrast_prompts` of the prompts, each `recipe.contrast_samples` times at alpha 1, one after the other.

    Round `number` goes on in the prompts where the round before it stopped, and begins anew at their end.
    """
    count = min(recipe.contrast_prompts, len(prompts))
    first = (number - 1) * count
    asked = [prompts[index % len(prompts)] for index in range(first, first + count)]
    return [
        Row(
            messages=conversation(prompt),
            strengths=(Strength(axis=axis, alpha=1.0),),
            seed=recipe.seed + FIRST_DRAW + first * recipe.contrast_samples + index,
        )
        for index, prompt in enumerate(prompt for prompt in asked for _ in range(recipe.contrast_samples))
    ]


def pair_up(replies: Sequence[tuple[Row, Finished]], rewards: Tensor, recipe: Recipe) -> list[Pair]:
    """The best quarter of each prompt's replies with its worst quarter, best with worst; rewards are [N].

    A prompt that did not get all its replies is left out: the best of few is not good.
    """
    by_prompt: dict[str, list[tuple[float, Finished]]] = {}
    for (row, reply), score in zip(replies, rewards.tolist(), strict=True):
        by_prompt.setdefault(row.messages[-1].content, []).append((score, reply))
    found: list[Pair] = []
    for prompt, scored in by_prompt.items():
        if len(scored) < recipe.contrast_samples:
            continue
        ranked = [reply for _, reply in sorted(scored, key=lambda one: one[0])]
        for worst, best in zip(ranked[: len(ranked) // 4], reversed(ranked), strict=False):
            seen = not is_blank(best.text) and not is_blank(worst.text)
            if seen and best.text.strip() != worst.text.strip():
                found.append(of_replies(prompt, best, worst))
    return found
