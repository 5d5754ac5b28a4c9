"""Simulated people with known preferences answer a study through its real store. Careless ones answer at once."""

import math
import zlib
from collections.abc import Generator

import numpy as np

from playground.errors import InvalidInput
from playground.events import Progress
from playground.study.crowd import Crowd, felt, graded, liking, tops
from playground.study.forms import Answer
from playground.study.model.ordinal import Array
from playground.study.parts import Question
from playground.study.results import words
from playground.study.stimuli import Study
from playground.study.store import OpenTrial, Store

_SECONDS_PER_WORD = 0.25
_STEP_MS = 400.0


class Simulated:
    """One simulated person, drawn from a crowd; `number` tells which camp they are of."""

    def __init__(self, about: Crowd, rng: np.random.Generator, number: int = 0) -> None:
        self.about, self.rng = about, rng
        self.preferred = float(tops(about, number + 1, rng)[-1])
        self.limit = about.limit + self.preferred - about.preferred
        self.sharp = float(np.exp(about.sharpness_spread * rng.standard_normal()))
        self.careless = bool(rng.random() < about.careless)

    def answer(self, study: Study, shown: OpenTrial) -> Answer:
        """This person's answer to a trial."""
        replies = [study.stimuli[option] for option in shown.options]
        read = replies if shown.kind == "pair" else replies[shown.start or 0 :][:1]
        seconds = self._seconds(sum(words(reply.reply) for reply in read))
        at = np.array([reply.strength for reply in replies])
        if shown.kind == "adjustment":
            return self._slide(at, shown.start or 0, seconds)
        task = study.plan.task(shown.task)
        assert task is not None
        degree = int(self.rng.integers(1, 4))
        if self.careless:
            choice = str(self.rng.choice(task.choices))
        elif shown.expected:
            choice = shown.expected
        elif shown.kind == "pair":
            choice, degree = self._pair(at, replies[0].prompt)
        else:
            choice = self._verdict(float(at[shown.start or 0]))
        if choice not in task.choices:  # the choice is forced
            choice = str(self.rng.choice(["left", "right"]))
            degree = 1
        signed = None if choice == "bad" else {"left": -1, "right": 1}.get(choice, 0) * degree
        asked = shown.kind == "pair" and task.degree
        return Answer(choice=choice, degree=signed if asked else None, client_ms=1000 * seconds)

    def respond(self, question: Question) -> str:
        """An answer to one of the study's questions."""
        match question.kind:
            case "choice":
                return str(self.rng.choice(question.accept or question.options))
            case "scale":
                return str(self.rng.choice(question.accept or range(1, question.steps + 1)))
            case "number":
                low, high = question.least, question.most
                return str(self.rng.integers(18 if low is None else int(low), 80 if high is None else int(high) + 1))
            case "text":
                return "simulated"

    def _pair(self, at: Array, prompt: str) -> tuple[str, int]:
        """The choice, and how much better it is."""
        # Everybody meets the same prompt.
        shift = self.about.prompts * np.random.default_rng(zlib.crc32(prompt.encode())).standard_normal()
        own = np.array(self.preferred + shift)
        degree = int(graded(self.about, felt(self.about, own, np.array(self.sharp), at, self.rng)))
        if degree == 0:
            return "bad" if at.min() > self.limit else "tie", 0
        return "right" if degree > 0 else "left", abs(degree)

    def _verdict(self, at: float) -> str:
        noise = self.about.spread / 2 or 0.1
        if at + noise * self.rng.standard_normal() > self.limit:
            return "broken" if at > 2 * self.limit - self.preferred else "strong"
        return "weak" if at + noise * self.rng.standard_normal() < 2 * self.preferred - self.limit else "right"

    def _slide(self, at: Array, start: int, seconds: float) -> Answer:
        liked = self.sharp * liking(self.about, np.array(self.preferred), at) + self.rng.gumbel(size=len(at))
        end = int(self.rng.integers(len(at))) if self.careless else int(liked.argmax())
        way = [*range(start, end, 1 if end > start else -1)[1:], end]
        path = ((0.0, start), *((_STEP_MS * number, place) for number, place in enumerate(way, start=1)))
        return Answer(choice="liked", option=end, path=path, client_ms=1000 * seconds + path[-1][0])

    def _seconds(self, count: int) -> float:
        pace = 0.02 if self.careless else _SECONDS_PER_WORD * math.exp(0.3 * self.rng.standard_normal())
        return 0.3 + pace * count


class Clock:
    """The time of a simulated study: it goes on only while somebody thinks."""

    def __init__(self, start: float) -> None:
        self.now = start

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now


def answer_all(store: Store, clock: Clock, about: Crowd, people: int, seed: int) -> Generator[Progress, None, None]:
    """Let so many simulated people go through a study. Raises InvalidInput if anybody has been there before."""
    if store.enrolled():
        raise InvalidInput(
            "There are people in that database already.", "Simulated people need one of their own: --database."
        )
    plan = store.study.plan
    for number in range(people):
        yield Progress("simulated people", number, people, "people")
        person = Simulated(about, np.random.default_rng([seed, number]), number)
        code = store.enrol(f"simulated-{number}").code
        while True:
            while (place := store.due(code)) is not None:
                asked = plan.asked_at(place)
                store.respond(code, {question.id: person.respond(question) for question in asked}, place)
            shown = store.show(code)
            if shown is None:
                break
            answer = person.answer(store.study, shown)
            clock.now += answer.client_ms / 1000
            store.answer(code, shown.token, f"simulated-{shown.id}", answer)
        store.finish(code)
    yield Progress("simulated people", people, people, "people")
