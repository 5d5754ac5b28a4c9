"""The ground floor: events survive JSON, and what cannot be used is told in one sentence with a way out."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from playground.errors import InvalidInput, PlaygroundError
from playground.events import Event, Finished, Progress, Started, Token, from_json, to_json
from playground.settings import (
    FURTHEST,
    MOST_NAMED,
    Message,
    Request,
    Row,
    Sampling,
    Settings,
    Sliders,
    Strength,
    conversation,
)
from playground.texts import is_blank

numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**31)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
sliders = st.builds(Sliders, alpha=st.floats(-FURTHEST, FURTHEST), control=st.floats(-FURTHEST, FURTHEST))
strengths = st.builds(
    Strength,
    axis=texts.filter(lambda text: not is_blank(text)),
    alpha=st.floats(-FURTHEST, FURTHEST),
    control=st.floats(-FURTHEST, FURTHEST),
    updates=st.none() | st.integers(0, 1000),
    step_size=st.none() | st.floats(0, FURTHEST),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Started, prompt_tokens=st.lists(counts, max_size=4).map(tuple)),
    st.builds(
        Token, row=counts, position=counts, id=counts, text=texts, logprob=numbers, base_logprob=numbers, kl=numbers,
        value_before=st.none() | numbers, value_after=st.none() | numbers,
    ),
    st.builds(
        Finished, row=counts, at=sliders, text=texts,
        token_ids=st.lists(counts, max_size=4).map(tuple),
        alpha_interval=st.none() | st.tuples(st.none() | numbers, st.none() | numbers),
        reward=st.none() | numbers, kl=numbers, perplexity=numbers, finish_reason=st.sampled_from(["stop", "length"]),
        seed=counts, strengths=st.lists(strengths, max_size=2).map(tuple),
    ),
    st.builds(
        Progress, stage=texts, done=numbers, total=numbers, unit=texts, rate=st.none() | numbers,
        seconds_left=st.none() | numbers, note=texts,
    ),
)  # fmt: skip


@given(events)
def test_an_event_survives_json(event: Event) -> None:
    line = to_json(event)
    assert from_json(line) == event
    assert "\n" not in line
    assert json.loads(line)["event"] == type(event).__name__.lower()


@pytest.mark.parametrize(
    "line",
    ["", "nonsense", "[]", "{}", '{"event": "exploded"}', '{"event": "started"}', '{"event": "token", "row": "x"}'],
)
def test_anything_else_is_no_event(line: str) -> None:
    with pytest.raises(InvalidInput):
        from_json(line)


def one_row(**changes) -> Row:
    return Row(**{"messages": conversation("Hello"), **changes})


WRONG = {
    "nan alpha": lambda: Strength(axis="a", alpha=math.nan),
    "infinite alpha": lambda: Strength(axis="a", alpha=math.inf),
    "infinite control": lambda: Strength(axis="a", control=-math.inf),
    "nameless axis": lambda: Strength(axis=""),
    "negative updates": lambda: Strength(axis="a", updates=-1),
    "negative step size": lambda: Strength(axis="a", step_size=-0.1),
    "an axis twice": lambda: one_row(strengths=(Strength(axis="a"), Strength(axis="a", alpha=1.0))),
    "empty prompt": lambda: one_row(messages=conversation("")),
    "blank prompt": lambda: one_row(messages=conversation(" \n\t")),
    "no messages": lambda: one_row(messages=()),
    "assistant last": lambda: one_row(
        messages=(Message(role="user", content="a"), Message(role="assistant", content="b"))
    ),
    "unknown role": lambda: Message(role="wizard", content="a"),  # pyright: ignore[reportArgumentType]
    "negative seed": lambda: one_row(seed=-1),
    "no rows": lambda: Request(rows=()),
    "negative length": lambda: Request(rows=(one_row(),), max_new_tokens=-5),
    "no length": lambda: Request(rows=(one_row(),), max_new_tokens=0),
    "negative temperature": lambda: Sampling(temperature=-1),
    "top_p of zero": lambda: Sampling(top_p=0),
    "unknown setting": lambda: Sampling(temprature=1.0),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_value_gets_one_plain_sentence_and_a_way_out(wrong) -> None:
    with pytest.raises(InvalidInput) as caught:
        wrong()
    message, hint = caught.value.message, caught.value.hint
    assert message.endswith(".")
    assert "\n" not in message
    assert hint
    for jargon in ("validation error", "pydantic", "https://", "type="):
        assert jargon not in message
    assert str(caught.value) == f"{message} {hint}"


@given(st.floats())
def test_any_alpha_that_float32_can_work_with_is_allowed_and_no_other(alpha: float) -> None:
    if abs(alpha) <= FURTHEST:
        assert Strength(axis="a", alpha=alpha).alpha == alpha
    else:
        with pytest.raises(InvalidInput, match="alpha"):
            Strength(axis="a", alpha=alpha)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Sampling().temperature = 2.0  # pyright: ignore[reportAttributeAccessIssue]


def test_a_conversation_puts_system_text_first_and_the_prompt_last() -> None:
    history = (Message(role="user", content="one"), Message(role="assistant", content="two"))
    turns = conversation("three", "be kind", history)
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "user"]
    assert [turn.content for turn in turns] == ["be kind", "one", "two", "three"]


def test_an_error_without_a_hint_is_its_message() -> None:
    assert str(PlaygroundError("It broke.")) == "It broke."


def every_settings(cls: type[Settings] = Settings) -> list[type[Settings]]:
    return [cls, *(inner for one in cls.__subclasses__() for inner in every_settings(one))]


@pytest.mark.parametrize("key", ["self", "__init__", "cls", "model_config"])
def test_a_key_of_a_language_is_an_unknown_key(key: str) -> None:
    from playground import cards, presets  # noqa: F401
    from playground.study import plan  # noqa: F401
    from playground.training import recipe  # noqa: F401

    assert len(every_settings()) > 20
    for kind in every_settings():
        with pytest.raises(InvalidInput):
            kind(**{key: 1})


def test_half_a_character_is_refused_wherever_it_lies() -> None:
    for rows in ({"a": ["\ud83d"]}, [{"\udc00": 1}], ("x", ["\udfff"])):
        with pytest.raises(InvalidInput, match="no text"):
            Request(rows=rows)  # type: ignore[arg-type]


def test_a_complaint_is_short_and_can_be_printed_anywhere() -> None:
    with pytest.raises(InvalidInput) as told:
        Strength(axis="a", alpha="9" * 100_000)  # type: ignore[arg-type]
    assert len(str(told.value)) < 300
    assert str(PlaygroundError("half \ud83d", "of \udcff")) == "half \\ud83d of \\udcff"


def test_a_request_names_no_more_axes_than_a_player_holds() -> None:
    rows = [
        Row(messages=conversation("Hello."), strengths=(Strength(axis=f"a clown | a clerk of {number}"),))
        for number in range(MOST_NAMED + 1)
    ]
    assert len(Request(rows=tuple(rows[1:])).axes) == MOST_NAMED
    with pytest.raises(InvalidInput, match="65 axes"):
        Request(rows=tuple(rows))
