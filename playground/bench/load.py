"""What people get of one model when so many of them ask at once: tokens a second in all, and the wait for the first."""

import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from playground.engine.language_model import LanguageModel
from playground.engine.methods import Steering
from playground.engine.scheduler import Scheduler
from playground.errors import InvalidInput
from playground.events import Token
from playground.settings import Request

MOST_PEOPLE = 256

Seconds = Callable[[], float]


class Wait(NamedTuple):
    """Seconds until the first token: the median, and what 95 of a hundred do not wait longer than."""

    median: float
    p95: float


class Load(NamedTuple):
    """What so many people at once get."""

    people: int
    tokens_per_second: float
    """Of all together, from the first question to the end of the last reply."""
    first_token: Wait


def counts(text: str) -> list[int]:
    """Numbers of people, as `1,8,32`. Raises InvalidInput for anything else, and for more than MOST_PEOPLE."""
    found = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if not all(0 < count <= MOST_PEOPLE for count in found):
        raise InvalidInput(
            f"people: {text!r} is no list of numbers from 1 to {MOST_PEOPLE}.", "Write for example: --people 1,8,32"
        )
    return found


def under_load(model: LanguageModel, axis: Steering, asked: Sequence[Request], rounds: int, clock: Seconds) -> Load:
    """Ask all requests at once, each from a thread of its own, `rounds` times on a scheduler that has rested."""
    scheduler, rates, waits = Scheduler(model), list[float](), list[float]()

    def answered(request: Request) -> tuple[float, int]:
        """When its first token came, and how many came."""
        first, tokens = 0.0, 0
        for step in scheduler.run({"axis": axis}, request):
            found = sum(isinstance(event, Token) for event in step)
            first = clock() if found and not tokens else first
            tokens += found
        return first, tokens

    with ThreadPoolExecutor(len(asked)) as people:
        for _ in range(rounds):
            start = clock()
            told = [one.result() for one in [people.submit(answered, request) for request in asked]]
            rates.append(sum(tokens for _, tokens in told) / (clock() - start))
            waits += [first - start for first, _ in told]
    return Load(len(asked), statistics.median(rates), Wait(statistics.median(waits), _percentile(waits, 95)))


def _percentile(numbers: Sequence[float], percent: int) -> float:
    """The least of the numbers that `percent` of a hundred are not greater than."""
    ordered = sorted(numbers)
    return ordered[-(-percent * len(ordered) // 100) - 1]
