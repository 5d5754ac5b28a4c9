"""How long a reply the page asks for unless told otherwise: as long as this machine writes in comfort."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing

from playground.events import Token
from playground.serving.handle import EngineHandle
from playground.settings import MAIN, UNSTEERED
from playground.ui.play import present
from playground.ui.play.view import Inputs, View

SLOW, FAST = 64, 128
"""Tokens of a reply where the machine is slow, or nothing is known of it, and where it is fast enough."""

_PATIENCE_S = 10.0
"""So long may the page's replies take, all together."""

_TRIED = 12  # tokens of each reply that are timed
_BEGUN = 2  # after so many, since the first ones are slower


def measured(player: EngineHandle, axes: Sequence[str], clock: Callable[[], float] = time.monotonic) -> int:
    """The length of a reply for this player: the page's usual batch is begun, timed by `clock`, and left."""
    inputs = Inputs(
        prompt="Describe your morning.",
        axis=axes[0] if axes else "",
        at=UNSTEERED.to(MAIN, 0.85),
        max_new_tokens=_TRIED,
    )
    request = present.request(present.begin(View(), inputs))
    assert request is not None  # an empty view has no reply yet
    with closing(player.run(request)) as events:
        times = [clock() for event in events if isinstance(event, Token) and event.row == 0][_BEGUN:]
    return chosen((times[-1] - times[0]) / (len(times) - 1)) if len(times) > 1 else SLOW


def chosen(seconds_per_token: float) -> int:
    """The length at which the page's replies, so many seconds a token all together, are written in comfort."""
    return FAST if seconds_per_token * FAST <= _PATIENCE_S else SLOW
