"""Serves the page for the walks: the tiny model with an axis of random weights, at a pace a person could follow.

Run as `python -m tests.browser.server PORT PACE_S [bare|recorded]`; `bare` leaves the axis out, `recorded` adds a
second one and a recording of the first preset. PLAYGROUND_ variables count as they do for the real page; axes are made
by the smallest of trainings. As long as the file that HELD_BY names exists, every step takes a second, so that a reply
of hundreds of tokens does not end before a walk has looked at it, however slow the browser is.
"""

import os
import sys
import tempfile
import time
from collections.abc import Generator, Hashable
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from playground import places, presets, sources
from playground.engine.live_request import Step
from playground.engine.scheduler import Scheduler
from playground.events import Event, Token
from playground.player import Player
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.settings import Request
from playground.training.jobs import TrainingJobs
from playground.ui.app import appearance, build
from playground.ui.play import recordings
from tests.tiny_axis import make_tiny_axis

SMALLEST = {
    "pairs": 16, "samples": 1, "invent_tokens": 8, "steps": 4, "check_every": 2, "guard_prompts": 2, "rollouts": 32,
    "reply_tokens": 8, "hidden": 8, "value_epochs": 2, "updates": 2, "step_factors": [1], "climb_steps": 2,
    "measured_prompts": 3, "measured_tokens": 8, "alphas": [-1, 0, 1], "controls": [1], "scale_prompts": 4,
}  # fmt: skip


class Held(Scheduler):
    """A scheduler whose steps take a second each for as long as a file exists."""

    by: Path | None = None

    def run(self, *asked: Any, **more: Any) -> Generator[Step, None, None]:
        with closing(super().run(*asked, **more)) as steps:
            for step in steps:
                yield step
                until = time.monotonic() + 1
                while self.by and self.by.exists() and time.monotonic() < until:
                    time.sleep(0.01)


class Paced(Player):
    """A player that takes its time, so that there is something to stop, and tells of each request that was left."""

    pace_s = 0.0

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.scheduler = Held(self.model)

    def run(self, request: Request, client: Hashable = None) -> Generator[Event, None, None]:
        written = 0
        try:
            with closing(super().run(request, client)) as events:
                for event in events:
                    if isinstance(event, Token):
                        written += 1
                        time.sleep(self.pace_s)
                    yield event
        except GeneratorExit:
            print(f"left after {written} tokens, {self.scheduler.under_way} go on", flush=True)  # noqa: T201
            raise


def record(player: Player, folder: Path) -> None:
    """Answer the first preset as the command does that records the shipped ones."""
    preset = presets.read_all()[0].model_copy(update={"axis": "cheer"})
    cards = {name: axis.card for name, axis in player.axes.items()}
    recordings.write(recordings.record(player, player.name, cards, preset), folder)
    recordings.OPENING = folder


def main(port: int, pace_s: float, kind: str) -> None:
    torch.set_num_threads(1)
    Paced.pace_s = pace_s
    if "HELD_BY" in os.environ:
        Held.by = Path(os.environ["HELD_BY"])
    hosting = ServerSettings.read(os.environ, model="tiny", dtype="float32")
    player = Paced.open(hosting.model, hosting.dtype)
    player.axes.clear()
    with tempfile.TemporaryDirectory() as folder:
        if kind != "bare":
            player.axis(str(make_tiny_axis(Path(folder) / "cheer", sources.resolve("tiny"))))
        if kind == "recorded":
            player.axis(str(make_tiny_axis(Path(folder) / "noise", sources.resolve("tiny"), name="noise", seed=1)))
            record(player, Path(folder) / "opening.jsonl")
        recipe = [word for name, value in SMALLEST.items() for word in ("--set", f"{name}={value}")]
        jobs = TrainingJobs(places.data_directory() / "axes", hosting.model, hosting.dtype, recipe)
        page = build(LimitedPlayer(player, hosting), jobs)
        page.launch(server_name="127.0.0.1", server_port=port, quiet=True, **appearance(hosting))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), *(sys.argv[3:] or [""]))
