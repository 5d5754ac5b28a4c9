"""The steered model's own replies as pairs: best against worst, of whole prompts only."""

from dataclasses import replace

import torch

from playground.events import Finished
from playground.settings import Row, Sliders, conversation
from playground.training import contrast
from playground.training.recipe import Recipe

RECIPE = Recipe(contrast_samples=8)
PROMPTS = ["What is new?", "And now?"]


def answered(rows: list[Row]) -> list[tuple[Row, Finished]]:
    """Each row's number as its reply."""
    reply = Finished(
        row=0, text="", token_ids=(), at=Sliders(alpha=1.0), alpha_interval=None, reward=None, kl=0.0,
        perplexity=1.0, finish_reason="length",
    )  # fmt: skip
    return [(row, replace(reply, row=index, text=f" {index}")) for index, row in enumerate(rows)]


def test_every_prompt_is_asked_in_turn_with_noise_of_its_own() -> None:
    rows = contrast.rows("warmth", PROMPTS, RECIPE)
    assert [row.messages for row in rows] == [conversation(prompt) for prompt in PROMPTS for _ in range(8)]
    assert len({row.seed for row in rows}) == 16
    assert {(strength.axis, strength.alpha, strength.control) for row in rows for strength in row.strengths} == {
        ("warmth", 1.0, 0.0)
    }


def test_a_later_round_asks_other_prompts_and_begins_anew_at_their_end() -> None:
    recipe = RECIPE.model_copy(update={"contrast_prompts": 2, "contrast_samples": 4})
    rounds = [contrast.rows("warmth", ["a", "b", "c"], recipe, number) for number in (1, 2)]
    assert [row.messages[-1].content for row in rounds[0]] == ["a"] * 4 + ["b"] * 4
    assert [row.messages[-1].content for row in rounds[1]] == ["c"] * 4 + ["a"] * 4
    assert len({row.seed for rows in rounds for row in rows}) == 16, "noise of its own even where a prompt comes again"


def test_the_best_quarter_of_a_prompts_replies_meets_the_worst() -> None:
    replies = answered(contrast.rows("warmth", PROMPTS, RECIPE))
    rewards = torch.tensor([3.0, 1, 7, 5, 0, 2, 6, 4, 0, 0, 9, 0, -9, 1, -8, 8])
    pairs = contrast.pair_up(replies, rewards, RECIPE)
    assert [(pair.prompt, pair.chosen, pair.rejected) for pair in pairs] == [
        (conversation(PROMPTS[0]), "2", "4"),
        (conversation(PROMPTS[0]), "6", "1"),
        (conversation(PROMPTS[1]), "10", "12"),
        (conversation(PROMPTS[1]), "15", "14"),
    ]
    assert not any(pair.chosen_ends or pair.rejected_ends for pair in pairs), "where a cut reply ends is not learnt"


def test_prompts_without_all_their_replies_and_replies_that_say_the_same_are_left_out() -> None:
    replies = answered(contrast.rows("warmth", PROMPTS, RECIPE))
    cut = contrast.pair_up(replies[:12], torch.arange(12.0), RECIPE)
    assert {pair.prompt for pair in cut} == {conversation(PROMPTS[0])}
    same = [(row, replace(reply, text="Yes.")) for row, reply in replies]
    assert contrast.pair_up(same, torch.arange(16.0), RECIPE) == []
