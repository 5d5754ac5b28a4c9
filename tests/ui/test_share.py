"""A shared link says all that decides a reply, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.errors import InvalidInput
from playground.presets import Preset
from playground.settings import Strength
from playground.texts import is_blank
from playground.ui import share

_ANY = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
TEXT = _ANY.filter(lambda text: not is_blank(text))
NUMBER = st.floats(-100, 100, allow_nan=False)
STRENGTHS = st.builds(
    Strength,
    axis=TEXT,
    alpha=NUMBER,
    control=NUMBER,
    updates=st.none() | st.integers(0, 99),
    step_size=st.none() | st.floats(0, 9),
    method=st.none() | st.sampled_from(["re_control", "a,b;c d"]),
    merge=st.just("logits"),
)
PRESETS = st.builds(
    Preset,
    title=st.just("Shared"),
    prompt=TEXT,
    system=st.just("") | TEXT,
    axis=st.just("") | TEXT,
    alpha=NUMBER,
    control=NUMBER,
    temperature=st.just(0.0) | st.floats(0.01, 10),
    seed=st.integers(0, 2**63 - 1),
    max_new_tokens=st.integers(1, 999),
    top_k=st.integers(0, 99),
    top_p=st.floats(0.01, 1),
    repetition_penalty=st.floats(0.1, 10),
    updates=st.none() | st.integers(0, 99),
    step_size=st.none() | st.floats(0, 9),
    more=st.lists(STRENGTHS, max_size=3, unique_by=lambda strength: strength.axis).map(tuple),
)


@given(PRESETS, st.just("") | TEXT)
def test_every_setting_comes_back_as_it_was(preset: Preset, model: str) -> None:
    assert share.decode(share.encode(preset, model)) == share.Shared(preset, model)


def test_it_carries_the_settings_in_plain_sight() -> None:
    link = share.encode(Preset(title="Mine", prompt="Hello there", axis="calm", alpha=1.5), "SmolLM2")
    expected = "prompt=Hello+there&axis=calm&alpha=1.5&control=0&temperature=0&seed=0&max_new_tokens=128&model=SmolLM2"
    assert link == expected


@pytest.mark.parametrize("query", ["", "?", "?__theme=dark", "view=curves&alpha=2", "prompt=", "?prompt=%20"])
def test_what_names_no_prompt_is_no_link(query: str) -> None:
    assert share.decode(query) is None


def test_names_of_others_are_left_alone_and_a_title_cannot_be_given() -> None:
    shared = share.decode("?prompt=Hello&__theme=dark&title=Evil&view=api")
    assert shared is not None
    assert shared.preset == Preset(title="Shared", prompt="Hello")


def test_it_reads_what_a_server_has_taken_apart() -> None:
    shared = share.decode({"prompt": "a & b", "more": "calm,0.5;warm,1,2"})
    assert shared is not None
    assert shared.preset.prompt == "a & b"
    assert shared.preset.more == (Strength(axis="calm", alpha=0.5), Strength(axis="warm", alpha=1, control=2))


@pytest.mark.parametrize(
    "query",
    [
        "prompt=x&alpha=nan",
        "prompt=x&alpha=much",
        "prompt=x&max_new_tokens=-1",
        "prompt=x&more=calm,inf",
        "prompt=x&more=,1",
        f"prompt=x&seed={2**63}",
        f"prompt={'x' * share.LONGEST}",
    ],
)
def test_a_damaged_link_is_told_plainly(query: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        share.decode(query)
    assert caught.value.hint


def test_a_prompt_too_long_for_a_link_has_another_way() -> None:
    with pytest.raises(InvalidInput, match="too long") as caught:
        share.encode(Preset(title="Long", prompt="word " * 3000))
    assert "preset" in caught.value.hint
