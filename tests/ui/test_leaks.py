"""A page that is left open while its dial moves for hours keeps no more than it did after the first minutes."""

import gc
import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from playground import presets
from playground.engine.loading import load_model
from playground.engine.prefix_tree import PrefixTree
from playground.player import Player
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.ui.play.page import PlayPage
from playground.ui.play.view import View
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis
from tests.ui.test_play import inside_a_loop, last, values

FIRST, THEN = 100, 400
"""Moves until everything that is kept within bounds has met them, and moves that must add nothing."""


@pytest.fixture
def player(tmp_path_factory: pytest.TempPathFactory, tiny_folder: FolderOf) -> Player:
    """A tiny model whose memory of earlier replies is small, so that it is full soon."""
    player = Player(load_model(tiny_folder("llama"), name="tiny:llama"))
    player.tree = PrefixTree(200_000, 200_000)
    player.axis(str(make_tiny_axis(tmp_path_factory.mktemp("axes") / "a", tiny_folder("llama"), "extraversion")))
    return player


def kept() -> Counter[str]:
    """How many objects of each kind there are; tensors are among them."""
    gc.collect()
    return Counter(type(one).__qualname__ for one in gc.get_objects())


def moved(page: PlayPage, moves: int, rng: random.Random) -> None:
    """A person moves the dial; now and then amid a reply, and now and then the page is closed."""
    view, person = View(), SimpleNamespace(session_hash=f"{rng.random()}", client=SimpleNamespace(host="here"))
    change: dict[str, Any] = {"max_new_tokens": 3}
    page.ask(person, view, *values(**change))
    for _ in range(moves):
        serving = page.serve(person, view)
        kind = rng.random()
        if kind < 0.1:  # overtaken
            view = next(serving).get(page.widgets.view, view)
            page.moved(person, view, *values(alpha=rng.uniform(-1, 3), **change))
        elif kind < 0.15:  # gone
            next(serving)
            serving.close()
        found, _ = last(page, serving)
        view = found if found.inputs is not None else view
        page.moved(person, view, *values(alpha=rng.uniform(-1, 3), **change))
    page.halt(person)


def test_moves_leave_nothing_behind(player: Player) -> None:
    hosted = LimitedPlayer(player, ServerSettings(model="tiny"))
    page, rng = inside_a_loop(lambda: PlayPage(hosted, presets.read_all())), random.Random(0)
    moved(page, FIRST, rng)
    before = kept()
    moved(page, THEN, rng)
    grown = kept() - before
    assert not {name: more for name, more in grown.items() if more > THEN // 5}
    assert (hosted.in_use()[:3], player.scheduler.under_way) == ((0, 0, 0), 0)
