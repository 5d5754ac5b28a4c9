"""The view is a pure fold: any prefix of any stream is a page, and what a model wrote is never HTML."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.errors import InvalidInput
from playground.events import Candidate, Change, Event, Finished, Progress, Started, Token
from playground.settings import Sliders, Strength
from playground.ui.play import captions, derived, panes, present, tokens
from playground.ui.play.view import BASE, STEERED, Inputs, View, strip_slot
from tests.ui.fake_player import FakePlayer, card, wish

WISH = wish(prompt="Describe a morning.", axis="extraversion", alpha=0.85, max_new_tokens=12)


def answered(view: View, inputs: Inputs, upto: int | None = None) -> View:
    view = present.begin(view, inputs)
    while batch := present.request(view):
        for event in list(FakePlayer().run(batch))[:upto]:
            view = present.fold(view, event)
        if upto is not None:
            break
    return view


def html(view: View) -> str:
    parts = [panes.pane(view, slot, card()) for slot in (BASE, STEERED)]
    return "".join([*parts, panes.strip(view, card()), captions.holds(view), captions.status(view)])


def test_one_batch_answers_panes_and_strip_and_equal_rows_are_one() -> None:
    view = present.begin(View(), WISH)
    assert sorted(row.strengths[0].alpha for row in view.asked) == [-0.5, 0.0, 0.5, 0.85, 1.0, 1.5]
    assert len(present.begin(View(), wish(prompt="x", axis="a", alpha=1.0)).asked) == 5


def test_control_applies_to_the_strip_but_never_to_the_base_pane() -> None:
    view = present.begin(View(), wish(prompt="x", axis="a", alpha=1.0, control=0.5, updates=7))
    base = view.slots[BASE].strengths[0]
    assert (base.alpha, base.control, base.updates) == (0, 0, None)
    assert view.slots[strip_slot(0)].strengths[0].control == 0.5
    assert view.slots[strip_slot(1)] == view.slots[STEERED]


def test_moving_alpha_asks_for_the_one_new_row_only() -> None:
    view = answered(View(), WISH)
    moved = present.begin(view, wish(WISH, alpha=0.3))
    assert [row.strengths[0].alpha for row in moved.asked] == [0.3]
    assert present.begin(view, wish(WISH, alpha=1.5)).phase == "done"
    assert present.request(present.begin(view, wish(WISH, alpha=1.5))) is None


@pytest.mark.parametrize("change", [{"temperature": 0.5}, {"seed": 3}, {"max_new_tokens": 5}, {"prompt": "Else?"}])
def test_what_changes_every_reply_asks_for_every_row_again(change: dict) -> None:
    view = answered(View(), WISH)
    assert len(present.begin(view, wish(WISH, **change)).asked) == 6


def test_the_old_text_stays_faded_until_the_new_one_is_written_over_it() -> None:
    view = answered(View(), WISH)
    old = view.reply(STEERED)
    assert old is not None
    moved = present.begin(view, wish(WISH, alpha=0.3))
    faded = f'">{old.text}</p>'
    assert faded in panes.pane(moved, STEERED, card())
    assert "The reply at alpha 0.85, until" in panes.pane(moved, STEERED, card())
    for upto in range(2, 13):
        half = answered(view, moved.inputs or WISH, upto)
        new = half.reply(STEERED)
        assert new is not None
        page = panes.pane(half, STEERED, card())
        assert page.index(faded) < page.index(f'<p class="text">{new.text}<span class="caret">'), (
            "the new one lies over it"
        )
    assert "ghost" not in panes.pane(answered(view, moved.inputs or WISH), STEERED, card())


def test_what_an_interval_promises_is_there_at_once_and_only_its_kl_is_out() -> None:
    view = answered(View(), WISH)
    old = view.reply(STEERED)
    assert old is not None
    moved = present.begin(view, wish(WISH, alpha=0.8))
    sure = moved.sure(STEERED)
    assert moved.reply(STEERED) is None
    assert sure is not None
    assert sure.text == old.text
    assert derived.holds(moved) == derived.holds(view)
    page = panes.pane(moved, STEERED, card())
    assert "ghost" not in page
    kl = f"KL <b>{old.kl_per_token:.2f}</b>"
    assert kl in panes.pane(view, STEERED, card())
    assert kl in page, "the number stays, faded, until the new one is there"
    assert [chip.split(">")[1].split(" ")[0] for chip in page.split('<span class="chip stale"')[1:]] == ["KL"]
    assert present.request(moved) is not None, "the numbers at the new strength are asked all the same"


def test_under_a_dial_the_panes_go_first_and_the_strip_follows() -> None:
    view = answered(View(), WISH)
    turned = present.begin(view, wish(WISH, control=1.0))
    assert [row.strengths[0].alpha for row in turned.asked] == [0.85]
    assert sorted(row.strengths[0].alpha for row in turned.later) == [-0.5, 0.0, 0.5, 1.0, 1.5]
    whole = answered(view, turned.inputs or WISH)
    assert whole.phase == "done"
    assert all(whole.reply(slot) for slot in whole.slots)


def test_a_follow_up_keeps_two_histories() -> None:
    view = answered(View(), WISH)
    base, steered = view.reply(BASE), view.reply(STEERED)
    assert base is not None
    assert steered is not None
    asked = wish(WISH, follow_up="And then?", turn=1)
    view = answered(view, asked)
    assert [m.content for m in view.slots[BASE].messages] == [WISH.prompt, base.text, "And then?"]
    assert [m.content for m in view.slots[STEERED].messages] == [WISH.prompt, steered.text, "And then?"]
    assert view.slots[strip_slot(0)].messages == view.slots[STEERED].messages
    assert "And then?" in panes.pane(view, BASE, card())
    again = present.begin(view, wish(WISH, alpha=0.2, turn=1))
    assert again.prompt == "And then?"
    assert present.begin(view, wish(WISH, prompt="Something else")).turns == ()


@pytest.mark.parametrize("follow_up", ["", "   "])
def test_an_empty_follow_up_and_one_without_a_reply_are_refused(follow_up: str) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        present.begin(answered(View(), WISH), wish(WISH, follow_up=follow_up))
    with pytest.raises(InvalidInput, match="no reply"):
        present.begin(View(), wish(WISH, follow_up="And?"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"prompt": "  "}, "prompt is empty"),
        ({"alpha": math.nan}, "alpha"),
        ({"control": math.inf}, "control"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"max_new_tokens": None}, "max_new_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"seed": -1}, "seed"),
        ({"top_p": 0}, "top_p"),
    ],
)
def test_bad_input_is_one_sentence_and_a_way_out(change: dict, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        present.begin(View(), wish(WISH, **change))
    assert says in caught.value.message
    line = captions.status(present.fail(View(), caught.value))
    assert caught.value.hint
    assert "failed" in line


events = st.one_of(
    st.builds(Started, st.just((1, 2))),
    st.builds(
        Token, st.integers(-2, 9), st.integers(0, 5), st.integers(0, 99), st.text(max_size=4),
        *[st.floats(-9, 0)] * 2, st.floats(0, 9),
    ),
    st.builds(
        Finished, st.integers(-2, 9),
        st.builds(Sliders, alpha=st.floats(-3, 3), control=st.floats(-3, 3)), st.text(max_size=20),
        st.lists(st.integers(0, 9), max_size=5).map(tuple),
        st.none() | st.tuples(st.none() | st.floats(-2, 2), st.none() | st.floats(-2, 2)),
        st.none() | st.floats(-5, 5) | st.just(math.nan), st.floats(0, 9), st.floats(1, 1e9) | st.just(math.inf),
        st.sampled_from(["stop", "length"]),
    ),
    st.just(Progress("reading", 1, 2)),
)  # fmt: skip


@given(st.lists(events, max_size=12), st.sampled_from(["extraversion", ""]))
def test_any_stream_folds_and_draws(stream: list[Event], axis: str) -> None:
    view = present.begin(View(), wish(prompt="x", axis=axis, alpha=0.7))
    for event in stream:
        view = present.fold(view, event)
        assert html(view)
        assert derived.rewards(view) is not None
        assert all(step is None or math.isfinite(step) for step in derived.steps(view))
    for ended in (present.stop(view), present.fail(view, InvalidInput("No.", "Yes."))):
        assert html(ended)


def test_every_prefix_of_a_real_stream_is_a_page() -> None:
    stream = list(FakePlayer().run(present.request(present.begin(View(), WISH)) or pytest.fail("nothing to ask")))
    for upto in range(len(stream) + 1):
        assert html(answered(View(), WISH, upto))
    assert answered(View(), WISH).phase == "done"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60), st.text(alphabet="ab <&\n", max_size=60))
def test_the_marked_pieces_are_the_text(base: str, text: str) -> None:
    assert "".join(piece for piece, _ in panes.changed(base, text)) == text
    assert all(not differs for _, differs in panes.changed(text, text))


def test_what_differs_is_marked_in_runs_of_words() -> None:
    pieces = panes.changed("The cat sat on the mat today", "The cat ran to the mat today")
    assert [piece for piece, differs in pieces if differs] == ["ran to "]
    [whole] = panes.changed("one two three four", "nine two eight seven")
    assert whole == ("nine two eight seven", True)


def test_model_output_and_prompts_are_never_html() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>${value}{{value}}"
    view = present.begin(View(), wish(prompt=evil, axis="extraversion", alpha=1.0))
    for row in range(len(view.asked)):
        view = present.fold(view, Token(row, 0, 1, evil, -1, -1, 0.1))
        view = present.fold(view, Finished(row, Sliders(alpha=1), evil, (1,), None, 0.0, 0.1, 2.0, "stop"))
    view = present.begin(view, wish(prompt=evil, axis="extraversion", alpha=1.0, follow_up=evil))
    assert "<script" not in html(view)
    assert "<img" not in html(view)
    error = InvalidInput(evil, evil)
    assert "<script" not in captions.status(present.fail(view, error))


def test_steps_lead_just_beyond_the_interval() -> None:
    view = answered(View(), wish(prompt="x", axis="extraversion", alpha=1.0))
    low, high = derived.holds(view) or (None, None)
    before, after = derived.steps(view)
    assert low is not None
    assert high is not None
    assert before is not None
    assert after is not None
    assert 0 < low - before <= 0.0011
    assert 0 < after - high <= 0.0011
    assert "Same reply for alpha <b>0.90</b> to <b>1.10</b>." in captions.holds(view)


def test_rewards_are_those_of_this_turn_and_this_control() -> None:
    view = answered(View(), WISH)
    assert [alpha for alpha, _, _ in derived.rewards(view)] == [-0.5, 0.0, 0.5, 0.85, 1.0, 1.5]
    assert [alpha for alpha, _, current in derived.rewards(view) if current] == [0.85]
    turned = answered(view, wish(WISH, control=1.0))
    assert len(derived.rewards(turned)) == 6


def test_figures_carry_their_explanation_and_absent_ones_are_absent() -> None:
    view = answered(View(), WISH)
    reply = view.reply(STEERED)
    assert reply is not None
    assert panes.pane(view, STEERED, None).count("data-tip") == 4
    base = present.begin(View(), Inputs(prompt="x"))
    base = present.fold(base, Finished(0, Sliders(), "hi", (1,), None, None, 0.0, 2.0, "stop"))
    only = base.reply(BASE)
    assert only is not None
    assert "reward" not in panes.pane(base, BASE, None)


def test_stopping_keeps_what_is_written_and_says_how_much() -> None:
    view = present.stop(answered(View(), WISH, upto=1 + 6 * 5))
    assert captions.status(view) == '<p class="status stopped">Stopped at 5 tokens. Run goes on from there.</p>'
    assert present.stop(answered(View(), WISH)).phase == "done"


def test_a_session_forgets_the_oldest_replies() -> None:
    view = View()
    for alpha in random.Random(0).sample(range(1000), 90):
        view = answered(view, wish(WISH, alpha=alpha / 100 + 2, max_new_tokens=2))
    assert len(view.replies) < 80


@pytest.mark.parametrize(
    "typed", ["", "1, 2", "1, 1, 2", "0 1 2", "a, b, c", "0, 1, inf", "1,2,3,4,5,6,7,8", "0,5, 1, 2", "0, 0,5, 1"]
)
def test_the_strip_takes_3_to_7_numbers(typed: str) -> None:
    with pytest.raises(InvalidInput, match=r"strip|decimal sign"):
        present.begin(View(), wish(WISH, side_by_side=typed))
    view = present.begin(View(), wish(WISH, side_by_side="2; −1, 0.85"))
    assert view.strip == (-1.0, 0.85, 2.0)
    for typed in ("0,5; 1; −1,25", "0.5,1,-1.25", "0.5, 1, -1.25"):
        assert present.begin(View(), wish(WISH, side_by_side=typed)).strip == (-1.25, 0.5, 1.0)
    assert len(view.asked) == 4, "the pane's own strength is asked once"


def test_other_axes_are_mixed_into_everything_but_the_base_pane() -> None:
    other = Strength(axis="positivity", alpha=0.5)
    view = present.begin(View(), wish(WISH, more=(other, Strength(axis="extraversion", alpha=9))))
    assert view.slots[STEERED].strengths[1:] == (other,)
    assert view.slots[strip_slot(0)].strengths[1:] == (other,)
    assert view.slots[BASE].strengths[1:] == ()
    assert len(view.asked) == 7


def test_an_axis_that_is_chosen_and_mixed_in_is_told_once() -> None:
    other = Strength(axis="positivity", alpha=0.5)
    both = wish(WISH, more=(other, Strength(axis="extraversion", alpha=9)))
    assert present.preset_of(both).more == (other,)


def test_editing_the_last_turn_asks_it_anew_after_the_same_history() -> None:
    first = answered(View(), WISH)
    second = answered(first, wish(WISH, follow_up="And then?", turn=1))
    edited = present.begin(second, wish(WISH, follow_up="And before?", edits=True, turn=1))
    assert edited.turns == second.turns
    assert edited.prompt == "And before?"
    assert edited.slots[BASE].messages[:-1] == second.slots[BASE].messages[:-1]


def test_looking_at_tokens_asks_for_the_likeliest_of_the_steered_row_alone() -> None:
    view = answered(View(), WISH)
    looking = present.begin(view, wish(WISH, detail=True))
    assert [(row.strengths[0].alpha, row.alternatives) for row in looking.asked] == [(0.85, 5)]
    assert looking.sure(STEERED) is not None, "the text is known and stays"
    assert derived.holds(looking) == derived.holds(view)


def test_changes_seen_so_far_are_ticks_and_what_becomes_of_words_is_told() -> None:
    view = answered(View(), WISH)
    ticks = derived.breakpoints(view)
    assert ticks == tuple(sorted(ticks))
    assert all(-1 <= tick <= 3 for tick in ticks)
    low, high = derived.holds(view) or (None, None)
    assert {low, high} <= set(ticks)
    view = present.begin(View(), wish(prompt="x", axis="a", alpha=0.85))
    change = Change(0, 1, " friendly", 2, " <energetic>")
    ended = Finished(0, Sliders(alpha=0.85), "hi", (1,), (0.5, None), 0.0, 0.1, 2.0, "stop", changes=(change, None))
    line = captions.holds(present.fold(view, ended))
    assert "below <q>friendly</q> becomes <q>&lt;energetic&gt;</q>" in line
    assert "above" not in line


def ended(text: str, ids: tuple[int, ...], row: int = 0, kl: float = 0.1, perplexity: float = 8.0) -> Finished:
    return Finished(row, Sliders(alpha=1), text, ids, None, 0.0, kl, perplexity, "length")


@pytest.mark.parametrize(
    ("steered", "says"),
    [
        (ended("a b " * 20, (1, 2) * 20), "repeats itself"),
        (ended("x", tuple(range(40)), perplexity=80.0), "10 times"),
        (ended("x", tuple(range(40)), kl=3.0), "3.0 nats"),
        (ended("x", tuple(range(40))), ""),
        (ended("x", (1, 2) * 4), ""),
    ],
)
def test_a_reply_that_breaks_is_called_so_in_plain_words(steered: Finished, says: str) -> None:
    view = present.begin(View(), wish(prompt="x", axis="a", alpha=1.0, side_by_side="-1, 1, 2"))
    base = view.asked.index(view.slots[BASE])
    view = present.fold(present.fold(view, ended("x", tuple(range(40)), base)), steered)
    told = derived.troubles(view, STEERED)
    assert (says in ", ".join(told)) if says else not told
    assert ("This reply is breaking" in panes.pane(view, STEERED, card())) is bool(says)


def test_a_wish_is_a_preset_and_back() -> None:
    inputs = wish(WISH, prompt="word " * 30, more=(Strength(axis="positivity", alpha=1),), seed=4)
    preset = present.preset_of(inputs)
    assert len(preset.title) <= 42
    assert present.of_preset(preset, Inputs(), {"extraversion", "positivity"}.__contains__) == inputs
    assert present.of_preset(preset, Inputs(axis="mine"), set().__contains__) == wish(inputs, axis="mine", more=())


def test_both_panes_are_compared_once_they_are_finished() -> None:
    assert derived.compared(present.begin(View(), WISH)) == []
    [pair] = derived.compared(answered(View(), WISH))
    assert pair.prompt == WISH.prompt
    assert pair.a != pair.b
    steered, base = pair.numbers["reward"]
    assert steered > base


def test_the_ribbon_tells_of_every_token_and_escapes_it() -> None:
    view = present.begin(View(), wish(prompt="x", axis="a", alpha=1.0, detail=True))
    assert "appear here" in tokens.ribbon(view)
    likely = (Candidate(1, "<i>", -0.1), Candidate(2, "b", -3.0))
    for position, text in enumerate(["<b>", " and", "", "\n"]):
        token = Token(0, position, 1, text, -0.5, -2.0, 0.3, 0.25 * position, 0.5, likely, likely[::-1])
        view = present.fold(view, token)
    page = tokens.ribbon(view)
    assert page.count('class="token more"') == 4
    assert "<b>" not in page.replace("<b>Recorded", "")
    assert "&lt;i&gt;" in page
    assert page.count('tabindex="0"') == 2, "one stop for the ribbon, one for its table"
    assert "from 0.00 to 0.75 before control" in page
    assert page.count("<tr>") == 5
    assert tokens.ribbon(answered(View(), WISH)) == ""


def test_the_curve_has_a_text_version() -> None:
    table = captions.curve_as_text(card(), derived.rewards(answered(View(), WISH)))
    assert "this prompt, now" in table
    assert "measured mean" in table
