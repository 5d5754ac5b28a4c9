"""What a pane says of a reply that is cut, goes on, waits for its numbers, or continues a conversation."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from playground.settings import Row, Strength
from playground.ui.play import captions, panes, present
from playground.ui.play.view import BASE, STEERED, Inputs, View, strip_slot
from tests.ui.fake_player import FakePlayer, card, wish
from tests.ui.test_present import WISH, answered


def inputs_of(**change: Any) -> Inputs:
    return wish(WISH, **change)


def texts(html: str) -> list[str]:
    """What stands in the `.text` paragraphs, as a copy takes it: tags are none of it."""
    return [re.sub("<[^>]*>", "", one) for one in re.findall(r'<p class="text[^>]*>(.*?)</p>', html)]


def numbers(html: str) -> dict[str, str]:
    return dict(re.findall(r">(reward|KL|perplexity|tokens) <b>([^<]*)</b>", html))


def said(view: View) -> dict[str, tuple[str, tuple[Any, ...]]]:
    """What every slot says, token by token, wherever in a batch it was written."""
    replies = {slot: view.reply(slot) for slot in view.slots}
    return {
        slot: (reply.text, tuple((token.id, token.text, token.kl) for token in reply.pieces))
        for slot, reply in replies.items()
        if reply and reply.finished
    }


def test_a_reply_that_its_limit_cut_is_marked_outside_its_text_and_can_go_on() -> None:
    view = answered(View(), WISH)
    for slot in (BASE, STEERED):
        html, reply = panes.pane(view, slot, card()), view.reply(slot)
        assert reply is not None
        assert texts(html) == [reply.text]
        assert 'class="cut"' in html and "data-more" in html
    strip = panes.strip(view, card())
    assert strip.count('class="cut"') == 5


def test_going_on_keeps_every_word_and_number_and_gives_what_a_longer_reply_gives() -> None:
    view = answered(View(), WISH)
    whole = answered(View(), inputs_of(max_new_tokens=30))
    longer = present.begin(view, inputs_of(max_new_tokens=30))
    for slot in (BASE, STEERED):
        before, now = view.reply(slot), longer.reply(slot)
        assert before is not None and now is not None
        assert before.text.startswith(now.text) and now.tokens == before.tokens - 1, (
            "the last token may hold half a letter"
        )
        assert "ghost" not in panes.pane(longer, slot, card())
        assert set(numbers(panes.pane(longer, slot, card()))) == {"reward", "KL", "perplexity", "tokens"}
    seen = [now.text]
    while request := present.request(longer):
        for event in FakePlayer().run(request):
            longer = present.fold(longer, event)
            reply = longer.reply(STEERED)
            assert reply is not None and reply.text.startswith(seen[-1]), "nothing that stood there goes"
            seen.append(reply.text)
    assert said(longer) == said(whole)


def test_what_ended_by_itself_is_not_asked_again_for_more_tokens() -> None:
    view = answered(View(), WISH)
    ended = {
        key: present.replace(reply, finished=present.replace(reply.finished, finish_reason="stop"))
        for key, reply in view.replies.items()
        if reply.finished
    }
    view = present.replace(view, replies=ended)
    assert "data-more" not in panes.pane(view, STEERED, card())
    assert present.begin(view, inputs_of(max_new_tokens=30)).phase == "done"
    assert present.begin(view, inputs_of(max_new_tokens=5)).phase == "reading"


def test_a_stopped_run_goes_on_from_where_it_was() -> None:
    stopped = present.stop(answered(View(), WISH, upto=1 + 6 * 5))
    again = present.begin(stopped, WISH)
    before, now = stopped.reply(STEERED), again.reply(STEERED)
    assert before is not None and now is not None
    assert now.pieces == before.pieces[:-1]


def test_other_sampling_keeps_nothing() -> None:
    assert present.begin(answered(View(), WISH), inputs_of(temperature=0.5, max_new_tokens=30)).replies == {}


@pytest.mark.parametrize("change", [{"alpha": 0.8}, {"alpha": 1.0}, {"alpha": 3.0}, {"control": 1.0}])
def test_base_stays_as_it_is_when_only_a_strength_moves(change: dict) -> None:
    view = answered(View(), WISH)
    base = panes.pane(view, BASE, card())
    moved = present.begin(view, inputs_of(**change))
    assert texts(panes.pane(moved, BASE, card())) == texts(base)
    assert numbers(panes.pane(moved, BASE, card())) == numbers(base)
    assert not re.search("ghost|caret|stale", panes.pane(moved, BASE, card()))


def test_base_keeps_its_words_along_another_axis() -> None:
    view = answered(View(), WISH)
    other = present.begin(view, inputs_of(axis="positivity"))
    assert texts(panes.pane(other, BASE, card())) == texts(panes.pane(view, BASE, card()))
    assert "ghost" not in panes.pane(other, BASE, card())


def test_a_recording_keeps_its_base_at_the_first_touch() -> None:
    asked = present.request(present.begin(View(), WISH))
    assert asked is not None
    view = present.recorded(WISH, asked, FakePlayer().run(asked), "a test")
    assert view.recorded
    moved = present.begin(view, inputs_of(alpha=0.3))
    assert not re.search("ghost|caret|stale", panes.pane(moved, BASE, card()))
    assert texts(panes.pane(moved, BASE, card())) == texts(panes.pane(view, BASE, card()))


@pytest.mark.parametrize("upto", range(1, 12))
def test_numbers_never_come_and_go(upto: int) -> None:
    view = answered(View(), WISH)
    html = panes.pane(answered(view, inputs_of(alpha=2.5), upto), STEERED, card())
    assert list(numbers(html)) == ["reward", "KL", "perplexity", "tokens"]


def test_the_strip_of_a_conversation_says_what_its_cards_continue() -> None:
    first = answered(View(), WISH)
    assert "not the base" not in panes.strip(first, card())
    talk = answered(first, inputs_of(follow_up="And then?", turn=1))
    assert talk.slots[strip_slot(0)] != talk.slots[BASE]
    told = panes.strip(talk, card())
    assert "All continue the conversation as steered at alpha 0.85: the card at 0 is not the base reply." in told
    moved = answered(talk, inputs_of(alpha=2.0, turn=1))
    assert "as steered at alpha 0.85" in panes.strip(moved, card()), "the dial moved, the conversation did not"
    assert "alpha 0.85</small>" in panes.pane(moved, STEERED, card())
    assert "alpha 0.85" not in panes.pane(moved, BASE, card())
    third = answered(moved, inputs_of(alpha=2.0, follow_up="Then?", turn=2))
    assert "as it was steered so far" in panes.strip(third, card())
    replies = [message.content for message in third.slots[BASE].messages if message.role == "assistant"]
    assert replies == [turn.base for turn in third.turns], "base goes on from base"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"control": 0.5}, "All with control 0.5: the card at 0 is not the base reply."),
        (
            {"more": (Strength(axis="positivity", alpha=-0.5, control=1),)},
            "All with positivity −0.5 (control 1) mixed in: the card at 0 is not the base reply.",
        ),
    ],
)
def test_the_strip_says_what_else_steers_all_its_cards(change: dict, says: str) -> None:
    assert says in panes.strip(answered(View(), inputs_of(**change)), card())


def test_the_pane_says_which_strength_its_words_belong_to() -> None:
    view = answered(View(), inputs_of(alpha=9.0))
    refused = present.fail(view, present.InvalidInput("No.", "Yes."))
    assert "alpha 9" in panes.pane(refused, STEERED, card())
    mixed = answered(View(), inputs_of(control=0.5, more=(Strength(axis="positivity", alpha=0.5),)))
    assert "alpha 0.85 · control 0.5 · positivity 0.5" in panes.pane(mixed, STEERED, card())
    assert "control" not in panes.pane(view, STEERED, card()), "what is off is not told"


@pytest.fixture
def serialised(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """Every row that is written as JSON."""
    seen: list[Row] = []
    whole: Callable[..., str] = Row.model_dump_json

    def counted(row: Row, **settings: Any) -> str:
        seen.append(row)
        return whole(row, **settings)

    monkeypatch.setattr(Row, "model_dump_json", counted)
    return seen


@pytest.mark.parametrize("turns", [0, 10])
def test_no_token_writes_a_conversation_as_json(serialised: list[Row], turns: int) -> None:
    view = answered(View(), WISH)
    for turn in range(turns):
        view = answered(view, inputs_of(follow_up="And then?", turn=turn + 1))
    view = present.begin(view, inputs_of(follow_up="And then?", turn=turns + 1))
    request = present.request(view)
    assert request is not None
    events = list(FakePlayer().run(request))
    serialised.clear()
    for event in events:
        view = present.fold(view, event)
        panes.pane(view, STEERED, card())
        panes.strip(view, card())
    assert view.phase == "done"
    assert serialised == []


def test_words_a_newcomer_knows() -> None:
    view = answered(View(), inputs_of(alpha=3.0))
    html = "".join(
        [*(panes.pane(view, slot, card()) for slot in (BASE, STEERED)), captions.holds(view), panes.strip(view, card())]
    )
    for word in ("unsteered", "outside the tested range", "Same reply for alpha"):
        assert word in html
    for word in ("as it came", "beyond safe", "holds from"):
        assert word not in html
