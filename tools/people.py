"""How many engines so many people need at once, by simulation: each moves a slider now and then, and all share steps.

    python -m tools.people --people 1000 --moves 6 --steps 2=0.018,16=0.041

A move asks for a reply anew and ends the person's former one. All requests of an engine take each step together; a
step takes as long as was measured for so many rows (between two numbers of rows, as a straight line). As many requests
run as an engine has places; the others wait in turn. Nothing is replayed, so that rather too many engines come out.
"""

import argparse
import heapq
import random
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np

PLACES = 16
LONGEST = 4096
"""Engines that are tried at most."""


@dataclass(frozen=True)
class Load:
    """What people ask of one engine, and how long it takes; seconds."""

    people: float
    moves_a_minute: float
    tokens: int
    rows: int
    """Rows of one request: streams that are read."""
    steps: dict[int, float]
    """Seconds of a step by rows."""
    minutes: float = 20.0
    seed: int = 0

    def step_s(self, requests: int) -> float:
        """How long a step of so many requests takes; beyond the last measured number in proportion to the rows."""
        rows, known = requests * self.rows, sorted(self.steps)
        if rows > known[-1]:
            return self.steps[known[-1]] * rows / known[-1]
        return float(np.interp(rows, known, [self.steps[number] for number in known]))


@dataclass
class Waits:
    """Seconds until the first token of each move, and tokens that were written."""

    first: list[float] = field(default_factory=list)
    written: int = 0


def simulate(load: Load) -> Waits:
    """One engine for some minutes."""
    rng, waits = random.Random(load.seed), Waits()
    pace, end = 60 / load.moves_a_minute, load.minutes * 60
    people = max(1, round(load.people))
    moves = [(rng.expovariate(1 / pace), person) for person in range(people)]
    heapq.heapify(moves)
    asked: dict[int, float] = {}  # when each person's present request came; waiting or running
    left: dict[int, int] = {}  # tokens that are to be written
    waiting: deque[int] = deque()
    now = 0.0
    while now < end:
        while moves and moves[0][0] <= now:
            at, person = heapq.heappop(moves)
            heapq.heappush(moves, (at + rng.expovariate(1 / pace), person))
            left.pop(person, None)
            if person not in waiting:
                waiting.append(person)
            asked[person] = at
        while waiting and len(left) < PLACES:
            left[waiting.popleft()] = load.tokens
        if not left:
            now = moves[0][0]
            continue
        now += load.step_s(len(left))
        waits.written += len(left)
        for person in list(left):
            if left[person] == load.tokens:
                waits.first.append(now - asked[person])
            left[person] -= 1
            if not left[person]:
                del left[person]
    waits.first += [now - asked[person] for person in waiting]  # at least so long
    return waits


def engines(load: Load, within_s: float) -> tuple[int, Waits]:
    """The fewest engines among whom the people are divided so that 95 % of moves see a token in time."""
    low, high = 0, 1
    while (found := _divided(load, high)) and np.quantile(found.first, 0.95) > within_s and high < LONGEST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if np.quantile(_divided(load, middle).first, 0.95) > within_s:
            low = middle
        else:
            high = middle
    return high, _divided(load, high)


def _divided(load: Load, number: int) -> Waits:
    return simulate(replace(load, people=load.people / number))


def main() -> None:
    """Print how many engines are needed for several paces of moving."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=float, default=1000)
    parser.add_argument("--moves", default="1,3,6,12", help="slider moves of a person a minute")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rows", type=int, default=2, help="streams of a request")
    parser.add_argument("--steps", default="2=0.018,16=0.041", help="seconds of a step by rows")
    parser.add_argument("--within", type=float, default=1.0, help="seconds until the first token of 95 %% of moves")
    told = parser.parse_args()
    steps = {int(rows): float(seconds) for rows, seconds in (one.split("=") for one in told.steps.split(","))}
    print("moves a minute  engines  people each  first token, median  95 %  tokens/s each")
    for moves in map(float, told.moves.split(",")):
        load = Load(told.people, moves, told.tokens, told.rows, steps)
        number, waits = engines(load, told.within)
        middle, late = np.quantile(waits.first, [0.5, 0.95])
        each = waits.written / load.minutes / 60
        print(f"{moves:14g}  {number:7}  {told.people / number:11.1f}  {middle:19.2f}  {late:4.2f}  {each:13.0f}")


if __name__ == "__main__":
    main()
