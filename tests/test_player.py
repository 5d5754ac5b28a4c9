"""Many people at one player: fair turns, a bounded number of places, nothing of one request in another."""

from collections.abc import Generator, Iterable
from pathlib import Path
from threading import Thread

import pytest

from playground import player as player_module
from playground.engine.language_model import LanguageModel
from playground.engine.turns import Turns
from playground.errors import Busy, InvalidInput
from playground.events import Event, Finished, Started, Token
from playground.player import Player
from playground.settings import Request, Row, Strength, conversation
from playground.sources import build_tiny
from tests.tiny_axis import make_tiny_axis


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[LanguageModel, Path]:
    folder = build_tiny(tmp_path_factory.mktemp("model"), "llama")
    axis = make_tiny_axis(tmp_path_factory.mktemp("axis"), folder)
    model = LanguageModel.load(folder)
    model.stop_ids = frozenset()
    return model, axis


@pytest.fixture
def player(tiny: tuple[LanguageModel, Path]) -> Player:
    model, axis = tiny
    player = Player(model)
    player.axis(str(axis))
    return player


def asked(*alphas: float, prompt: str = "Hi.", new_tokens: int = 8) -> Request:
    rows = [Row(messages=conversation(prompt), strengths=(Strength(axis="cheer", alpha=alpha),)) for alpha in alphas]
    return Request(rows=tuple(rows), max_new_tokens=new_tokens)


def texts(events: Iterable[Event]) -> dict[int, str]:
    return {event.row: event.text for event in events if isinstance(event, Finished)}


def in_threads(*works: Generator | None, names: tuple[str, ...] = ()) -> list[list[Event]]:
    found: list[list[Event]] = [[] for _ in works]
    threads = [
        Thread(
            target=lambda index=index, work=work: found[index].extend(work), name=(names or ("",) * len(works))[index]
        )
        for index, work in enumerate(works)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_the_turn_goes_round_in_the_order_of_asking() -> None:
    turns, order = Turns(), []

    def client(name: str) -> None:
        with turns.turn():
            order.append(name)

    threads = [Thread(target=client, args=(name,)) for name in ("first", "second", "third")]
    with turns.turn():
        for waiting, thread in enumerate(threads, 2):
            thread.start()
            while turns.wanted < waiting:
                pass
        assert order == []
    for thread in threads:
        thread.join()
    assert order == ["first", "second", "third"]


def test_the_turn_goes_round_among_clients_and_not_among_requests() -> None:
    turns, order = Turns(), []

    def client(name: str) -> None:
        with turns.turn(name):
            order.append(name)

    threads = [Thread(target=client, args=(name,)) for name in ("many", "many", "many", "one", "other")]
    with turns.turn("many"):
        for waiting, thread in enumerate(threads, 2):
            thread.start()
            while turns.wanted < waiting:
                pass
    for thread in threads:
        thread.join()
    assert order == ["one", "other", "many", "many", "many"]
    assert turns.wanted == 0


def test_a_step_that_fails_passes_the_turn_on() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.turn():
        raise ZeroDivisionError
    with turns.turn():
        pass


def test_a_long_sweep_takes_no_step_while_a_short_reply_waits(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep's thread waits in each of its steps until the short one is in line again, or done."""
    log: list[str] = []
    steps = player_module.steps

    def watched(model: LanguageModel, axes: dict, request: Request, tree: object) -> Generator:
        name = "long" if len(request.rows) > 1 else "short"
        for step in steps(model, axes, request, tree):  # pyright: ignore[reportArgumentType]
            log.append(name)
            while name == "long" and short.is_alive() and player.turns.wanted < 2:
                pass
            yield step

    monkeypatch.setattr(player_module, "steps", watched)
    short = Thread(target=lambda: list(player.run(asked(0.5, new_tokens=6))))
    sweep = player.run(asked(*(index / 10 for index in range(12)), new_tokens=24))
    next(sweep)
    short.start()
    list(sweep)
    short.join()
    assert log.count("short") >= 7 and log.count("long") >= 25  # more where one finds what the other has visited
    last = len(log) - 1 - log[::-1].index("short")
    between = "".join(name[0] for name in log[log.index("short") : last + 1]).split("s")
    assert all(len(steps_of_the_sweep) <= 2 for steps_of_the_sweep in between), log


def test_requests_in_threads_are_the_requests_alone(player: Player) -> None:
    requests = [
        asked(*alphas, prompt=prompt) for prompt in ("Hi.", "How are you?") for alphas in ((-1.0, 0.0, 2.0), (0.5,))
    ]
    alone = [texts(Player(player.model, player.axes).run(request)) for request in requests]
    found = in_threads(*(player.run(request) for request in requests))
    assert [texts(events) for events in found] == alone


def test_no_more_requests_than_places(player: Player) -> None:
    player.turns = Turns(places=2)
    first, second = player.run(asked(0.0)), player.run(asked(1.0))
    assert isinstance(next(first), Started) and isinstance(next(second), Started)
    assert player.turns.taken == 2
    with pytest.raises(Busy, match="2 requests are being answered"):
        next(player.run(asked(0.5)))
    first.close()
    assert player.turns.taken == 1
    assert len(texts(player.run(asked(0.5)))) == 1
    assert len(texts(second)) == 1
    assert player.turns.taken == 0


def test_a_request_that_cannot_be_run_holds_no_place(player: Player) -> None:
    with pytest.raises(InvalidInput):
        next(player.run(asked(0.0, prompt="long " * 5000)))
    assert player.turns.taken == 0


def test_a_stop_takes_effect_within_a_step(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    steps = player_module.steps

    def watched(*given: object) -> Generator:
        for step in steps(*given):  # pyright: ignore[reportArgumentType]
            taken.append(len(step))
            yield step

    monkeypatch.setattr(player_module, "steps", watched)
    events = player.run(asked(0.0, 1.0, new_tokens=50))
    next(events)
    next(events)
    events.close()
    assert len(taken) == 2
    assert list(events) == []


def test_a_rows_end_comes_before_the_next_step(player: Player) -> None:
    """The end of the turn at one strength is told while the other goes on."""
    model = player.model
    events = list(player.run(asked(-2.0, 2.0)))
    tokens = [event for event in events if isinstance(event, Token) and event.row == 0]
    others = {event.id for event in events if isinstance(event, Token) and event.row == 1}
    stop = next(token for token in tokens if token.id not in others)
    model.stop_ids = frozenset({stop.id})
    try:
        events = list(player.run(asked(-2.0, 2.0)))
    finally:
        model.stop_ids = frozenset()
    at = next(index for index, event in enumerate(events) if isinstance(event, Finished))
    before = events[at - 2 : at]
    assert [(event.row, event.position) for event in before if isinstance(event, Token)] == [
        (0, stop.position),
        (1, stop.position),
    ]


def test_a_reply_is_scored_once(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[int] = []
    kind = type(player.axes["cheer"].reward)
    read = kind.__call__
    monkeypatch.setattr(
        kind, "__call__", lambda reward, prompts, replies: scored.append(len(replies)) or read(reward, prompts, replies)
    )
    first, again = (
        {event.row: event.reward for event in player.run(asked(0.0, 0.0, 2.0)) if isinstance(event, Finished)}
        for _ in range(2)
    )
    assert first == again and first[0] == first[1]
    assert sum(scored) == 2
