"""How long a reply the page asks for: told by how fast this model writes, by a clock of the test's own."""

from collections.abc import Iterator

import pytest

from playground.events import Event, Started
from playground.settings import Request
from playground.ui.play import pace
from tests.ui.fake_player import FakePlayer


def ticking(seconds: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += seconds


@pytest.mark.parametrize(("seconds_a_token", "length"), [(0.01, 128), (0.077, 128), (0.079, 64), (2.0, 64)])
def test_long_replies_where_they_are_written_in_comfort(seconds_a_token: float, length: int) -> None:
    clock, player = ticking(seconds_a_token), FakePlayer()
    assert pace.measured(player, ["extraversion"], lambda: next(clock)) == length
    assert player.closed == 1


def test_a_model_that_ends_at_once_tells_nothing() -> None:
    class Silent(FakePlayer):
        def run(self, request: Request) -> Iterator[Event]:  # type: ignore[override]
            yield Started((1,))

    assert pace.measured(Silent(), [], lambda: 0.0) == pace.SLOW  # type: ignore[arg-type]
