"""Judges read texts alone, agree with the pairs they learnt from, and survive their files."""

import json
import random
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from playground.errors import InvalidInput
from playground.rewards import wins, words
from playground.rewards.judges import KINDS, agreement, judge_of
from playground.rewards.length import brevity
from playground.rewards.sentiment import sentiment
from playground.rewards.words import WordJudge

WARM = ["what", "a", "lovely", "party", "with", "all", "my", "friends", "tonight"]
COLD = ["leave", "me", "alone", "in", "this", "dark", "and", "quiet", "room"]
NEUTRAL = ["the", "table", "has", "four", "legs", "and", "stands", "near", "a", "window"]


def texts(tone: list[str], count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(tone, k=3) + draw.choices(NEUTRAL, k=9)) for _ in range(count)]


@pytest.fixture(scope="module")
def judge() -> WordJudge:
    return words.fit(texts(WARM, 60, 0), texts(COLD, 60, 1))


def test_a_judge_of_words_prefers_unseen_replies_of_its_pole(judge: WordJudge) -> None:
    assert agreement(judge, [()] * 40, texts(WARM, 40, 2), texts(COLD, 40, 3)) > 0.95


def test_exchanging_the_poles_turns_every_score_around(judge: WordJudge) -> None:
    turned = words.fit(texts(COLD, 60, 1), texts(WARM, 60, 0))
    unseen = texts(WARM, 10, 4)
    torch.testing.assert_close(turned([()] * 10, unseen), -judge([()] * 10, unseen), atol=1e-3, rtol=1e-3)


def test_saying_it_twice_is_not_saying_more(judge: WordJudge) -> None:
    once = "what a lovely party"
    score = float(judge([()], [once])[0])
    assert score > 0
    assert float(judge([()], [f"{once}. {once}!"])[0]) <= score


@given(st.text(max_size=60))
def test_any_text_has_a_finite_score(text: str) -> None:
    judge = WordJudge({"party": words.WordWeight(1.0, 2.0), "the": words.WordWeight(0.5, -0.1)})
    for score in (judge, sentiment, brevity):
        assert bool(torch.isfinite(score([()], [text])).all())


def test_words_it_does_not_know_count_for_nothing(judge: WordJudge) -> None:
    assert judge([()] * 2, ["", "zyx qwv"]).tolist() == [0.0, 0.0]


def test_a_judge_of_words_survives_its_file(judge: WordJudge, tmp_path: Path) -> None:
    judge.save(tmp_path)
    again = judge_of("words", tmp_path / words.FILE_NAME)
    unseen = texts(WARM, 10, 5)
    torch.testing.assert_close(again([()] * 10, unseen), judge([()] * 10, unseen), atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": [1]}', '{"a": [1, NaN]}', '{"a": [0, 1]}', "{"])
def test_a_damaged_file_is_no_judge(tmp_path: Path, content: str) -> None:
    (tmp_path / words.FILE_NAME).write_text(content)
    with pytest.raises(InvalidInput):
        WordJudge.load(tmp_path / words.FILE_NAME)


def test_texts_without_common_words_are_refused() -> None:
    with pytest.raises(InvalidInput, match="too few words"):
        words.fit(["one two"], ["three four"])


def test_terms_are_words_and_their_neighbours() -> None:
    assert words.terms_of("I don’t KNOW.") == {"i", "don't", "know", "i don't", "don't know"}


def test_sentiment_tells_good_from_bad_and_negation() -> None:
    good, bad, negated, nothing = sentiment([()] * 4, ["I love it. It is great!", "Awful.", "Not good.", ""]).tolist()
    assert 1 >= good > 0 == nothing
    assert -1 <= bad < 0 and negated < 0


def test_brevity_falls_with_each_word() -> None:
    assert brevity([()] * 3, ["", "one two", "one two three"]).tolist() == [0, -2, -3]


def test_ties_count_half() -> None:
    assert [wins(ours, 2.0) for ours in (1.0, 2.0, 3.0)] == [0.0, 0.5, 1.0]


def test_every_kind_has_a_judge(judge: WordJudge, tmp_path: Path) -> None:
    judge.save(tmp_path)
    for kind in KINDS:
        assert judge_of(kind, tmp_path / words.FILE_NAME)([()], ["a lovely party"]).shape == (1,)
    assert json.loads((tmp_path / words.FILE_NAME).read_text())


def test_a_kind_without_a_judge_is_refused_and_judged_by_no_other() -> None:
    with pytest.raises(InvalidInput, match="rhymes"):
        judge_of("rhymes", Path("judge.json"))  # type: ignore[arg-type]
