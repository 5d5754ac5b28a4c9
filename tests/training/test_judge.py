"""The judge sees no pair that layer or reward head see, and judges pairs it was not fitted on."""

from pathlib import Path

import pytest

from playground.cards import Data, Poles
from playground.errors import InvalidInput
from playground.rewards.length import brevity
from playground.settings import conversation
from playground.training import judge
from playground.training.pairs import Pair, first_user_message, is_development, is_for_judge, split
from playground.training.spec import Job


def some(count: int, what: str = "number", chosen: str = "so good and warm", rejected: str = "so bad and cold today"):
    return [
        Pair(prompt=conversation(f"{what} {index}?"), chosen=f"{chosen} {index}", rejected=f"{rejected} {index}")
        for index in range(count)
    ]


def job(**changes: object) -> Job:
    settings = {
        "name": "warmth", "description": "", "poles": Poles(negative="cold", positive="warm"), "out": Path("unused"),
        "prompts": (), "command": "", "data": (), **changes,
    }  # fmt: skip
    return Job(**settings)  # type: ignore[arg-type]


def asked(found: list[Pair]) -> set[str]:
    return {first_user_message(pair.prompt) for pair in found}


def fit(what: Job, tmp_path: Path) -> judge.FittedJudge:
    learnt, kept = judge.part(what, what.given)
    return judge.fit(what, kept, split(learnt, what.recipe.development_share).development, tmp_path)


def test_without_pairs_of_its_own_it_keeps_a_share_of_the_others() -> None:
    what = job(given=some(200))
    learnt, kept = judge.part(what, what.given)
    assert asked(learnt).isdisjoint(asked(kept))
    assert len(learnt) + len(kept) == 200
    assert 40 <= len(kept) <= 80, "about three tenths"


def test_development_and_judge_are_different_slices() -> None:
    texts = [str(number) for number in range(4000)]
    both = sum(is_development(text, 0.2) and is_for_judge(text, 0.2) for text in texts)
    assert 0.03 < both / len(texts) < 0.05, "independent, so a fifth of a fifth"


def test_pairs_of_its_own_leave_the_others_whole() -> None:
    what = job(given=some(50), judge_pairs=some(60, "thing"))
    assert judge.part(what, what.given) == ([*what.given], [])


def test_the_very_same_file_is_shared_out(tmp_path: Path) -> None:
    """Given a file twice, what the judge is fitted and checked on is still new to layer and reward head."""
    what = job(given=some(300), judge_pairs=some(300))
    kept = judge.part(what, what.given).kept
    assert kept
    judged = fit(what, tmp_path)
    assert judged.card.data[-1].rows + judged.card.pairs == len(kept)
    assert judged.checks["judge_agreement_pairs"] == 1.0


def test_a_judge_that_lies_fitted_takes_no_pairs_and_is_copied(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    fit(job(given=some(40), judge_pairs=some(80, "thing")), tmp_path / "own")
    data = (Data(name="words", licence="CC0-1.0", rows=2, sha256="a" * 64),)
    what = job(given=some(40), judge_file=tmp_path / "own" / "judge.json", judge_data=data)
    assert judge.part(what, what.given) == ([*what.given], [])
    (tmp_path / "new").mkdir()
    for _ in range(2):  # the second reads what the first left
        judged = fit(what, tmp_path / "new")
        assert (judged.card.file, judged.card.data, judged.card.agreement) == ("judge.json", data, 1.0)
        warm, cold = judged.judge([(), ()], ["so good and warm", "so bad and cold today"]).tolist()
        assert warm > cold
    assert (tmp_path / "new" / "judge.json").read_bytes() == (tmp_path / "own" / "judge.json").read_bytes()
    (tmp_path / "own" / "judge.json").write_text("[]")
    with pytest.raises(InvalidInput, match="no list of terms"):
        judge.check(what)


def test_a_judge_of_words_is_fitted_checked_and_read_again(tmp_path: Path) -> None:
    data = Data(name="pairs.jsonl", licence="CC0", rows=80, sha256="0" * 64)
    what = job(given=some(40), judge_pairs=some(80, "thing"), judge_data=(data,))
    first, again = (fit(what, tmp_path) for _ in range(2))
    assert first.card == again.card
    assert first.card.agreement == 1.0 and 0 < first.card.pairs < 40
    assert first.card.data[0] == data and first.card.data[1].rows + first.card.pairs == 80
    replies = ["warm and good", "cold and bad"]
    warm, cold = first.judge([(), ()], replies).tolist()
    assert warm > cold
    assert again.judge([(), ()], replies).tolist() == pytest.approx([warm, cold], abs=1e-2)


def test_a_rule_keeps_nothing_and_is_checked_on_its_own_pairs(tmp_path: Path) -> None:
    what = job(given=some(40), judge="length")
    assert judge.part(what, what.given).kept == []
    (tmp_path / "a").mkdir()
    judged = fit(what, tmp_path / "a")
    assert judged.judge is brevity
    assert (judged.card.file, judged.card.data) == ("", ())
    assert judged.card.agreement == 1.0, "the chosen replies are the shorter ones"
    (tmp_path / "b").mkdir()
    own = some(6, chosen="a b c", rejected="a")
    assert fit(job(given=some(40), judge="length", judge_pairs=own), tmp_path / "b").card.agreement == 0.0


@pytest.mark.parametrize(
    "changes",
    [
        {"given": some(9)},
        {"given": some(300), "judge_pairs": some(300)[:4]},
        {"given": some(300), "judge_pairs": some(3, "thing")},
    ],
)
def test_too_few_pairs_are_told_before_any_work(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=r"left for a judge|too few"):
        judge.check(job(**changes))
