"""Readings that branch, end, change places, are padded and join others are what each would be alone."""

from collections.abc import Hashable, Mapping
from typing import Any

import pytest
import torch

from playground.engine.methods import CLM
from playground.engine.methods.base import InputLayer
from playground.engine.streams import PIECE, Reading, States, Streams, read
from tests.engine.conftest import Lab

Text = tuple[int, ...]
SHORT, LONG = (7, 8, 9), (11, 12, 13, 14, 15, 16)
OTHER = tuple(range(60, 75))
BASE, RANDOM, SECOND = None, "random", "second"
AS_EXACT: dict[str, Any] = {"atol": 2e-5, "rtol": 1e-4}


def fronts(lab: Lab) -> dict[Any, InputLayer | None]:
    """The base, one layer as it is, the other merged at the embeddings."""
    alphas = {RANDOM: 1.0, SECOND: -0.7}
    return {BASE: None} | {name: InputLayer(lab.axes[name].of(CLM).layer, alpha) for name, alpha in alphas.items()}


def alone(lab: Lab, stream: Hashable, text: Text) -> torch.Tensor:
    """The slow way: the whole text in one pass, without any cache."""
    ids = torch.tensor([text], device=lab.model.device)
    mask = torch.ones_like(ids)
    with torch.no_grad():
        embeddings = lab.model.embed(ids)
        if (front := fronts(lab)[stream]) is not None:
            embeddings = embeddings + front.alpha * (front.layer(embeddings, mask) - embeddings)
        return lab.model.decode(embeddings, mask)[0, -1]


def check(lab: Lab, found: States) -> None:
    """Here readings are named by their texts: each must be that text read alone."""
    for (stream, text), state in found.items():
        assert isinstance(text, tuple)
        torch.testing.assert_close(state, alone(lab, stream, text), **AS_EXACT)


def these(*readings: Reading) -> dict[Reading, Text]:
    return {reading: reading[1] for reading in readings}


def after(*readings: Reading) -> dict[Reading, tuple[Text, int]]:
    """Each goes on from all of its text but the last token."""
    return {(stream, text): (text[:-1], text[-1]) for stream, text in readings}


FOUR = [(BASE, SHORT), (BASE, LONG), (RANDOM, SHORT), (RANDOM, LONG), (SECOND, LONG)]


@pytest.fixture
def streams(any_lab: Lab) -> Streams:
    """Two texts, one of which the second layer does not read."""
    streams = Streams(any_lab.model, fronts(any_lab))
    check(any_lab, streams.prefill(these(*FOUR)))
    return streams


def test_each_reading_is_the_reading_alone(any_lab: Lab, streams: Streams) -> None:
    found = streams.advance(after(*((stream, (*text, 20)) for stream, text in FOUR)))
    assert set(found) == {(stream, (*text, 20)) for stream, text in FOUR} == set(streams.readings)
    check(any_lab, found)


def test_readings_are_let_go_change_places_and_branch(any_lab: Lab, streams: Streams) -> None:
    branched = [
        (SECOND, (*LONG, 30)), (SECOND, (*LONG, 31)), (BASE, (*LONG, 30)), (BASE, (*LONG, 31)), (BASE, (*LONG, 32)),
        (BASE, (*SHORT, 33)), (RANDOM, (*SHORT, 33)),
    ]  # fmt: skip
    check(any_lab, streams.advance(after(*branched)))
    some = [(BASE, (*SHORT, 33, 40)), (RANDOM, (*SHORT, 33, 40)), (BASE, (*LONG, 31, 41))]
    check(any_lab, streams.advance(after(*some)))
    last = [(RANDOM, (*SHORT, 33, 40, 50)), (RANDOM, (*SHORT, 33, 40, 51)), (BASE, (*SHORT, 33, 40, 50))]
    check(any_lab, streams.advance(after(*last)))


def test_a_long_chain_of_branches_is_each_text_alone(lab: Lab) -> None:
    """At every step the last text branches and the first ends: none keeps its place for long."""
    streams = Streams(lab.model, fronts(lab))
    texts = [LONG, SHORT, (*LONG, *SHORT)]
    streams.prefill(these(*((stream, text) for stream in (BASE, RANDOM) for text in texts)))
    found: States = {}
    for step in range(40):
        parents = [2, 1, 2] if step % 3 else [1, 2, 0]
        texts = [(*texts[parent], 100 * place + step) for place, parent in enumerate(parents, 1)]
        found = streams.advance(after(*((stream, text) for stream in (BASE, RANDOM) for text in texts)))
    check(lab, found)


def test_a_layers_last_reading_may_end_before_the_others(any_lab: Lab, streams: Streams) -> None:
    check(any_lab, streams.advance(after((BASE, (*SHORT, 20)), (BASE, (*SHORT, 21)), (RANDOM, (*SHORT, 21)))))
    check(any_lab, streams.advance(after((BASE, (*SHORT, 20, 22)))))
    assert not streams.layer_caches


# -- what others bring -------------------------------------------------------------------------------------------------


def joined(lab: Lab, streams: Streams, *readings: Reading) -> None:
    other = Streams(lab.model, {stream: fronts(lab)[stream] for stream, _ in readings})
    other.prefill(these(*readings))
    assert streams.can_join(other)
    streams.join(other)


@pytest.mark.parametrize("stranger", [(5,), OTHER, tuple(range(100, 190))], ids=["shorter", "longer", "far longer"])
def test_what_joins_is_read_as_if_alone_and_so_are_the_others(any_lab: Lab, streams: Streams, stranger: Text) -> None:
    """Of texts longer and shorter than a sliding window, with a layer that was there, and again once some have gone."""
    texts = [(*text, 20) for _, text in FOUR]
    streams.advance(after(*((stream, text) for (stream, _), text in zip(FOUR, texts, strict=True))))
    joined(any_lab, streams, (RANDOM, stranger), (BASE, stranger))
    both = [(stream, (*text, 21)) for (stream, _), text in zip(FOUR, texts, strict=True)]
    both += [(BASE, (*stranger, 22)), (BASE, (*stranger, 23)), (RANDOM, (*stranger, 22))]
    check(any_lab, streams.advance(after(*both)))
    left, found = [both[0], both[-1]], {}
    for token in range(30, 40):
        left = [(stream, (*text, token)) for stream, text in left]
        found = streams.advance(after(*left))
    check(any_lab, found)
    joined(any_lab, streams, (SECOND, OTHER), (BASE, OTHER))
    check(any_lab, streams.advance(after(*((stream, (*text, 50)) for stream, text in [*left, (SECOND, OTHER)]))))


def test_those_who_come_and_go_leave_nothing_behind(any_lab: Lab) -> None:
    """Each joins the one before it, who then leaves: what is held grows with texts, never with how many there were."""
    streams = Streams(any_lab.model, fronts(any_lab))
    streams.prefill(these((BASE, OTHER), (RANDOM, OTHER)))
    most, found = 0, {}
    for guest in range(40):
        text = (*range(80, 80 + guest % 7 + 1), 100 + guest)
        joined(any_lab, streams, (BASE, text), (RANDOM, text))
        for token in range(6):
            text = (*text, token)
            found = streams.advance(after((BASE, text), (RANDOM, text)))
        held = getattr(streams.cache, "memory", None)
        most = max(most, held.tensor.shape[3] if held else streams.cache.mask.shape[1])  # pyright: ignore
    check(any_lab, found)
    assert most <= 192, "three blocks of columns at most, for texts of 30 tokens"


# -- beginnings and what is taken up -----------------------------------------------------------------------------------

SYSTEM = tuple(range(30, 42))


def test_texts_that_begin_alike_are_each_read_as_if_alone(any_lab: Lab) -> None:
    """They end at the same position, and begin at their own."""
    texts = [(*SYSTEM, *SHORT), (*SYSTEM, *LONG), (*SYSTEM, 50)]
    readings = [(BASE, text) for text in texts] + [(RANDOM, texts[0]), (RANDOM, texts[1]), (SECOND, texts[1])]
    streams = Streams(any_lab.model, fronts(any_lab))
    check(any_lab, streams.prefill(these(*readings)))
    readings = [(stream, (*text, 20)) for stream, text in readings]
    check(any_lab, streams.advance(after(*readings)))
    check(any_lab, streams.advance(after((BASE, (*texts[2], 20, 24)), (RANDOM, (*texts[1], 20, 25)))))


def test_what_was_read_of_such_a_text_can_be_taken_up(lab: Lab) -> None:
    readings = [(BASE, (*SYSTEM, *SHORT)), (BASE, (*SYSTEM, *LONG)), (RANDOM, (*SYSTEM, *SHORT))]
    streams = Streams(lab.model, fronts(lab))
    streams.prefill(these(*readings))
    taken = {reading: streams.take(reading) for reading in readings}
    again = Streams(lab.model, fronts(lab))
    again.lay_out(these(*readings), _all(taken))
    assert again.left == len(readings), "but the last token of each"
    assert read([again], again.left) == len(readings)
    check(lab, again.states)
    check(lab, again.advance(after(*((stream, (*text, 20)) for stream, text in readings))))


def _all(taken: Mapping[Reading, tuple[torch.Tensor, ...] | None]) -> dict[Reading, tuple[torch.Tensor, ...]]:
    return {reading: parts for reading, parts in taken.items() if parts is not None}


def test_texts_are_read_in_pieces_and_many_in_one_pass(lab: Lab) -> None:
    """However long: pieces end at the same tokens of a text in any company, and passes at about what was asked for."""
    long = tuple(place % 90 + 5 for place in range(2 * PIECE + 40))
    one = Streams(lab.model, fronts(lab))
    other = Streams(lab.model, fronts(lab))
    one.lay_out(these((BASE, long), (RANDOM, long)), {})
    other.lay_out(these((BASE, SHORT), (SECOND, LONG), (BASE, LONG)), {})
    lengths, passes = 2 * len(long) + len(SHORT) + 2 * len(LONG), list[int]()
    while one.left or other.left:
        passes.append(read([other, one], PIECE))
    assert sum(passes) == lengths and max(passes) < 2 * PIECE and len(passes) >= 4
    check(lab, one.states)
    check(lab, other.states)
    check(lab, one.advance(after((BASE, (*long, 20)), (RANDOM, (*long, 21)))))
