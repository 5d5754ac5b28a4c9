"""A card says what a person should know, an axis in the making how far it is; nothing from outside becomes HTML."""

import re

import pytest

from playground import cards
from playground.cards import Data, Estimate, Judge, Point, SafeRange
from playground.events import Progress
from playground.training.jobs import STAGES, TrainingStatus
from playground.ui.axes import card as axis_card
from playground.ui.axes import examples
from playground.ui.axes.examples import Example
from tests.ui.fake_player import card

NASTY = "<script>alert(1)</script>"


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


def test_a_card_tells_what_it_is_how_far_it_goes_and_where_it_is_from() -> None:
    first, folded = text(axis_card.card(card())), axis_card.details(card())
    assert all(words in first for words in ("extraversion", "shy", "outgoing", "From withdrawn"))
    for words in (
        "alpha −1 to 2, control −1 to 1.5", "until alpha 2", "30 updates of step size 0.5", "playground axis invent",
    ):  # fmt: skip
        assert words in text(folded) and words not in first
    assert folded.startswith("<details") and "<details open" not in folded


def test_a_note_is_a_warning_and_a_judge_is_told_with_what_it_is_worth() -> None:
    judge = Judge(kind="words", file="", agreement=0.91, pairs=40, data=())
    assert "Other weights." in text(axis_card.card(card(), note="Other weights."))
    told = text(axis_card.details(card().model_copy(update={"judge": judge})))
    assert "words, agrees with 91% of 40 labelled pairs" in told


def test_a_card_tells_whether_replies_keep_to_the_prompt_where_that_was_measured() -> None:
    assert "coherence with the prompt" not in text(axis_card.details(card()))
    one = Estimate(mean=0.5, low=0.4, high=0.6)
    curve = [Point(alpha=alpha, control=0.0, metrics={"coherence": one}) for alpha in (-1.0, 0.0, 1.0)]
    told = text(axis_card.details(card().model_copy(update={"curve": tuple(curve)})))
    assert "coherence with the prompt 0.50 at 0, 0.50 at alpha 1" in told


def test_a_card_tells_what_was_done_beside_its_command() -> None:
    assert "by hand" not in text(axis_card.details(card()))
    told = text(axis_card.details(card().model_copy(update={"by_hand": "Scaled by 1.1."})))
    assert told.endswith("and by hand: Scaled by 1.1.")


def test_whatever_a_card_holds_is_text() -> None:
    data = Data(name=NASTY, licence=NASTY, attribution=NASTY, rows=1, sha256="0")
    nasty = card(NASTY, NASTY, NASTY).model_copy(
        update={"description": NASTY, "command": NASTY, "by_hand": NASTY, "licence": NASTY, "data": (data,)}
    )
    assert "<script" not in axis_card.card(nasty, NASTY) + axis_card.details(nasty)
    assert "<script" not in axis_card.example(nasty, Example(NASTY, ((-1.0, NASTY), (1.0, NASTY))))
    made = TrainingStatus(NASTY, "a", "failed", Progress(NASTY, 1, 2), NASTY, (NASTY,) * 3, ((1.0, NASTY),))
    assert "<script" not in axis_card.making(made)


def test_an_example_stands_between_its_poles() -> None:
    told = text(axis_card.example(card(), Example("Hello.", ((-1.0, "low"), (0.0, "middle"), (1.0, "")))))
    assert told == "Hello. −1 shy low 0 base (unsteered) middle 1 outgoing …"


@pytest.mark.parametrize(
    ("safe", "alphas"),
    [((-0.5, 1.25), (-0.5, 0, 1)), ((-2, 3), (-1, 0, 1)), ((0, 1.5), (0, 0.5, 1)), ((-2, 0), (-1, -0.5, 0))],
)
def test_an_example_keeps_to_the_tested_range(safe: tuple[float, float], alphas: tuple[float, ...]) -> None:
    ranged = card().model_copy(update={"safe_range": SafeRange(alpha=safe, control=(0.0, 1.0))})
    assert examples.strengths(ranged) == alphas


def test_every_shipped_axis_has_an_example_of_its_own_weights() -> None:
    for shipped in cards.shipped().values():
        example = examples.of(shipped)
        assert example is not None, "run python -m tools.presets --write"
        assert tuple(alpha for alpha, _ in example.replies) == examples.strengths(shipped)
        assert all(text.strip() for _, text in example.replies)
        assert len({text for _, text in example.replies}) > 1
        assert examples.of(shipped.model_copy(update={"files": {"another": "file"}})) is None


@pytest.mark.parametrize(
    ("making", "words"),
    [
        (TrainingStatus("calm", "calm", "making"), "Starting: loading the model"),
        (
            TrainingStatus("calm", "calm", "making", Progress("identity layer", 3, 60, "steps", 1.0, 57.0)),
            "Training the layer behind alpha: 3 of 60 steps, about 57 s left in this stage",
        ),
        (TrainingStatus("calm", "calm", "making", Progress("curve", 1, 2, "points", 1.0, 600.0)), "about 10 min left"),
        (TrainingStatus("calm", "calm", "making", Progress("something new", 1, 2)), "Something new: 1 of 2"),
        (TrainingStatus("calm", "calm", "stopped"), "Resume continues here"),
        (TrainingStatus("calm", "calm", "failed", problem="There is nothing to learn."), "There is nothing to learn."),
        (TrainingStatus("calm", "calm", "made"), "in the list of axes"),
    ],
)
def test_every_stand_of_a_training_is_said(making: TrainingStatus, words: str) -> None:
    assert words in text(axis_card.making(making))


def test_the_stages_are_named_for_whoever_cannot_see_them() -> None:
    stages = [axis_card.making(TrainingStatus("a", "a", "making", Progress(stage, 0, 1))) for stage in STAGES]
    for number, html in enumerate(stages, start=1):
        assert f'aria-label="stage {number} of {len(STAGES)}"' in html
        assert html.count('class="past"') == number - 1


def test_what_is_learnt_and_said_is_shown_until_it_is_made() -> None:
    one = TrainingStatus(
        "calm", "calm", "making", None, "", ("Hello.", "Slowly.", "Now!"), ((-1.0, "Quick!"), (1.0, "Ah."))
    )
    told = text(axis_card.making(one))
    assert all(words in told for words in ("Hello.", "Slowly.", "Now!", "−1 Quick!", "1 Ah."))
    assert "Slowly." not in axis_card.making(TrainingStatus("calm", "calm", "made", pair=one.pair, says=one.says))


def test_every_stage_the_training_tells_has_words() -> None:
    """The words are for stages there are: each name is one that the training's own code says."""
    from pathlib import Path

    import playground.training

    code = "".join(path.read_text() for path in Path(playground.training.__path__[0]).glob("*.py"))
    assert [stage for stage in STAGES if f'"{stage}"' not in code] == []
