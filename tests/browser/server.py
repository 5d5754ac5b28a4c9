"""Serves the page for the walks: the tiny model with an axis of random weights, at a pace a person could follow.

Run as `python -m tests.browser.server PORT PACE_S [bare]`; `bare` leaves the axis out.
"""

import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import torch

from playground import sources
from playground.events import Event, Token
from playground.player import Player
from playground.settings import Request
from playground.ui.app import appearance, build
from tests.tiny_axis import make_tiny_axis


class Paced(Player):
    """A player that takes its time, so that there is something to stop."""

    pace_s = 0.0

    def run(self, request: Request) -> Generator[Event, None, None]:
        for event in super().run(request):
            if isinstance(event, Token):
                time.sleep(self.pace_s)
            yield event


def main(port: int, pace_s: float, bare: bool) -> None:
    torch.set_num_threads(1)
    Paced.pace_s = pace_s
    player = Paced.open("tiny")
    player.axes.clear()
    with tempfile.TemporaryDirectory() as folder:
        if not bare:
            player.axis(str(make_tiny_axis(Path(folder) / "cheer", sources.resolve("tiny"))))
        build(player).launch(server_name="127.0.0.1", server_port=port, quiet=True, **appearance())


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:] == ["bare"])
