"""The embedded model and the shipped axes: what tiny random models cannot show."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from playground import calibration, cards
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.events import Finished
from playground.player import Player
from playground.settings import Request, Row, Sampling, Strength, conversation
from playground.ui.play import recordings

pytestmark = pytest.mark.real

PROMPTS = ("Tell me about yourself.", "Describe a morning in your office.", "What is the capital of France?")
NEW_TOKENS = 24
HANDFUL = (
    "What did you do last weekend?", "How do you feel about Mondays?", "Describe your ideal holiday.",
    "Write two sentences about a visit to the market.", "What do you think of long train journeys?",
    "Tell me about your neighbours.",
)  # fmt: skip
MORE = (
    "Describe a walk through your town.", "What is your favourite meal and why?", "Give me advice for my first day.",
    "Write a short note to a friend who moved away.", "How was the concert last night?", "What makes a good evening?",
    "Tell me a story about a lost umbrella.", "What do you do when it rains?", "How do you like your work?",
    "Describe the view from your window.",
)  # fmt: skip


@pytest.fixture(scope="module")
def model(embedded: Path) -> LanguageModel:
    return load_model(embedded, torch.float32, name="SmolLM2-135M-Instruct")


@pytest.fixture(scope="module")
def player(model: LanguageModel) -> Player:
    known = Player(model)
    for folder in cards.shipped():
        known.axis(str(folder))
    return known


def run(player: Player, *rows: Row, how: Sampling | None = None, new_tokens: int = NEW_TOKENS) -> list[Finished]:
    request = Request(rows=rows, sampling=how or Sampling(), max_new_tokens=new_tokens)
    return sorted((e for e in player.run(request) if isinstance(e, Finished)), key=lambda end: end.row)


def row(prompt: str, alpha: float = 0.0, control: float = 0.0, axis: str = "extraversion", seed: int = 0) -> Row:
    strengths = (Strength(axis=axis, alpha=alpha, control=control),)
    return Row(messages=conversation(prompt), strengths=strengths, seed=seed)


def test_the_page_opens_with_what_the_model_says_at_the_first_touch(player: Player) -> None:
    recording = recordings.read(recordings.path_for("float32"))
    panes = recording.request.model_copy(update={"rows": recording.request.rows[:2]})
    said = run(player, *panes.rows, how=panes.sampling, new_tokens=panes.max_new_tokens)
    recorded = {end.row: end.text for end in recording.events if isinstance(end, Finished)}
    assert [end.text for end in said] == [recorded[0], recorded[1]]


def test_greedy_text_at_strength_0_is_that_of_generate(player: Player) -> None:
    model = player.model
    ends = run(player, *(row(prompt) for prompt in PROMPTS))
    for prompt, end in zip(PROMPTS, ends, strict=True):
        ids = torch.tensor([model.prompt_ids(conversation(prompt))])
        found = model.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=2
        )
        assert end.token_ids == tuple(found[0, ids.shape[1] :].tolist())
    assert "Paris" in ends[2].text
    assert ends[2].finish_reason == "stop"


def test_a_row_alone_is_the_row_in_a_batch(player: Player) -> None:
    rows = [row(PROMPTS[0], 0.7), row(PROMPTS[1], -0.5, axis="positivity"), row(PROMPTS[2], 0.0, 1.0)]
    together = run(player, *rows)
    for asked, end in zip(rows, together, strict=True):
        assert run(player, asked)[0].token_ids == end.token_ids


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_the_text_is_constant_in_its_alpha_interval_and_changes_just_outside(player: Player, alpha: float) -> None:
    (end,) = run(player, row(PROMPTS[1], alpha))
    assert end.alpha_interval is not None
    low, high = end.alpha_interval
    assert low is not None and high is not None and low <= alpha <= high
    slack = 1e-3
    before, first, last, after = run(
        player, *(row(PROMPTS[1], a) for a in (low - slack, low + slack, high - slack, high + slack))
    )
    assert before.token_ids != end.token_ids != after.token_ids
    if high - low > 2 * slack:
        assert first.token_ids == end.token_ids == last.token_ids


def mean_rewards(
    player: Player, axis: str, strengths: list[tuple[float, float]], prompts: Sequence[str]
) -> list[float]:
    """The mean reward of sampled replies to the prompts at each (alpha, control); a prompt keeps its noise."""
    rows = [row(prompt, *strength, axis, seed) for strength in strengths for seed, prompt in enumerate(prompts)]
    rewards = [end.reward or 0.0 for end in run(player, *rows, how=Sampling(temperature=0.7), new_tokens=40)]
    return [sum(rewards[start : start + len(prompts)]) / len(prompts) for start in range(0, len(rows), len(prompts))]


@pytest.mark.parametrize("axis", ["extraversion", "positivity"])
def test_reward_rises_with_alpha(player: Player, axis: str) -> None:
    against, base, along = mean_rewards(player, axis, [(-1.0, 0.0), (0.0, 0.0), (1.0, 0.0)], HANDFUL)
    assert along > base > against


@pytest.mark.parametrize("axis", ["extraversion", "positivity"])
def test_reward_follows_control(player: Player, axis: str) -> None:
    """Control moves a reward by half as much as alpha, so this compares both ways over more prompts."""
    down, up = mean_rewards(player, axis, [(0.0, -1.0), (0.0, 1.0)], HANDFUL + MORE)
    assert up > down


def test_three_strengths_give_three_readable_replies(player: Player) -> None:
    ends = run(player, *(row(PROMPTS[0], alpha) for alpha in (-0.5, 0.0, 1.0)), new_tokens=48)
    assert len({end.text for end in ends}) == 3
    base = ends[1].perplexity
    assert all(end.perplexity < 4 * base for end in ends)
    assert all(len(end.text.split()) > 5 for end in ends)


@pytest.mark.timeout(1200)  # half a minute of work, and more beside others
@pytest.mark.usefixtures("own_cache")
def test_an_instant_axis_shows_both_its_ends_at_what_trained_ones_cost(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "AT", {"alpha": (1.0,), "control": (1.0,)})  # which takes a third of the time
    name = "a swashbuckling pirate | a dull accountant"
    asked = [row(prompt, alpha, axis=name, seed=1) for alpha in (-1.0, 1.0) for prompt in HANDFUL]
    ends = run(player, *asked, how=Sampling(temperature=0.7))
    left, right = ends[: len(HANDFUL)], ends[len(HANDFUL) :]
    for side in (left, right):
        assert 0.1 < sum(end.kl for end in side) / len(side) < 0.5, "the shipped axes' median is 0.26"
    rewards = [sum(end.reward or 0 for end in side) / len(side) for side in (left, right)]
    assert rewards[0] < -1 and rewards[1] > 1
    assert any(word in end.text.lower() for end in right for word in ("sea", "sail", "captain", "ship", "treasure"))
