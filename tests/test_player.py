"""Many people at one player: nothing of one request in another, and each is told and scored as if alone."""

import shutil
from collections.abc import Generator, Iterable
from pathlib import Path
from threading import Thread

import pytest

from playground import places
from playground.engine.core import Core
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.errors import AxisMismatch, InvalidInput
from playground.events import Event, Finished, Started, Token
from playground.player import Player
from playground.settings import Request, Row, Strength, conversation
from playground.sources import build_tiny
from tests.tiny_axis import make_tiny_axis


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[LanguageModel, Path]:
    folder = build_tiny(tmp_path_factory.mktemp("model"), "llama")
    axis = make_tiny_axis(tmp_path_factory.mktemp("axis"), folder)
    model = load_model(folder)
    model.stop_ids = frozenset()
    return model, axis


@pytest.fixture
def player(tiny: tuple[LanguageModel, Path]) -> Player:
    model, axis = tiny
    player = Player(model)
    player.axis(str(axis))
    return player


def test_an_axis_that_was_made_on_the_page_goes_by_its_name(
    tiny: tuple[LanguageModel, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page copies commands that name it so."""
    model, axis = tiny
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(AxisMismatch, match="no axis named"):
        Player(model).axis("cheer")
    shutil.copytree(axis, places.own_axes() / "cheer-1a2b")
    player = Player(model)
    assert not player.axes and player.axis("cheer").card.name == "cheer" and "cheer" in player.axes


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


def test_requests_in_threads_are_the_requests_alone(player: Player) -> None:
    requests = [
        asked(*alphas, prompt=prompt) for prompt in ("Hi.", "How are you?") for alphas in ((-1.0, 0.0, 2.0), (0.5,))
    ]
    alone = [texts(Player(player.model, player.axes).run(request)) for request in requests]
    found = in_threads(*(player.run(request) for request in requests))
    assert [texts(events) for events in found] == alone


def test_closing_frees_its_rows_at_once(player: Player) -> None:
    scheduler = player.scheduler
    first, second = player.run(asked(0.0, 2.0)), player.run(asked(1.0, prompt="How are you?"))
    for events in (first, second):
        assert isinstance(next(events), Started)
        assert isinstance(next(events), Token)
    assert (scheduler.under_way, scheduler.running) == (2, 3)
    first.close()
    assert (scheduler.under_way, scheduler.running) == (1, 1)
    assert list(first) == []
    assert len(texts(second)) == 1
    assert (scheduler.under_way, scheduler.running) == (0, 0)


def test_a_request_that_cannot_be_run_holds_no_place(player: Player) -> None:
    with pytest.raises(InvalidInput):
        next(player.run(asked(0.0, prompt="long " * 5000)))
    assert player.scheduler.under_way == 0


def test_one_alone_takes_no_step_that_nobody_asks_for(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a stop takes effect within a step."""
    taken: list[int] = []
    step = Core.step
    monkeypatch.setattr(Core, "step", lambda core: taken.append(1) or step(core))
    events = player.run(asked(0.0, 1.0, new_tokens=50))
    assert isinstance(next(events), Started) and not taken
    while not isinstance(next(events), Token):
        pass
    before = len(taken)
    events.close()
    assert len(taken) == before <= 2, "a look at what is remembered, and the prompt"
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
