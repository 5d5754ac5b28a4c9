"""Rows that branch, end, change places and are padded say what each would say alone."""

from collections.abc import Sequence

import pytest
import torch

from playground.engine.methods import CLM
from playground.engine.methods.base import Front
from playground.engine.streams import States, Streams
from tests.engine.conftest import Lab

SHORT, LONG = (7, 8, 9), (11, 12, 13, 14, 15, 16)
AS_EXACT = {"atol": 2e-5, "rtol": 1e-4}


def fronts(lab: Lab) -> list[Front]:
    """One layer as it is, the other merged at the embeddings."""
    alphas = {"random": 1.0, "second": -0.7}
    return [Front(lab.axes[name].of(CLM).layer, alpha) for name, alpha in alphas.items()]


def alone(lab: Lab, prompt: Sequence[int], written: Sequence[int], aligned: Sequence[int]) -> States:
    """The slow way: the whole text in one pass for each stream, without any cache."""
    ids = torch.tensor([[*prompt, *written]], device=lab.model.device)
    mask = torch.ones_like(ids)
    with torch.no_grad():
        embeddings = lab.model.embed(ids)
        base = lab.model.decode(embeddings, mask)[:, -1]
        streams = [
            lab.model.decode(embeddings + alpha * (layer(embeddings, mask) - embeddings), mask)[:, -1]
            if k in aligned
            else base
            for k, (layer, alpha) in enumerate(fronts(lab))
        ]
    return States(base, torch.stack(streams))


def compare(lab: Lab, found: States, rows: Sequence[tuple[Sequence[int], Sequence[int], Sequence[int]]]) -> None:
    """Each row of `found` must be (prompt, what was written, which layers align it) read alone."""
    expected = [alone(lab, *row) for row in rows]
    torch.testing.assert_close(found.base, torch.cat([one.base for one in expected]), **AS_EXACT)
    torch.testing.assert_close(found.aligned, torch.cat([one.aligned for one in expected], 1), **AS_EXACT)


@pytest.fixture
def streams(any_lab: Lab) -> Streams:
    """Four rows: two share a prompt, two are aligned by the first layer and two by the second."""
    return Streams(any_lab.model, [SHORT, LONG, SHORT, LONG], fronts(any_lab), [[0, 1], [1, 3]])


def test_each_row_is_the_row_alone(any_lab: Lab, streams: Streams) -> None:
    compare(any_lab, streams.prefill(), [(SHORT, (), [0]), (LONG, (), [0, 1]), (SHORT, (), []), (LONG, (), [1])])
    found = streams.advance([20, 21, 22, 23])
    compare(any_lab, found, [(SHORT, (20,), [0]), (LONG, (21,), [0, 1]), (SHORT, (22,), []), (LONG, (23,), [1])])


def test_rows_are_let_go_change_places_and_branch(any_lab: Lab, streams: Streams) -> None:
    streams.prefill()
    streams.advance([20, 21, 22, 23])
    found = streams.advance([30, 31, 32, 33, 34], parents=[3, 0, 3, 1, 0])
    rows = [
        (LONG, (23, 30), [1]), (SHORT, (20, 31), [0]), (LONG, (23, 32), [1]), (LONG, (21, 33), [0, 1]),
        (SHORT, (20, 34), [0]),
    ]  # fmt: skip
    compare(any_lab, found, rows)
    found = streams.advance([40, 41], parents=[4, 2])
    compare(any_lab, found, [(SHORT, (20, 34, 40), [0]), (LONG, (23, 32, 41), [1])])
    found = streams.advance([50, 51], parents=[0, 0])
    compare(any_lab, found, [(SHORT, (20, 34, 40, 50), [0]), (SHORT, (20, 34, 40, 51), [0])])


def test_a_long_chain_of_branches_is_each_text_alone(lab: Lab) -> None:
    """At every step the last row branches and the first ends: no row keeps its place for long."""
    streams = Streams(lab.model, [LONG] * 3, fronts(lab), [[0, 1, 2], []])
    streams.prefill()
    written: list[tuple[int, ...]] = [(), (), ()]
    for step in range(40):
        parents = [2, 1, 2] if step % 3 else [1, 2, 0]
        tokens = [100 + step, 200 + step, 300 + step]
        found = streams.advance(tokens, parents)
        written = [(*written[parent], token) for parent, token in zip(parents, tokens, strict=True)]
    compare(lab, found, [(LONG, text, [0]) for text in written])


def test_a_layers_last_row_may_end_before_the_others(any_lab: Lab, streams: Streams) -> None:
    streams.prefill()
    found = streams.advance([20, 21], parents=[2, 0])
    compare(any_lab, found, [(SHORT, (20,), []), (SHORT, (21,), [0])])
    compare(any_lab, streams.advance([22], parents=[0]), [(SHORT, (20, 22), [])])


SYSTEM = tuple(range(30, 42))


def test_prompts_that_begin_alike_are_each_read_as_if_alone(any_lab: Lab) -> None:
    """Their common beginning is read once, and padding then stands in their middle."""
    prompts = [(*SYSTEM, *SHORT), (*SYSTEM, *LONG), (*SYSTEM, 50), (*SYSTEM, *SHORT)]
    aligned = [[0], [0, 1], [], [1]]
    streams = Streams(any_lab.model, prompts, fronts(any_lab), [[0, 1], [1, 3]])
    rows = list(zip(prompts, [()] * 4, aligned, strict=True))
    compare(any_lab, streams.prefill(), rows)
    found = streams.advance([20, 21, 22, 23])
    written = [(20,), (21,), (22,), (23,)]
    compare(any_lab, found, list(zip(prompts, written, aligned, strict=True)))
    found = streams.advance([24, 25], parents=[2, 1])
    compare(any_lab, found, [(prompts[2], (22, 24), []), (prompts[1], (21, 25), [0, 1])])


def test_what_was_read_of_such_a_prompt_can_be_taken_up(lab: Lab) -> None:
    prompts = [(*SYSTEM, *SHORT), (*SYSTEM, *LONG)]
    streams = Streams(lab.model, prompts, fronts(lab), [[0], [1]])
    streams.prefill()
    taken = [streams.take(row) for row in range(2)]
    again = Streams(lab.model, prompts, fronts(lab), [[0], [1]])
    again.resume([one for one in taken if one is not None])
    compare(lab, again.advance([20, 21]), [(prompts[0], (20,), [0]), (prompts[1], (21,), [1])])


def test_what_prompts_begin_with_alike_is_read_once_for_each_stream(lab: Lab) -> None:
    read: list[tuple[int, int]] = []
    counting = lab.model.decoder.register_forward_pre_hook(
        lambda _, args, named: read.append(tuple(named["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    with counting:
        Streams(lab.model, [(*SYSTEM, token) for token in range(50, 59)], fronts(lab)[:1], [list(range(9))]).prefill()
    assert read == [(2, len(SYSTEM)), (18, 1)]


def test_a_shared_prompt_is_read_once_for_each_stream(lab: Lab) -> None:
    read: list[int] = []
    counting = lab.model.decoder.register_forward_pre_hook(
        lambda _, args, named: read.append(len(named["inputs_embeds"])), with_kwargs=True
    )
    with counting:
        Streams(lab.model, [LONG] * 9, fronts(lab)[:1], [list(range(8))]).prefill()
    assert read == [2]
