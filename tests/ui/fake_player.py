"""A player without a model: the same shape, made-up words, and a pace a test can choose."""

import hashlib
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from playground import descriptions
from playground.cards import Base, Calibration, Card, Estimate, Point, Poles, SafeRange
from playground.errors import AxisMismatch, InvalidInput
from playground.events import Event, Finished, Occupancy, Progress, Started, Token
from playground.settings import SLIDERS, Request, Row, Sliders
from playground.ui.play.view import Inputs

CALM = "The morning in the office is quiet and slow and I sit at my desk reading a letter while the rain falls on"
LOUD = "The morning in the office is a party and everyone is here laughing and I cannot wait to tell you about all"
SHY = "The lamps are grey and nobody speaks and I would rather stay behind the cabinets and wait until it is"


def wish(start: Inputs | None = None, **change: Any) -> Inputs:
    """Inputs that differ in some fields, or in how far a slider goes, which is given by its name."""
    start = start or Inputs()
    moved = {name: change.pop(name) for name in SLIDERS if name in change}
    return replace(start, at=Sliders.model_construct(**{**start.at.amounts, **moved}), **change)


def curve() -> tuple[Point, ...]:
    def point(alpha: float) -> Point:
        mean = 2.2 * alpha - 0.35 * alpha * abs(alpha)
        return Point(alpha=alpha, control=0, metrics={"reward": Estimate(mean=mean, low=mean - 0.4, high=mean + 0.4)})

    return tuple(point(step / 4) for step in range(-4, 13))


def card(name: str = "extraversion", negative: str = "shy", positive: str = "outgoing") -> Card:
    return Card(
        name=name,
        description="From withdrawn and quiet to talkative and full of energy.",
        poles=Poles(negative=negative, positive=positive),
        base=Base(name="fake", architecture="llama", hidden_size=8, vocab_size=8, tokenizer="0", weights="0"),
        data=(),
        command="playground axis invent",
        recipe={},
        seed=0,
        checks={},
        calibration=Calibration(step_size=0.5, updates=30),
        curve=curve(),
        rises_until=2.0,
        safe_range=SafeRange(alpha=(-1.0, 2.0), control=(-1.0, 1.5)),
        files={},
        version="0",
    )


@dataclass(frozen=True)
class FakeAxis:
    card: Card
    note: str = ""

    def methods_for(self, slider: str) -> list[tuple[str, str]]:
        return [("RE-Control", "re_control"), ("steering vector", "steering_vector")] if slider == "control" else []


WORDS = {name: text.split() for name, text in {"calm": CALM, "loud": LOUD, "shy": SHY}.items()}


class FakePlayer:
    """Words drift from calm to loud with alpha, to shy below 0; row by row in turns, `pace_s` apart."""

    name = "Made-up-1B"
    dtype = "float32"
    occupancy = Occupancy(0, 0, 0)
    context_length = 2048

    def __init__(self, pace_s: float = 0.0, axes: tuple[Card, ...] | None = None) -> None:
        cards = (card(), card("positivity", "gloomy", "cheerful")) if axes is None else axes
        self.damaged: dict[Path, AxisMismatch] = {}
        self.axes = {axis.name: FakeAxis(axis) for axis in cards}
        self.calibrated: dict[str, FakeAxis] = {}
        self.pace_s = pace_s
        self.requests: list[Request] = []
        self.closed = 0

    def client(self, request: object) -> None:
        return None

    def known(self, name: str) -> FakeAxis | None:
        return self.axes.get(name) or self.calibrated.get(name)

    def prepare(self, names: Iterable[str], client: object = None) -> Generator[Progress, None, None]:
        for name in names:
            if self.known(name) is None and (described := descriptions.named(name)) is not None:
                for done in range(4):
                    yield Progress("calibrating", done, 4)
                self.calibrated[name] = FakeAxis(
                    card(described.name, described.poles.negative, described.poles.positive)
                )

    def run(self, request: Request, client: object = None) -> Generator[Event, None, None]:
        self.requests.append(request)
        if any(len(message.content) > 5000 for row in request.rows for message in row.messages):
            raise InvalidInput("The prompt is longer than the context.", "Shorten it.")
        texts = [self.words(row, request.max_new_tokens) for row in request.rows]
        try:
            yield Started(tuple(len(row.messages) * 4 for row in request.rows))
            for position in range(max(map(len, texts))):
                time.sleep(self.pace_s)
                for row, words in enumerate(texts):
                    if position < len(words):
                        kl = abs(self.alpha(request.rows[row])) / 3
                        yield Token(row, position, position, words[position], -1.0, -1.5, kl)
                    if position == len(words) - 1:
                        yield self.finished(row, request.rows[row], words)
        finally:
            self.closed += 1

    @staticmethod
    def alpha(row: Row) -> float:
        return row.strengths[0].alpha + row.strengths[0].control / 2 if row.strengths else 0.0

    def words(self, row: Row, length: int) -> list[str]:
        alpha, heard = self.alpha(row), row.messages[-1].content
        calm, drift = WORDS["calm"], WORDS["loud" if alpha > 0 else "shy"]
        words = []
        for position in range(min(length, 60)):
            k = position % len(calm)
            draw = int(hashlib.sha256(f"{position}{heard}{row.seed}".encode()).hexdigest(), 16) % 100 / 100
            words.append((drift if draw < abs(alpha) else calm)[k % len(drift)] + ("." if k == len(calm) - 1 else ""))
        return [word if index == 0 else f" {word}" for index, word in enumerate(words)]

    def finished(self, row: int, asked: Row, words: list[str]) -> Finished:
        strength = asked.strengths[0] if asked.strengths else None
        alpha, control = (strength.alpha, strength.control) if strength else (0.0, 0.0)
        interval = None if control or not strength else (round(alpha * 5) / 5 - 0.1, round(alpha * 5) / 5 + 0.1)
        reward = 2 * self.alpha(asked) - 0.2 if strength else None
        return Finished(
            row,
            Sliders(alpha=alpha, control=control),
            "".join(words),
            tuple(range(len(words))),
            interval,
            reward,
            abs(self.alpha(asked)) / 3,
            8 + 3 * abs(alpha),
            "length",
            asked.seed,
            asked.strengths,
        )
