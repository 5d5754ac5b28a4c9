"""A tree of prefixes gives what the plain loop gives, row by row, and so does whatever it remembers."""

import gc
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from playground.engine import core
from playground.engine.decode import decode, steps
from playground.engine.linear import can_be_packed
from playground.engine.methods import CLM, REControl, Steering
from playground.engine.methods.identity_layer import IdentityLayer
from playground.engine.prefix_tree import KeptLogits, Node, PrefixTree
from playground.engine.streams import Reading, States, Streams
from playground.events import Finished, Started, Token
from playground.settings import Request, Row, Sampling, Strength
from tests.engine.conftest import NEW_TOKENS, Lab, at, make_lab, row
from tests.engine.plain_decode import plain_decode

GREEDY, WARM = Sampling(), Sampling(temperature=0.9)
CUT = Sampling(temperature=1.2, top_k=40, top_p=0.95, repetition_penalty=1.2)
STRENGTHS = tuple(row("How was it?", at(alpha)) for alpha in (-1.0, -0.5, 0.0, 0.01, 0.02, 0.5, 0.5, 1.0, 1.5))
MIXED = (
    row("How was it?", at(0.0)),
    row("A longer prompt, so that the others are padded.", at(1.5)),
    row("How was it?"),
    row("How was it?", at(0.6, axis="second"), seed=4),
    row("How was it?", at(-0.7, control=1.0)),
    row("How was it?", at(-0.7, control=1.0, updates=9)),
    row("Two axes.", at(0.5, control=-0.5), at(0.8, axis="second"), seed=2),
    row("Two axes.", at(0.8, axis="second"), at(0.5), seed=2),
)


def number(value: float | None) -> Any:
    return value if value is None else pytest.approx(value, rel=1e-3, abs=2e-4)


def same(found: Sequence, expected: Sequence, *, numbers: bool = True) -> None:
    """The same events for each row and in the same order: token for token, and numbers to rounding."""
    rows = {event.row for event in expected if not isinstance(event, Started)}
    assert found[0] == expected[0]
    assert len(found) == len(expected)
    for index in rows:
        ours = [event for event in found[1:] if event.row == index]
        theirs = [event for event in expected[1:] if event.row == index]
        for our, their in zip(ours, theirs, strict=True):
            same_event(our, their)


def same_event(our: Token | Finished, their: Token | Finished) -> None:
    assert type(our) is type(their)
    assert our.kl == number(their.kl)
    if isinstance(our, Token) and isinstance(their, Token):
        assert (our.position, our.id, our.text) == (their.position, their.id, their.text)
        assert our.logprob == number(their.logprob)
        assert our.base_logprob == number(their.base_logprob)
        assert our.value_before == number(their.value_before)
        assert our.value_after == number(their.value_after)
    elif isinstance(our, Finished) and isinstance(their, Finished):
        assert (our.token_ids, our.text, our.strengths) == (their.token_ids, their.text, their.strengths)
        assert our.perplexity == number(their.perplexity)
        assert our.finish_reason == their.finish_reason
        if their.alpha_interval is None or our.alpha_interval is None:
            assert our.alpha_interval == their.alpha_interval
        else:
            for our_end, their_end in zip(our.alpha_interval, their.alpha_interval, strict=True):
                assert our_end == number(their_end)


@pytest.mark.parametrize("how", [GREEDY, WARM, CUT], ids=["greedy", "coupled sampling", "cut and penalised"])
def test_the_tree_is_the_plain_loop_row_by_row(any_lab: Lab, how: Sampling) -> None:
    for rows in (STRENGTHS, MIXED):
        same(any_lab.events(*rows, how=how), any_lab.events(*rows, how=how, by=plain_decode))


def test_rows_that_stop_leave_the_tree_as_they_leave_the_plain_loop(lab: Lab) -> None:
    lab.model.stop_ids = frozenset(lab.run(*MIXED)[index].token_ids[4 + index] for index in (0, 1, 4))
    try:
        same(lab.events(*MIXED), lab.events(*MIXED, by=plain_decode))
    finally:
        lab.model.stop_ids = frozenset()


class Reads:
    """How many positions the streams read, and in which of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.prefilled = self.advanced = 0
        read, advance = core.read, Streams.advance

        def counted_read(parts: Sequence[Streams], most: int) -> int:
            told = read(parts, most)
            self.prefilled += told
            return told

        def counted_advance(streams: Streams, following: Mapping[Reading, tuple[Any, int]]) -> States:
            self.advanced += len(following)
            return advance(streams, following)

        monkeypatch.setattr(core, "read", counted_read)
        monkeypatch.setattr(Streams, "advance", counted_advance)

    def by(self, lab: Lab, *rows: Row, **asked: Any) -> tuple[int, int]:
        """Positions prefilled and decoded while these rows are answered."""
        before = self.prefilled, self.advanced
        lab.events(*rows, **asked)
        return self.prefilled - before[0], self.advanced - before[1]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


def prefixes(lab: Lab, *rows: Row) -> set[tuple[int, ...]]:
    """What must be read to write the rows' replies: all that stands before any token of them."""
    return {end.token_ids[:length] for end in lab.run(*rows) for length in range(NEW_TOKENS)}


def test_each_distinct_prefix_is_read_once_in_each_stream(lab: Lab, reads: Reads) -> None:
    distinct, prompt = len(prefixes(lab, *STRENGTHS)), len(lab.model.prompt_ids(STRENGTHS[0].messages))
    assert distinct < len(STRENGTHS) * NEW_TOKENS
    assert reads.by(lab, *STRENGTHS) == (2 * prompt, 2 * (distinct - 1))


def test_the_head_is_called_once_for_each_prefix_and_stream(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    distinct, calls, head = len(prefixes(lab, *STRENGTHS)), [], lab.model.head
    monkeypatch.setattr(lab.model, "head", lambda hidden: calls.append(len(hidden)) or head(hidden))
    lab.run(*STRENGTHS)
    assert len(calls) == NEW_TOKENS
    assert sum(calls) == 2 * distinct


def test_the_end_of_a_row_is_told_in_the_step_of_its_last_token(lab: Lab) -> None:
    request = Request(rows=MIXED, max_new_tokens=NEW_TOKENS)
    for step in steps(lab.model, lab.axes, request):
        tokens = [event for event in step if isinstance(event, Token)]
        ends = [event for event in step if isinstance(event, Finished)]
        assert step[: len(tokens)] == tokens or isinstance(step[0], Started)
        assert [end.row for end in ends] == [token.row for token in tokens if token.position == NEW_TOKENS - 1]


@pytest.mark.parametrize("how", [GREEDY, WARM], ids=["greedy", "coupled sampling"])
def test_changes_tell_what_a_reply_becomes_at_either_end(lab: Lab, how: Sampling) -> None:
    for end in lab.run(*STRENGTHS, how=how):
        assert end.alpha_interval is not None and end.changes is not None
        for alpha, change, slack in zip(end.alpha_interval, end.changes, (-1e-4, 1e-4), strict=True):
            if alpha is None:
                assert change is None
                continue
            assert change is not None
            (beyond,) = lab.run(row("How was it?", at(alpha + slack)), how=how)
            assert beyond.token_ids[: change.position] == end.token_ids[: change.position]
            assert (beyond.token_ids[change.position], end.token_ids[change.position]) == (change.new_id, change.old_id)
            written = lab.model.text(end.token_ids[: change.position])
            if not written.endswith("\ufffd"):
                assert lab.model.text([*end.token_ids[: change.position], change.new_id]) == written + change.new


# -- what is remembered ------------------------------------------------------------------------------------------------

FIRST = row("How was it?", at(0.5))
NOTHING = (0, 0)
NEXT = {
    "the same again": (FIRST,),
    "another alpha": (row("How was it?", at(0.9)),),
    "far away": (row("How was it?", at(-2.0)),),
    "control": (row("How was it?", at(0.5, control=1.0)),),
    "another seed": (row("How was it?", at(0.5), seed=3),),
    "the base": (row("How was it?"),),
    "another axis": (row("How was it?", at(0.5, axis="second")),),
    "both axes": (row("How was it?", at(0.5), at(0.5, axis="second")),),
    "merged at the embeddings": tuple(row("How was it?", at(alpha, merge="embeddings")) for alpha in (0.5, 0.5, 1.0)),
    "another prompt": (row("How is it?", at(0.5)),),
    "a strip": STRENGTHS,
    "many things": MIXED,
}


@pytest.mark.parametrize("how", [GREEDY, WARM], ids=["greedy", "coupled sampling"])
@pytest.mark.parametrize("asked", NEXT.values(), ids=NEXT)
def test_a_replay_is_the_reply_from_scratch(lab: Lab, how: Sampling, asked: tuple[Row, ...]) -> None:
    tree = PrefixTree()
    lab.events(FIRST, how=how, tree=tree)
    for _ in range(2):
        same(lab.events(*asked, how=how, tree=tree), lab.events(*asked, how=how))
    same(lab.events(FIRST, how=how, tree=tree), lab.events(FIRST, how=how))


def test_temperature_cuts_and_penalty_are_no_part_of_what_is_remembered(lab: Lab) -> None:
    tree = PrefixTree()
    for how in (GREEDY, WARM, CUT, Sampling(temperature=0.5), GREEDY):
        same(lab.events(*MIXED, how=how, tree=tree), lab.events(*MIXED, how=how))


@pytest.mark.parametrize("lengths", [(5, 40), (40, 5), (33, 34)])
def test_a_reply_may_be_continued_or_cut(lab: Lab, lengths: tuple[int, int]) -> None:
    tree = PrefixTree()
    for length in lengths:
        same(lab.events(FIRST, new_tokens=length, tree=tree), lab.events(FIRST, new_tokens=length))


def test_what_is_known_is_not_decoded(lab: Lab, reads: Reads) -> None:
    tree = PrefixTree()
    reads.by(lab, *MIXED, tree=tree)
    assert reads.by(lab, *MIXED, tree=tree) == NOTHING
    assert reads.by(lab, *reversed(MIXED), tree=tree) == NOTHING
    assert reads.by(lab, MIXED[0], new_tokens=NEW_TOKENS // 2, tree=tree) == NOTHING
    assert reads.by(lab, row("How was it?", at(0.0, control=0.0), seed=9), tree=tree) == NOTHING


@pytest.mark.parametrize("trunks", [True, False], ids=["keys and values kept", "hidden states alone"])
def test_a_changed_reply_is_decoded_from_the_change_on(lab: Lab, reads: Reads, trunks: bool) -> None:
    tree = PrefixTree() if trunks else PrefixTree(trunk_budget=0)
    (first,) = lab.run(FIRST, tree=tree)
    assert first.alpha_interval is not None and first.changes is not None
    high, change = first.alpha_interval[1], first.changes[1]
    assert high is not None and change is not None
    text = len(lab.model.prompt_ids(FIRST.messages)) + change.position + 1
    left = NEW_TOKENS - 1 - (change.position + 1)
    assert left > 0, "else the test would prove nothing"
    expected = (2, 2 * left) if trunks else (2 * text, 2 * left)
    assert reads.by(lab, row("How was it?", at(high + 1e-4)), tree=tree) == expected
    assert reads.by(lab, row("How was it?", at(high + 2e-4)), tree=tree) == NOTHING


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_in_bfloat16_too_rows_of_one_prompt_are_those_of_the_plain_loop(tmp_path: Path, family: str) -> None:
    """A step has the same bits in any batch without padding: rows that begin together, and one that goes on alone."""
    if not can_be_packed(torch.zeros(1, dtype=torch.bfloat16)):
        pytest.skip("this processor has no layout of its own for weights in bfloat16")
    lab = make_lab(tmp_path, family, torch.bfloat16)
    same(lab.events(*STRENGTHS), lab.events(*STRENGTHS, by=plain_decode))
    tree = PrefixTree()
    for name in ("the same again", "another alpha", "far away", "another seed"):
        same(lab.events(*NEXT[name], tree=tree), lab.events(*NEXT[name], by=plain_decode))


def test_every_family_goes_on_from_what_is_remembered(any_lab: Lab) -> None:
    tree = PrefixTree()
    for asked in (FIRST, row("How was it?", at(0.9)), *NEXT["many things"], row("A long one.", at(1.0), seed=2)):
        same(any_lab.events(asked, how=WARM, tree=tree), any_lab.events(asked, how=WARM))
    same(any_lab.events(*STRENGTHS, how=WARM, tree=tree), any_lab.events(*STRENGTHS, how=WARM))


def test_a_layer_with_other_weights_finds_nothing_of_the_old_one(lab: Lab, reads: Reads) -> None:
    tree = PrefixTree()
    reads.by(lab, FIRST, tree=tree)
    old = lab.axes["random"]
    torch.manual_seed(2)
    layer = IdentityLayer(lab.model)
    with torch.no_grad():
        for parameter in layer.layer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    lab.axes["random"] = Steering((CLM(layer.requires_grad_(False)), old.of(REControl)))
    try:
        same(lab.events(FIRST, tree=tree), lab.events(FIRST))
        assert (
            lab.run(FIRST, tree=tree)[0].token_ids
            != lab.run(FIRST, by=lambda m, _, r: decode(m, {"random": old}, r))[0].token_ids
        )
    finally:
        lab.axes["random"] = old


def test_two_models_share_a_tree_and_nothing_else(labs: dict[str, Lab]) -> None:
    tree = PrefixTree()
    for _ in range(2):
        for family in ("llama", "mistral"):
            same(labs[family].events(FIRST, tree=tree), labs[family].events(FIRST))


def test_a_stopped_reply_is_remembered_as_far_as_it_came(lab: Lab, reads: Reads) -> None:
    tree = PrefixTree()
    events = decode(lab.model, lab.axes, Request(rows=(FIRST,), max_new_tokens=NEW_TOKENS), tree)
    for _ in range(7):
        next(events)
    events.close()
    assert reads.by(lab, FIRST, new_tokens=6, tree=tree) == NOTHING
    assert reads.by(lab, FIRST, tree=tree)[0] == 2, "the prompt is not read again, but its newest token in both streams"
    same(lab.events(FIRST, tree=tree), lab.events(FIRST))


@pytest.mark.parametrize(
    "budgets",
    [(0, 0, 0), (0, 10**8, 10**8), (5_000, 10**6, 2_000), (60_000, 10**5, 20_000), (10**8, 10**6, 0)],
)
def test_memory_is_bounded_and_results_do_not_depend_on_it(lab: Lab, budgets: tuple[int, int, int]) -> None:
    tree = PrefixTree(*budgets)
    for asked in [*NEXT.values(), *NEXT.values()]:
        same(lab.events(*asked, tree=tree), lab.events(*asked))
        held = tree.size, tree.trunk_size, tree.logits.size
        assert all(size <= budget for size, budget in zip(held, budgets, strict=True))


def test_a_redraw_asks_the_head_for_what_changed_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    head = lab.model.head
    monkeypatch.setattr(lab.model, "head", lambda hidden: (asked.append(len(hidden)), head(hidden))[1])

    def states_asked(strength: Strength) -> int:
        asked.clear()
        lab.events(row("How was it?", strength), tree=tree)
        return sum(asked)

    tree = PrefixTree()
    assert states_asked(at(0.3)) == 2 * NEW_TOKENS, "both streams"
    assert states_asked(at(0.3)) == 0
    assert states_asked(at(0.3, control=0.5)) > 0, "a state that control moves is another one"
    same(lab.events(row("How was it?", at(0.3)), tree=tree), lab.events(row("How was it?", at(0.3))))


def test_the_logits_that_were_used_least_recently_go_first(lab: Lab) -> None:
    lines = [torch.zeros(10) for _ in range(3)]
    kept = KeptLogits(2 * lines[0].nbytes)
    nodes = [Node(kept) for _ in lines]
    for node, line in zip(nodes[:2], lines, strict=False):
        kept.keep(node, "base", line)
    assert torch.equal(kept.get(nodes[0], "base"), lines[0])
    assert kept.get(nodes[0], "base") is not lines[0], "a view would hold all that was computed beside it"
    kept.keep(nodes[2], "base", lines[2])
    assert [kept.get(node, "base") is not None for node in nodes] == [True, False, True]
    kept.keep(nodes[1], "base", torch.zeros(21))
    assert kept.get(nodes[1], "base") is None and kept.size == kept.budget, "too large for the whole budget"
    del node, nodes[0]
    kept.keep(nodes[0], "base", lines[1])
    assert kept.get(nodes[0], "base") is not None, "what hung on a node that is gone goes with it"


def test_the_least_recently_used_goes_first(lab: Lab, reads: Reads) -> None:
    sizes = PrefixTree()
    reads.by(lab, row("Second.", at(1.0)), tree=sizes)
    tree = PrefixTree(budget=int(2.5 * sizes.size))
    for prompt in ("First.", "Second.", "First.", "Third."):
        reads.by(lab, row(prompt, at(1.0)), tree=tree)
    assert reads.by(lab, row("First.", at(1.0)), tree=tree) == NOTHING
    assert reads.by(lab, row("Third.", at(1.0)), tree=tree) == NOTHING
    assert reads.by(lab, row("Second.", at(1.0)), tree=tree) > NOTHING


def test_what_goes_is_freed_at_once(lab: Lab) -> None:
    tree = PrefixTree()
    lab.events(FIRST, tree=tree)
    states = [
        weakref.ref(state) for state in tree.root(lab.model, lab.model.prompt_ids(FIRST.messages)).states.values()
    ]
    gc.disable()  # no cycle may keep them
    try:
        tree.budget = 0
        lab.events(row("Something new."), tree=tree)
        assert [state() for state in states] == [None, None]
    finally:
        gc.enable()


def test_threads_may_share_a_tree(lab: Lab) -> None:
    tree = PrefixTree(200_000)
    found: dict[int, list] = {}

    def client(index: int) -> None:
        for asked in list(NEXT.values())[index:]:
            found[index] = lab.events(*asked, tree=tree)

    threads = [Thread(target=client, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(4):
        same(found[index], lab.events(*MIXED))
