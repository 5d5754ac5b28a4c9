"""The likeliest tokens told with each token: those of the two distributions, for the rows that ask and no others."""

import pytest

from playground.events import from_json, to_json
from playground.settings import Row, Strength
from tests.engine.conftest import Lab, at, row


def asking(prompt: str, *strengths: Strength, told: int) -> Row:
    return row(prompt, *strengths).model_copy(update={"alternatives": told})


def test_the_likeliest_tokens_are_those_of_either_distribution(lab: Lab) -> None:
    tokens = lab.tokens(asking("How was it?", at(1.5), told=5))
    for token in tokens:
        assert token.likely[0].id == token.id, "greedy takes the likeliest"
        assert token.likely[0].logprob == pytest.approx(token.logprob, abs=1e-5)
        for told in (token.likely, token.base_likely):
            logprobs = [candidate.logprob for candidate in told]
            assert len({candidate.id for candidate in told}) == 5
            assert logprobs == sorted(logprobs, reverse=True)
            assert max(logprobs) <= 0
        if token.id in (base := {candidate.id: candidate.logprob for candidate in token.base_likely}):
            assert base[token.id] == pytest.approx(token.base_logprob, abs=1e-5)
        assert from_json(to_json(token)) == token
    (base,) = lab.run(row("How was it?"))
    assert tokens[0].base_likely[0].id == base.token_ids[0]


def test_control_shows_in_the_steered_list_alone(lab: Lab) -> None:
    plain, moved = (lab.tokens(asking("How was it?", at(0.0, c), told=3))[0] for c in (0.0, 2.0))
    assert [c.id for c in plain.likely] == [c.id for c in plain.base_likely]
    assert moved.base_likely == plain.base_likely
    assert moved.likely != plain.likely


def test_only_rows_that_ask_are_told_and_nothing_else_changes(lab: Lab) -> None:
    rows = [row("How was it?", at(0.5)), row("Another?", at(1.0)), row("How was it?", at(0.5, 1.0))]
    asked = [r.model_copy(update={"alternatives": told}) for r, told in zip(rows, (0, 2, 4), strict=True)]
    told = lab.tokens(*asked)
    assert {(t.row, len(t.likely), len(t.base_likely)) for t in told} == {(0, 0, 0), (1, 2, 2), (2, 4, 4)}
    assert [t.id for t in told] == [t.id for t in lab.tokens(*rows)]
