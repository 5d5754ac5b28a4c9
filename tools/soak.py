"""Many requests that come, change and stop at random, for minutes: is each told what it is told alone, and does memory
stay flat? Run `python -m tools.soak --minutes 10`.
"""

import argparse
import gc
import random
import resource
import sys
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from playground import sources
from playground.engine.decode import decode
from playground.engine.language_model import LanguageModel
from playground.engine.live_request import Step
from playground.engine.loading import load_model
from playground.engine.methods import CLM, REControl, Steering
from playground.engine.methods.identity_layer import IdentityLayer
from playground.engine.methods.value_function import ValueFunction
from playground.engine.prefix_tree import PrefixTree
from playground.engine.scheduler import Scheduler
from playground.events import Event, Finished, Token
from playground.settings import Request, Row, Sampling, Strength, conversation

PROMPTS = ("Hi.", "How was it?", "Tell me of the sea.", "A prompt of more words than the others have, " * 4)
SAMPLINGS = (Sampling(), Sampling(temperature=0.9), Sampling(temperature=1.2, top_k=40, repetition_penalty=1.2))
AT_ONCE = 8
"""Requests that are under way together at most."""
GROWTH = 32 * 2**20
"""Bytes that the process may grow by once it is warm: what an allocator scatters, far less than a leak of minutes."""
_TREE = 8 * 2**20  # small, so that it is full, and gives up what is old, long before the end


@dataclass
class Soaked:
    """What has happened so far."""

    arrivals: int = 0
    stopped: int = 0
    wrong: int = 0
    """Replies that are other than the same request's alone, or than how that begins where they were stopped."""


def random_axis(model: LanguageModel) -> Steering:
    """A layer and a value function of random weights."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        layer, function = IdentityLayer(model), ValueFunction(model.width, 16).to(model.device).requires_grad_(False)
        for parameter in layer.layer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return Steering((CLM(layer.requires_grad_(False)), REControl(function, 0.3, 4)))


def a_request(chance: random.Random) -> Request:
    """One of a few hundred: a prompt or two, each at a strength that is somewhat different every time."""
    rows = tuple(
        Row(
            messages=conversation(chance.choice(PROMPTS)),
            strengths=(Strength(axis="a", alpha=chance.randrange(-4, 8) / 4, control=chance.choice((0.0, 0.0, 1.0))),),
        )
        for _ in range(chance.choice((1, 1, 1, 2, 5)))
    )
    return Request(rows=rows, sampling=chance.choice(SAMPLINGS), max_new_tokens=chance.randrange(2, 24))


def soak(
    model: LanguageModel, axis: Steering, scheduler: Scheduler, goes_on: Callable[[Soaked], bool], seed: int = 0
) -> Soaked:
    """Ask, read on and leave at random while `goes_on`, then read the rest; a fifth are left before their end.

    `goes_on` is asked before each arrival.
    """
    chance, tree, axes, told = random.Random(seed), PrefixTree(_TREE, _TREE), {"a": axis}, Soaked()
    here: list[tuple[Request, Generator[Step, None, None], list[Event]]] = []
    while goes_on(told) or here:
        if len(here) < AT_ONCE and chance.random() < 0.4 and goes_on(told):
            request = a_request(chance)
            here.append((request, scheduler.run(axes, request, tree if chance.random() < 0.7 else None), []))
            told.arrivals += 1
        if not here:
            continue
        request, steps, events = one = chance.choice(here)
        step = None if chance.random() < 0.01 else next(steps, None)
        if step is not None:
            events += step
            continue
        steps.close()
        here.remove(one)
        ends = sum(isinstance(event, Finished) for event in events)
        told.stopped += ends < len(request.rows)
        alone, ours = texts(decode(model, axes, request)), texts(events)
        told.wrong += any(alone[row][: len(ids)] != ids for row, ids in ours.items())
        told.wrong += ends == len(request.rows) and ours != alone
    return told


def texts(events: Iterable[Event]) -> dict[int, list[int]]:
    """Each row's tokens so far."""
    found: dict[int, list[int]] = {}
    for event in events:
        if isinstance(event, Token):
            found.setdefault(event.row, []).append(event.id)
    return found


def held_bytes() -> int:
    """What this process holds of the machine's memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def main() -> int:
    """Soak for a while, tell each tenth of it; 1 where a reply was wrong or memory grew."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=10.0)
    asked.add_argument("--model", default="tiny")
    options = asked.parse_args()
    model = load_model(sources.resolve(options.model))
    model.stop_ids = frozenset()
    scheduler, axis = Scheduler(model), random_axis(model)
    start, sizes, count = time.monotonic(), list[int](), Soaked()
    for tenth in range(1, 11):
        end = start + tenth * 6 * options.minutes
        found = soak(model, axis, scheduler, lambda _, end=end: time.monotonic() < end, seed=tenth)
        count = Soaked(*(a + b for a, b in zip(vars(count).values(), vars(found).values(), strict=True)))
        sizes.append(held_bytes())
        print(f"{tenth}/10: {count}, {sizes[-1] / 2**20:.0f} MB", flush=True)
    grown = max(sizes[5:]) - max(sizes[:5])
    print(f"The second half grew by {grown / 2**20:.1f} MB over the first.")
    return int(count.wrong > 0 or grown > GROWTH)


if __name__ == "__main__":
    sys.exit(main())
