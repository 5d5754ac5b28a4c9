"""A tiny random model of each family is the stock model at strength 0, and keeps the invariants of the others."""

import pytest

from playground.engine.prefix_tree import PrefixTree
from playground.events import Finished
from playground.settings import Sampling
from playground.sources import ARCHITECTURES
from tests.engine.conftest import CORE, Lab, Labs, at, row
from tests.engine.plain_decode import plain_decode
from tests.engine.test_decode import generate
from tests.engine.test_prefix_tree import same

LENGTH = 6
ROWS = (
    row("How was it?", at(1.2)),
    row("A longer prompt, so that the others are padded.", at(-0.6)),
    row("How was it?", at(0.5), at(0.7, axis="second"), seed=1),
    row("How was it?"),
)


@pytest.fixture(params=[family for family in ARCHITECTURES if family not in CORE])
def family_lab(request: pytest.FixtureRequest, labs: Labs) -> Lab:
    """Each family in turn that the other tests do not go through."""
    return labs[request.param]


def test_without_steering_a_family_is_the_stock_model(family_lab: Lab) -> None:
    prompt = "Say something."
    rows = (row(prompt), row(prompt, at(0.0)), row(prompt, at(1.7, axis="untrained")))
    stock = generate(family_lab, rows[0], max_new_tokens=LENGTH)
    assert [end.token_ids for end in family_lab.run(*rows, new_tokens=LENGTH)] == [stock] * 3


def test_a_familys_rows_are_the_same_alone_in_a_batch_in_a_tree_and_replayed(family_lab: Lab) -> None:
    asked = {"how": Sampling(temperature=0.9), "new_tokens": LENGTH}
    tree = PrefixTree()
    found = family_lab.events(*ROWS, **asked, tree=tree)
    same(found, family_lab.events(*ROWS, **asked, by=plain_decode))
    same(family_lab.events(*ROWS, **asked, tree=tree), found)
    texts = {event.row: event.token_ids for event in found if isinstance(event, Finished)}
    assert texts[0] != texts[3], "else steering would not be seen"
    for index in (0, 2):
        assert family_lab.run(ROWS[index], **asked)[0].token_ids == texts[index]
