"""Pairs from two descriptions: who speaks, how telling a reply is, and which replies are paired."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from playground.engine.forced import reply_logprobs
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.events import Finished, exhaust
from playground.measure.gather import ROWS_PER_BATCH
from playground.settings import Message, Row, Sliders, conversation
from playground.sources import build_tiny
from playground.training.invent import Pole, evidence, invent
from playground.training.pairs import Pair
from playground.training.recipe import Recipe
from playground.training.run import Run

WARM, COLD = Pole("a warm person"), Pole("a cold person.", ("I like snow.", "Go away.", "Ice is nice."))
PROMPTS = [f"Question {number}?" for number in range(6)]
SMALL = Recipe(samples=4, invent_tokens=8, invent_keep=0.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_model(build_tiny(tmp_path_factory.mktemp("model"), "llama"))


def invented(model: LanguageModel, folder: Path, reward: object = None) -> list[Pair]:
    return exhaust(invent(Run(model, SMALL, folder), (WARM, COLD), PROMPTS, reward))  # type: ignore[arg-type]


def test_a_pole_speaks_by_its_description_and_a_few_sayings() -> None:
    assert WARM.system(3) == "You are a warm person."
    assert COLD.system(3) == COLD.system(3)
    assert COLD.system(3).startswith("You are a cold person. ")
    assert all(saying in COLD.system(3) for saying in COLD.sayings)
    many = Pole("x", tuple(f"Saying {number}." for number in range(50)))
    assert len({many.system(draw) for draw in range(10)}) > 5


def test_a_pole_without_a_description_speaks_by_more_sayings() -> None:
    sayings = tuple(f"Saying {number}." for number in range(50))
    assert Pole(sayings=sayings).system(0).startswith("You are a person who says of themselves: Saying ")
    assert Pole(sayings=sayings).system(0).count("Saying") > Pole("x", sayings).system(0).count("Saying")


def test_half_of_the_replies_make_pairs_and_the_best_of_those_are_kept(model: LanguageModel, tmp_path: Path) -> None:
    found = invented(model, tmp_path)
    assert len(found) == 6, "six prompts, two pairs of each, half of them kept"
    assert all(pair.prompt == conversation(pair.prompt[-1].content) for pair in found), "no description is left"
    assert not any(pair.chosen_ends for pair in found), "replies cut at eight tokens do not end"


def test_what_time_cuts_are_prompts_and_not_the_choice_among_replies(model: LanguageModel, tmp_path: Path) -> None:
    prompts = [f"Question {number}?" for number in range(100)]
    steps = invent(Run(model, SMALL, tmp_path, deadline=0.0), (WARM, COLD), prompts)
    found = exhaust(steps)
    asked = {pair.prompt[-1].content for pair in found}
    per_prompt = 2 * SMALL.samples
    assert 0 < len(asked) <= ROWS_PER_BATCH // per_prompt, "the first batch holds whole prompts"


def test_a_reward_decides_among_replies_that_tell_as_much(model: LanguageModel, tmp_path: Path) -> None:
    def length(prompts: Sequence[Sequence[Message]], replies: Sequence[str]) -> Tensor:
        return torch.tensor([100.0 * len(reply) for reply in replies])

    def gap(pairs: Sequence[Pair]) -> float:
        return sum(len(pair.chosen) - len(pair.rejected) for pair in pairs) / len(pairs)

    assert gap(invented(model, tmp_path, length)) > gap(invented(model, tmp_path)), "the same replies, paired otherwise"


def test_evidence_is_the_gain_of_the_own_description_over_the_other(model: LanguageModel) -> None:
    own, other = (Row(messages=conversation("Hello?", system=pole.system(0))) for pole in (WARM, COLD))
    ids = [[5, 9, 14, 3]]
    logprob = [float(reply_logprobs(model, [model.prompt_ids(row.messages)], ids)) for row in (own, other)]
    perplexity = torch.tensor(-logprob[0] / 4).exp()
    reply = Finished(
        row=0, at=Sliders(), text="x", token_ids=tuple(ids[0]), alpha_interval=None, reward=None, kl=0,
        perplexity=float(perplexity), finish_reason="length", seed=0, strengths=(),
    )  # fmt: skip
    assert evidence(model, [other], [reply])[0] == pytest.approx(logprob[0] - logprob[1], abs=1e-4)
