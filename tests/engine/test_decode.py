"""What must hold of any decoder: DESIGN-level invariants, on tiny random models in float32."""

import math

import pytest
import torch

from playground.engine.decode import decode
from playground.engine.forced import reply_logprobs
from playground.engine.methods import CLM, REControl
from playground.errors import AxisMismatch, InvalidInput
from playground.events import Finished, Started, Token, from_json, to_json
from playground.settings import FURTHEST, Message, Request, Row, Sampling
from tests.engine.conftest import NEW_TOKENS, Lab, at, row

WARM = Sampling(temperature=0.9)
MIXED = (
    row("How was it?", at(0.0)),
    row("A longer prompt, so that the others are padded.", at(1.5)),
    row("How was it?"),
    row("How was it?", at(0.6, axis="second"), seed=4),
    row("How was it?", at(-0.7, control=1.0)),
    row("Two axes.", at(0.5, control=-0.5), at(0.8, axis="second"), seed=2),
)


def generate(lab: Lab, asked: Row, **how: object) -> tuple[int, ...]:
    ids = torch.tensor([lab.model.prompt_ids(asked.messages)], device=lab.model.device)
    settings = {"max_new_tokens": NEW_TOKENS, "do_sample": False, "eos_token_id": None, "pad_token_id": 0, **how}
    found = lab.model.model.generate(ids, attention_mask=torch.ones_like(ids), **settings)
    return tuple(found[0, ids.shape[1] :].tolist())


def test_strength_0_is_the_stock_model_token_for_token(any_lab: Lab) -> None:
    asked = row("Say something.", at(0.0, 0.0))
    assert any_lab.run(asked)[0].token_ids == generate(any_lab, asked)
    assert any_lab.run(row("Say something."))[0].token_ids == generate(any_lab, asked)


def test_an_untrained_layer_changes_nothing_at_any_alpha(any_lab: Lab) -> None:
    rows = [row("Say something.", at(alpha, axis="untrained")) for alpha in (-1.0, 0.0, 0.5, 1.0, 3.0)]
    ends = any_lab.run(*rows)
    assert {end.token_ids for end in ends} == {generate(any_lab, rows[0])}
    assert max(end.kl for end in ends) < 1e-6


def one_stream(lab: Lab, asked: Row) -> tuple[int, ...]:
    """Greedy tokens of a row merged at the embeddings, the slow way: one stream, no cache."""
    (strength,) = asked.strengths
    layer = lab.axes[strength.axis].of(CLM).layer
    assert layer is not None
    ids = lab.model.prompt_ids(asked.messages)
    written: list[int] = []
    for _ in range(NEW_TOKENS):
        tokens = torch.tensor([[*ids, *written]], device=lab.model.device)
        mask = torch.ones_like(tokens)
        with torch.no_grad():
            embeddings = lab.model.embed(tokens)
            merged = embeddings + strength.alpha * (layer(embeddings, mask) - embeddings)
            written.append(int(lab.model.head(lab.model.decode(merged, mask)[:, -1]).argmax()))
    return tuple(written)


def test_alpha_1_is_the_aligned_stream(any_lab: Lab) -> None:
    asked = row("Say something.", at(1.0))
    assert any_lab.run(asked)[0].token_ids == one_stream(any_lab, asked)


def test_merged_at_the_embeddings_alpha_acts_on_what_the_decoder_reads(any_lab: Lab) -> None:
    rows = [row("Say something.", at(alpha, merge="embeddings")) for alpha in (-1.0, 0.0, 0.4, 1.0, 1.6)]
    ends = any_lab.run(*rows, row("Say something.", at(0.4)))
    for asked, end in zip(rows, ends, strict=False):
        assert end.token_ids == one_stream(any_lab, asked)
        assert end.alpha_interval is None and end.changes is None
    assert ends[1].kl == 0.0
    assert ends[-1].kl != pytest.approx(ends[2].kl), "merged at the logits it is another reply or another distribution"


def test_axes_are_not_mixed_at_the_embeddings() -> None:
    with pytest.raises(InvalidInput, match=r"cannot be mixed at the embeddings: random, second\."):
        row("Two.", at(0.5, merge="embeddings"), at(0.5, axis="second"))


def test_a_row_alone_is_the_row_in_any_batch(any_lab: Lab) -> None:
    together = any_lab.run(*MIXED, how=WARM)
    for index, asked in enumerate(MIXED):
        (alone,) = any_lab.run(asked, how=WARM)
        assert together[index].token_ids == alone.token_ids
        assert together[index].kl == pytest.approx(alone.kl, abs=1e-4)
        assert together[index].perplexity == pytest.approx(alone.perplexity, rel=1e-3)


def test_permuting_rows_permutes_results(lab: Lab) -> None:
    forth, back = lab.run(*MIXED, how=WARM), lab.run(*reversed(MIXED), how=WARM)
    assert [end.token_ids for end in forth] == [end.token_ids for end in reversed(back)]


def test_strengths_differ_from_each_other(lab: Lab) -> None:
    ends = lab.run(*(row("How was it?", at(alpha)) for alpha in (-1.0, 0.0, 1.0, 2.0)))
    assert len({end.token_ids for end in ends}) > 1, "else the other tests would prove nothing"


def test_same_seed_same_text_and_another_seed_another(lab: Lab) -> None:
    first, again, other = lab.run(row(seed=7), row(seed=7), row(seed=8), how=WARM)
    assert first.token_ids == again.token_ids != other.token_ids


def test_streamed_is_what_is_finished(lab: Lab) -> None:
    events = lab.events(*MIXED, how=WARM)
    assert isinstance(events[0], Started)
    for index in range(len(MIXED)):
        tokens = [event for event in events if isinstance(event, Token) and event.row == index]
        (end,) = [event for event in events if isinstance(event, Finished) and event.row == index]
        assert "".join(token.text for token in tokens) == end.text == lab.model.text(end.token_ids)
        assert [token.position for token in tokens] == list(range(len(end.token_ids)))
        assert end.kl == pytest.approx(sum(token.kl for token in tokens) / len(tokens))


def test_base_logprobs_and_perplexity_are_the_base_models(lab: Lab) -> None:
    asked = row("How was it?", at(1.3))
    (end,) = lab.run(asked)
    total = float(reply_logprobs(lab.model, [lab.model.prompt_ids(asked.messages)], [end.token_ids])[0])
    assert end.perplexity == pytest.approx(math.exp(-total / len(end.token_ids)), rel=1e-3)
    assert sum(token.base_logprob for token in lab.tokens(asked)) == pytest.approx(total, rel=1e-3)


@pytest.mark.parametrize("how", [Sampling(), WARM], ids=["greedy", "coupled sampling"])
@pytest.mark.parametrize("alpha", [-0.5, 0.0, 0.8, 1.7])
def test_the_text_is_constant_in_its_alpha_interval_and_changes_just_outside(
    lab: Lab, how: Sampling, alpha: float
) -> None:
    (end,) = lab.run(row("How was it?", at(alpha)), how=how)
    assert end.alpha_interval is not None
    low, high = end.alpha_interval
    assert low is not None and high is not None and low <= alpha <= high
    slack = 1e-4
    probes = [low - slack, low + slack, high - slack, high + slack]
    found = [
        again.token_ids == end.token_ids for again in lab.run(*(row("How was it?", at(p)) for p in probes), how=how)
    ]
    assert found[0] is False and found[3] is False
    if high - low > 2 * slack:
        assert found[1] and found[2]


def test_the_interval_is_that_of_the_first_of_two_axes(lab: Lab) -> None:
    def asked(alpha: float) -> Row:
        return row("How was it?", at(alpha), at(0.4, axis="second"))

    (end,) = lab.run(asked(0.5))
    assert end.alpha_interval is not None and end.alpha_interval[1] is not None
    inside, outside = lab.run(asked(end.alpha_interval[1] - 1e-4), asked(end.alpha_interval[1] + 1e-4))
    assert inside.token_ids == end.token_ids != outside.token_ids


@pytest.mark.parametrize(
    ("strengths", "how"),
    [
        ((at(0.5, control=1.0),), Sampling()),
        ((), Sampling()),
        ((at(0.5),), Sampling(temperature=1.0, top_k=5)),
        ((at(0.5),), Sampling(repetition_penalty=1.2)),
    ],
    ids=["control", "no axis", "top-k", "penalty"],
)
def test_there_is_no_interval_without_a_closed_form(lab: Lab, strengths: tuple, how: Sampling) -> None:
    assert lab.run(row("How was it?", *strengths), how=how)[0].alpha_interval is None


def test_control_raises_the_value_at_every_token(lab: Lab) -> None:
    tokens = lab.tokens(row("How was it?", at(control=1.0)), row("How was it?", at(control=-1.0)))
    for token in tokens:
        assert token.value_before is not None and token.value_after is not None
        grew = token.value_after - token.value_before
        assert grew > 0 if token.row == 0 else grew < 0


def test_control_0_and_updates_0_change_nothing(lab: Lab) -> None:
    plain, off, no_updates, no_steps = lab.run(
        row(), row("How was it?", at()), row("How was it?", at(control=2.0, updates=0)),
        row("How was it?", at(control=2.0, step_size=0.0)),
    )  # fmt: skip
    assert plain.token_ids == off.token_ids == no_updates.token_ids == no_steps.token_ids


def test_control_touches_no_gradient(lab: Lab) -> None:
    lab.run(row("How was it?", at(1.0, control=2.0)))
    function = lab.axes["random"].of(REControl).function
    assert function is not None
    assert all(parameter.grad is None for parameter in [*function.parameters(), *lab.model.model.parameters()])


def test_step_size_and_updates_can_be_set_for_a_row(lab: Lab) -> None:
    gentle, strong = lab.tokens(
        row("How was it?", at(control=1.0, step_size=0.01, updates=1)),
        row("How was it?", at(control=1.0, step_size=0.5, updates=20)),
    )[:2]
    assert gentle.value_after is not None and strong.value_after is not None
    assert gentle.value_before == pytest.approx(strong.value_before)
    assert strong.value_after > gentle.value_after


def test_the_end_of_turn_stops_a_row_and_lets_the_others_go_on(lab: Lab) -> None:
    free = lab.run(*MIXED)
    lab.model.stop_ids = frozenset({free[1].token_ids[4]})
    try:
        stopped = lab.run(*MIXED)
    finally:
        lab.model.stop_ids = frozenset()
    ends = {end.finish_reason for end in stopped}
    assert stopped[1].finish_reason == "stop" and "length" in ends
    for before, after in zip(free, stopped, strict=True):
        assert after.token_ids == before.token_ids[: len(after.token_ids)]
        assert after.finish_reason == "stop" or len(after.token_ids) == NEW_TOKENS


def test_closing_the_generator_stops(lab: Lab) -> None:
    events = decode(lab.model, lab.axes, Request(rows=(row(),), max_new_tokens=400))
    next(events)
    next(events)
    events.close()
    assert list(events) == []


def test_two_clients_at_different_strengths_never_see_each_other(lab: Lab) -> None:
    def client(alpha: float):
        return decode(lab.model, lab.axes, Request(rows=(row("How was it?", at(alpha)),), max_new_tokens=NEW_TOKENS))

    alone = [[event for event in client(alpha) if isinstance(event, Token)] for alpha in (-1.0, 2.0)]
    turns = [client(-1.0), client(2.0)]
    mixed: list[list[Token]] = [[], []]
    for _ in range(NEW_TOKENS + 2):  # Started, the tokens, Finished
        for index, turn in enumerate(turns):
            event = next(turn)
            if isinstance(event, Token):
                mixed[index].append(event)
    assert mixed == alone


def test_history_and_system_text_reach_the_model(lab: Lab) -> None:
    turns = (Message(role="user", content="Hi."), Message(role="assistant", content="Hello."))
    later = Row(messages=(*turns, Message(role="user", content="How was it?")))
    plain, with_history, with_system = lab.run(row("How was it?"), later, row("How was it?", system="Be brief."))
    assert len({plain.token_ids, with_history.token_ids, with_system.token_ids}) == 3
    assert with_history.token_ids == generate(lab, later)


def test_repetition_penalty_is_that_of_generate(lab: Lab) -> None:
    (end,) = lab.run(row("How was it?"), how=Sampling(repetition_penalty=1.3))
    assert end.token_ids == generate(lab, row("How was it?"), repetition_penalty=1.3)


def test_what_cannot_be_run_is_refused_before_the_first_event(lab: Lab) -> None:
    with pytest.raises(AxisMismatch, match="no axis named 'nowhere'"):
        lab.events(row("How was it?", at(axis="nowhere")))
    with pytest.raises(InvalidInput, match="letters, more than"):
        lab.events(row("so long " * 2000))
    with pytest.raises(InvalidInput, match="tokens long"):
        lab.events(row("☃" * 600))
    with pytest.raises(InvalidInput, match="does not fit"):
        lab.events(row("short"), new_tokens=100_000)


def test_furthest_strengths_give_finite_numbers(lab: Lab) -> None:
    rows = [row("How was it?", at(sign * FURTHEST, control)) for sign in (-1, 1) for control in (0.0, FURTHEST)]
    for end in lab.run(*rows):
        assert math.isfinite(end.kl) and math.isfinite(end.perplexity)
        assert from_json(to_json(end)) == end
