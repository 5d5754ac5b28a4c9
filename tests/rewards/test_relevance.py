"""Relevance tells a reply to its own conversation from one to another."""

from pathlib import Path

import pytest
import torch

from playground.engine.forced import reply_logprobs
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.rewards.relevance import MOST_TOKENS, Relevance
from playground.settings import conversation
from tests.conftest import FolderOf

ASKED = ("What is rain?", "How was it?", "Who are you?", "Why?", "Where?")


@pytest.fixture(scope="module")
def model(tiny_folder: FolderOf) -> LanguageModel:
    return load_model(tiny_folder("llama"))


@pytest.mark.parametrize("others", [1, 2, 4, 9])
def test_it_is_the_share_of_others_after_which_a_reply_is_less_likely(model: LanguageModel, others: int) -> None:
    prompts = [conversation(prompt) for prompt in ASKED]
    replies = ["water from above", "fine", "a model", "", "here " * 2 * MOST_TOKENS]
    shares = []
    for place, reply in enumerate(replies):
        ids = model.reply_ids(reply)[:MOST_TOKENS]
        compared = [prompts[(place + by) % 5] for by in range(min(others, 4) + 1)]
        own, *rest = reply_logprobs(model, [model.prompt_ids(one) for one in compared], [ids] * len(compared)).tolist()
        shares.append(sum(own > one for one in rest) / len(rest))
    assert Relevance(model, others)(prompts, replies).tolist() == pytest.approx(shares)


def test_the_same_question_at_many_strengths_is_one_conversation(model: LanguageModel) -> None:
    prompts = [conversation(prompt) for prompt in ASKED[:3]]
    replies = ["water", "fine", "a model"]
    once = Relevance(model)(prompts, replies)
    twice = Relevance(model)([one for one in prompts for _ in range(2)], [one for one in replies for _ in range(2)])
    assert torch.equal(once.repeat_interleave(2), twice)
    assert Relevance(model)(prompts[:1] * 2, replies[:2]).tolist() == [1.0, 1.0]


def test_the_embedded_model_tells_answers_apart(embedded: Path) -> None:
    model = load_model(embedded)
    prompts = [
        conversation(one) for one in ("What is the capital of France?", "How do I boil an egg?", "What is 2 + 2?")
    ]
    replies = ["The capital of France is Paris.", "Put the egg into boiling water for eight minutes.", "2 + 2 is 4."]
    found = Relevance(model)
    assert found(prompts, replies).tolist() == [1.0, 1.0, 1.0]
    assert found(prompts, [*replies[1:], replies[0]]).mean() < 0.5
