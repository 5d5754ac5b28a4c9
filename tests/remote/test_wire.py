"""What an engine is told and tells survives JSON; an answer without an end, and one told twice, are noticed."""

import json
from collections.abc import Generator

import pytest

from playground.errors import AxisDamaged, Busy, InvalidInput, ModelUnavailable, PlaygroundError
from playground.events import Event, Finished, Started, Token, Waiting, to_json
from playground.player import Player
from playground.remote import measuring, wire
from playground.remote.resumed import resumed
from playground.remote.wire import EngineDescription, EngineLost
from playground.serving.hosting import ServerSettings
from playground.settings import SLIDERS, UNSTEERED, Message, Request, Row, Sampling, Strength, conversation

HISTORY = (Message(role="user", content="Hi."), Message(role="assistant", content="Hello."))
REQUEST = Request(
    rows=(
        Row(messages=conversation("How\u2028was \ud55c it?", "Be kind."), seed=2**62, alternatives=3),
        Row(messages=conversation("And now?", None, HISTORY), strengths=(Strength(axis="cheer", alpha=0.1),)),
        Row(
            messages=conversation("And now?", None, HISTORY), strengths=(Strength(axis="cheer", control=1, updates=3),)
        ),
    ),
    sampling=Sampling(temperature=0.7, top_p=0.9),
    max_new_tokens=9,
    stop=("\n",),
)


@pytest.fixture(scope="module")
def described(player: Player) -> EngineDescription:
    return EngineDescription.of(player, ServerSettings(model="tiny"))


def test_a_description_survives_json(player: Player, described: EngineDescription) -> None:
    told = EngineDescription(**json.loads(described.model_dump_json()))
    assert told == described
    assert told.fingerprint == described.fingerprint
    for name, axis in player.axes.items():
        assert told.axes[name].card == axis.card
        assert [told.axes[name].methods_for(slider) for slider in SLIDERS] == [
            axis.methods_for(slider) for slider in SLIDERS
        ]


def test_a_request_survives_json_and_tells_each_conversation_once(described: EngineDescription) -> None:
    body = described.asks(REQUEST)
    assert described.take(body) == described.take(body.encode()) == REQUEST
    assert body.count("And now?") == 1


@pytest.mark.parametrize("numbers", ["[0, 1e999]", "[0, 0.5]", "[0]", '["0", "1"]', "3"])
def test_what_asks_for_no_batches_is_refused(numbers: str) -> None:
    with pytest.raises(InvalidInput, match="no sweep"):
        measuring.request(f'{{"plan": {{"axis": "cheer"}}, "coherence": false, "numbers": {numbers}}}')


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", "1", '{"engine": 1, "axes": {}, "conversations": [], "request": {"rows": [{"messages": -1}]}}'],
)
def test_what_is_no_request_is_refused(described: EngineDescription, body: str) -> None:
    with pytest.raises(InvalidInput, match="no request"):
        described.take(body)


def test_a_request_to_another_engine_is_refused(described: EngineDescription) -> None:
    card = described.axes["cheer"].card
    trained = card.model_copy(update={"files": dict.fromkeys(card.files, "0" * 64)})
    axis = described.axes["cheer"].model_copy(update={"card": trained})
    others = (
        described.model_copy(update={"dtype": "bfloat16"}),
        described.model_copy(update={"version": "0.0.0"}),
        described.model_copy(update={"base": described.base.model_copy(update={"weights": "1"})}),
        described.model_copy(update={"axes": {**described.axes, "cheer": axis}}),
    )
    for other in others:
        with pytest.raises(InvalidInput, match="another model, axis or version"):
            other.take(described.asks(REQUEST))


@pytest.mark.parametrize(
    "error",
    [InvalidInput("a", "b", "c"), Busy("Full."), AxisDamaged("x", "y"), ModelUnavailable("z"), PlaygroundError("q")],
)
def test_a_refusal_keeps_its_kind_and_words(error: PlaygroundError) -> None:
    with pytest.raises(PlaygroundError) as told:
        list(wire.read([wire.refusal(error)]))
    same = ModelUnavailable if type(error) is PlaygroundError else type(error)
    assert type(told.value) is same
    assert (told.value.message, told.value.hint, told.value.field) == (error.message, error.hint, error.field)


def token(row: int, position: int, text: str = "a") -> Token:
    return Token(row, position, ord(text[0]), text, -1.0, -1.5, 0.25)


def finished(row: int, text: str) -> Finished:
    return Finished(row, UNSTEERED, text, (97,), None, None, 0.25, 2.0, "length")


WHOLE: list[Event] = [
    Waiting(1), Started((3, 3)), token(0, 0), token(1, 0, "b"), token(0, 1, "c"), finished(0, "ac"),
    token(1, 1, "d"), finished(1, "bd"),
]  # fmt: skip


def test_an_answer_is_read_to_its_end_and_no_further() -> None:
    lines = [*map(to_json, WHOLE), "", wire.END, "rubbish"]
    assert list(wire.read(lines)) == list(wire.read(f"{line}\n".encode() for line in lines)) == WHOLE
    for cut in range(len(WHOLE) + 1):
        with pytest.raises(EngineLost):
            list(wire.read(lines[:cut]))


def asking(*answers: list[Event]) -> "tuple[list[int], Generator[Event]]":
    """A request whose engines are lost after these events, but for the last; and how many were left open."""
    left, open_ones = list(answers), [0]

    def ask() -> Generator[Event, None, None]:
        open_ones[0] += 1
        try:
            answer = left.pop(0)
            yield from answer
            if left or answer != WHOLE:
                raise EngineLost("Lost.")
        finally:
            open_ones[0] -= 1

    return open_ones, resumed(ask, len(answers))


@pytest.mark.parametrize("first", range(len(WHOLE) + 1))
@pytest.mark.parametrize("second", range(len(WHOLE) + 1))
def test_a_request_goes_on_elsewhere_from_what_was_told(first: int, second: int) -> None:
    _, events = asking(WHOLE[:first], WHOLE[:second], WHOLE)
    told = [event for event in events if not isinstance(event, Waiting)]
    assert told == WHOLE[1:]


def test_rows_may_be_told_in_another_order_elsewhere() -> None:
    turned = [WHOLE[1], *sorted(WHOLE[2:], key=lambda event: -event.row)]  # type: ignore[union-attr]
    for cut in range(len(WHOLE)):
        _, events = asking(turned[:cut], WHOLE)
        told = [event for event in events if not isinstance(event, Waiting)]
        assert sorted(map(to_json, told)) == sorted(map(to_json, WHOLE[1:]))


def test_a_reply_that_another_engine_writes_otherwise_ends_with_one_error() -> None:
    for other in (token(0, 1, "x"), finished(0, "ax")):
        place = next(i for i, event in enumerate(WHOLE) if type(event) is type(other))
        begun = [*WHOLE[:4], other] if isinstance(other, Token) else [*WHOLE[:5], other]
        assert place
        _, events = asking(begun, WHOLE)
        with pytest.raises(ModelUnavailable, match="otherwise"):
            list(events)


def test_an_engine_that_is_lost_each_time_is_told_and_a_refusal_at_once() -> None:
    _, events = asking(WHOLE[:3], WHOLE[:4], WHOLE[:2])
    with pytest.raises(EngineLost):
        list(events)

    def refusing() -> Generator[Event, None, None]:
        yield WHOLE[1]
        raise Busy("Full.")

    with pytest.raises(Busy):
        list(resumed(refusing))


def test_whoever_leaves_closes_the_request() -> None:
    left_open, events = asking(WHOLE)
    next(events)
    assert left_open == [1]
    events.close()
    assert left_open == [0]
