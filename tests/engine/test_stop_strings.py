"""Stop strings: a row's text is the plain text cut before the first, whatever its tokens and whoever runs beside it."""

from collections.abc import Sequence
from contextlib import closing
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.engine.decode import decode
from playground.engine.prefix_tree import PrefixTree
from playground.engine.scheduler import Scheduler
from playground.engine.stop_strings import held_back, stop_at
from playground.errors import InvalidInput
from playground.events import Finished, Token
from playground.settings import Request, Row, Sampling
from tests.engine.conftest import Lab, at, row

LENGTH = 40
WARM = Sampling(temperature=0.9)
ROWS = (
    row("How was it?", at(0.5)),
    row("How was it?", at(1.5), seed=3),
    row("How was it?"),
    row("A longer prompt, so that the others are padded.", at(-0.7, control=1.0), seed=1),
)


def first_whole(text: str, stops: Sequence[str]) -> str:
    """The oracle: read letter by letter, and end where a stop string has just been read."""
    for read in range(len(text) + 1):
        if ends := [stop for stop in stops if text[:read].endswith(stop)]:
            return text[: read - max(map(len, ends))]
    return text


letters = st.text(alphabet="ab\n", max_size=12)


@given(letters, st.lists(letters.filter(bool), max_size=4))
def test_the_first_stop_string_is_the_one_that_is_whole_first(text: str, stops: list[str]) -> None:
    assert text[: stop_at(text, stops)] == first_whole(text, stops)


@given(letters, st.lists(letters.filter(bool), min_size=1, max_size=4), letters)
def test_what_is_not_held_back_is_part_of_no_stop_string_whatever_follows(
    text: str, stops: list[str], more: str
) -> None:
    if stop_at(text, stops) is None:
        shown = text[: len(text) - held_back(text, stops)]
        assert first_whole(text + more, stops).startswith(shown)


def told(events: Sequence[Any], count: int) -> list[tuple[str, tuple[int, ...], str, str]]:
    """Of each row: what was streamed, its tokens, its text and why it ended."""
    found = []
    for index in range(count):
        streamed = "".join(one.text for one in events if isinstance(one, Token) and one.row == index)
        (end,) = [one for one in events if isinstance(one, Finished) and one.row == index]
        assert [one.id for one in events if isinstance(one, Token) and one.row == index] == list(end.token_ids)
        found.append((streamed, end.token_ids, end.text, end.finish_reason))
    return found


def stops_within(texts: Sequence[str], chance: Random) -> tuple[str, ...]:
    """Pieces of texts, most of them across the borders of tokens, and one that stands in none."""
    found = []
    for text in chance.sample(texts, 2):
        begin = chance.randrange(len(text))
        found.append(text[begin : begin + chance.randint(1, 9)])
    return (*found, "nowhere to be found")


def run(lab: Lab, rows: Sequence[Row], stops: tuple[str, ...], tree: PrefixTree | None = None) -> list[Any]:
    request = Request(rows=tuple(rows), sampling=WARM, max_new_tokens=LENGTH, stop=stops)
    return list(decode(lab.model, lab.axes, request, tree))


def check(lab: Lab, found: list[tuple[str, tuple[int, ...], str, str]], plain: Sequence[Finished], stops: Any) -> int:
    """Each row is the plain one cut; returns how many ended by a stop string."""
    for (streamed, ids, text, reason), whole in zip(found, plain, strict=True):
        assert text == streamed == first_whole(whole.text, stops)
        assert ids == whole.token_ids[: len(ids)]
        cut = text != whole.text
        assert reason == ("stop" if cut else whole.finish_reason)
        assert cut or ids == whole.token_ids
        if cut:  # the row ended with the token that made a stop string whole, and not one later
            assert stop_at(lab.model.text(ids), stops) is not None
            assert stop_at(lab.model.text(ids[:-1]).rstrip("\ufffd"), stops) is None
    return sum(text != whole.text for (_, _, text, _), whole in zip(found, plain, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_a_text_is_the_plain_text_cut_alone_among_others_and_replayed(lab: Lab, seed: int) -> None:
    plain = lab.run(*ROWS, how=WARM, new_tokens=LENGTH)
    stops = stops_within([end.text for end in plain], Random(seed))
    together = told(run(lab, ROWS, stops), len(ROWS))
    assert check(lab, together, plain, stops) > 0, "else nothing was cut"
    for index, asked in enumerate(ROWS):
        assert told(run(lab, [asked], stops), 1) == [together[index]]
    tree = PrefixTree()
    run(lab, ROWS, (), tree)  # the tree knows what comes after the stop string
    assert told(run(lab, ROWS, stops, tree), len(ROWS)) == together
    assert told(run(lab, ROWS, stops, tree), len(ROWS)) == together
    assert [end[2] for end in told(run(lab, ROWS, (), tree), len(ROWS))] == [end.text for end in plain]


def test_among_strangers_with_other_stop_strings_each_ends_by_its_own(lab: Lab) -> None:
    plain = lab.run(*ROWS, how=WARM, new_tokens=LENGTH)
    chance, scheduler, tree = Random(5), Scheduler(lab.model), PrefixTree()
    asked = [stops_within([end.text for end in plain], chance) for _ in range(6)]
    streams = [
        scheduler.run(lab.axes, Request(rows=ROWS, sampling=WARM, max_new_tokens=LENGTH, stop=stops), own)
        for stops, own in zip(asked, [tree, None] * 3, strict=True)
    ]
    events: list[list[Any]] = [[] for _ in streams]
    live = list(range(len(streams)))
    while live:
        one = chance.choice(live)
        step = next(streams[one], None)
        live = live if step is not None else [other for other in live if other != one]
        events[one] += step or []
    cut = sum(check(lab, told(own, len(ROWS)), plain, stops) for own, stops in zip(events, asked, strict=True))
    assert cut > 6
    assert (scheduler.under_way, scheduler.running) == (0, 0)


def test_a_row_that_ended_leaves_the_batch_at_once(lab: Lab) -> None:
    (plain,) = lab.run(ROWS[0], how=WARM, new_tokens=LENGTH)
    scheduler = Scheduler(lab.model)
    request = Request(rows=ROWS[:2], sampling=WARM, max_new_tokens=LENGTH, stop=plain.text[8:14])
    with closing(scheduler.run(lab.axes, request)) as steps:
        for step in steps:
            ended = [event for event in step if isinstance(event, Finished)]
            if ended:
                assert scheduler.running == 1, "the other goes on"
                break
    assert (ended[0].row, ended[0].text) == (0, first_whole(plain.text, [plain.text[8:14]]))


def test_one_text_is_a_list_of_one_and_what_ends_nothing_is_refused() -> None:
    assert Request(rows=(row(),), stop="\n").stop == ("\n",)
    for wrong in (["."] * 5, [""], "", "x" * 201, [1]):
        with pytest.raises(InvalidInput, match=r"^stop"):
            Request(rows=(row(),), stop=wrong)
