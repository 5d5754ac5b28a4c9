"""How far long work has come."""

import time

from playground.events import Progress


class ProgressMeter:
    """Turns what is done so far into Progress with rate and time left."""

    def __init__(self, stage: str, total: float, unit: str) -> None:
        self.stage, self.total, self.unit = stage, total, unit
        self.began = time.monotonic()
        self.first: float | None = None

    def __call__(self, done: float, note: str = "") -> Progress:
        """Progress at `done` units; what was done before the first call does not count for the rate."""
        if self.first is None:
            self.first, self.began = done, time.monotonic()
        spent = time.monotonic() - self.began
        rate = (done - self.first) / spent if spent > 0 and done > self.first else None
        left = (self.total - done) / rate if rate else None
        return Progress(self.stage, done, self.total, self.unit, rate, left, note)
