"""A GPU that is lent call by call: the same replies from a forked process, refusals in their own words, and its end."""

import sys
from pathlib import Path

import pytest

from playground.engine.loading import load_model
from playground.errors import Busy, InvalidInput
from playground.events import Finished
from playground.player import Player
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.serving.zero_gpu import Pace
from playground.settings import Request, Row, Sampling, Strength, conversation
from tests.conftest import FolderOf
from tests.serving.lent_gpu import Lender
from tests.tiny_axis import make_tiny_axis


def asked(prompt: str = "How was it?", tokens: int = 12) -> Request:
    rows = tuple(
        Row(messages=conversation(prompt), strengths=(Strength(axis="cheer", alpha=alpha),)) for alpha in (0.0, 1.5)
    )
    return Request(rows=rows, sampling=Sampling(temperature=0.8), max_new_tokens=tokens)


@pytest.fixture
def lender(monkeypatch: pytest.MonkeyPatch) -> Lender:
    lender = Lender()
    monkeypatch.setitem(sys.modules, "spaces", lender)
    return lender


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory, tiny_folder: FolderOf) -> Player:
    player = Player(load_model(tiny_folder("llama")))
    folder: Path = tmp_path_factory.mktemp("axes") / "cheer"
    player.axis(str(make_tiny_axis(folder, tiny_folder("llama"))))
    return player


@pytest.fixture
def page(player: Player, lender: Lender) -> LimitedPlayer:
    return LimitedPlayer(player, ServerSettings(zero_gpu=True))


def test_a_forked_process_answers_the_same_even_if_the_engine_was_in_use_as_it_was_forked(
    player: Player, page: LimitedPlayer
) -> None:
    expected = [event for event in Player(player.model, player.axes).run(asked()) if isinstance(event, Finished)]
    with player.scheduler.alone():  # whose lock the copy has as well, with nobody to give it back
        found = [event for event in page.run(asked()) if isinstance(event, Finished)]
    assert found == expected
    assert all(end.reward is not None for end in found)


def test_a_refusal_comes_back_in_its_own_words(page: LimitedPlayer) -> None:
    with pytest.raises(InvalidInput, match="tokens long"):
        list(page.run(asked("☃" * 600)))
    assert page.in_use().requests_answering == 0


@pytest.mark.parametrize("public", [True, False])
def test_what_one_call_calibrated_the_next_finds_and_a_public_page_leaves_nothing_behind(
    player: Player, lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, public: bool
) -> None:
    for variable, folder in (("XDG_CACHE_HOME", "cache"), ("TMPDIR", "temporary")):
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / folder))
    monkeypatch.setattr("tempfile.tempdir", None)  # read anew
    page = LimitedPlayer(player, ServerSettings(zero_gpu=True, public=public))
    along = (Strength(axis="a pirate | a clerk", alpha=1.0),)
    request = Request(rows=(Row(messages=conversation("Hello."), strengths=along),), max_new_tokens=4)
    first = [event for event in page.run(request) if isinstance(event, Finished)]
    kept = list(tmp_path.rglob("card.json"))
    assert [path.relative_to(tmp_path).parts[0] for path in kept] == ["temporary" if public else "cache"]
    monkeypatch.setattr("playground.calibration.calibrate", None)  # is not asked again
    assert [event for event in page.run(request) if isinstance(event, Finished)] == first
    del page
    assert bool(list(tmp_path.rglob("card.json"))) == (not public)


@pytest.mark.parametrize("events", [1, 2, 9])
def test_a_gpu_that_is_taken_back_ends_the_reply_with_one_sentence_and_the_next_is_answered(
    page: LimitedPlayer, lender: Lender, events: int
) -> None:
    lender.kill_after = events
    with pytest.raises(Busy, match="taken back"):
        list(page.run(asked(tokens=400)))
    assert page.in_use().requests_answering == 0
    assert [event.row for event in page.run(asked()) if isinstance(event, Finished)] == [0, 1]


def test_a_gpu_is_borrowed_for_as_long_as_calls_have_taken(page: LimitedPlayer, lender: Lender) -> None:
    for _ in range(2):
        list(page.run(asked()))
    assert lender.durations[0] == 15 + 12 // 8
    assert 1 < lender.durations[1] < 60


def test_the_slower_calls_count_longest() -> None:
    pace = Pace()
    pace.note(start=2.0, step=0.05)
    assert pace.seconds(asked(tokens=100)) == 1 + 2 * (2 + 5)
    pace.note(start=1.0, step=0.01)
    assert pace.seconds(asked(tokens=100)) == 1 + 13  # 2 * (1.8 + 4.5), rounded up
    pace.note(start=4.0, step=0.06)
    assert pace.seconds(asked(tokens=100)) == 1 + 2 * (4 + 6)
    assert pace.seconds(asked(tokens=2000)) == 120
