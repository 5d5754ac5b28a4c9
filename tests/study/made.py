"""A small study made without a model, and people who answer it: what the tests of studies share."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from playground.cards import Base
from playground.events import Event, Finished, Started, exhaust
from playground.settings import Request
from playground.study import building
from playground.study import plan as plans
from playground.study.forms import Answer
from playground.study.plan import StudyPlan
from playground.study.stimuli import Study
from playground.study.store import OpenTrial, Store

BASE = Base(name="made", architecture="none", hidden_size=1, vocab_size=1, tokenizer="t", weights="w")

PLAN = """
format = 1
name = "made"
title = "A made study"
seed = 3
axis = "extraversion"
strengths = [-1.0, 0.0, 1.0, 2.0]
instructions = "Read **both** replies."
practice = 1
contact = "ask@example.org"
[consent]
version = "7"
text = "We store your answers."
[checks]
instructed = 1
gold = 1
broken = 9.0
repeated = 1
[[tasks]]
kind = "pair"
trials = 6
[[tasks]]
kind = "adjustment"
trials = 2
[[tasks]]
kind = "single"
trials = 2
[[tasks]]
kind = "adaptive"
trials = 2
[[prompts]]
id = "try"
text = "Is this practice?"
practice = true
[[prompts]]
id = "work"
text = "Describe your work."
topic = "work"
[[prompts]]
id = "home"
text = "Describe your home."
topic = "home"
[[prompts]]
id = "trip"
text = "Describe a trip."
topic = "home"
[[questions]]
id = "age"
text = "How old are you?"
kind = "number"
[[questions]]
id = "mood"
text = "How are you?"
kind = "scale"
options = ["badly", "well"]
required = true
[[questions]]
id = "remarks"
text = "Anything else?"
[codes]
completed = "C-DONE"
failed = "C-FAILED"
declined = "C-NO"
withdrawn = "C-GONE"
url = "https://pay.example.org/?cc={code}"
"""

SHORT = """
format = 1
name = "short"
title = "A short study"
axis = "extraversion"
strengths = [-1.0, 0.0, 1.0, 2.0]
consent = { version = "1", text = "We store your answers." }
tasks = [{ kind = "pair", trials = 4 }]
prompts = [{ id = "work", text = "Describe your work." }, { id = "home", text = "Describe your home." }]
questions = [{ id = "remarks", text = "Anything else?" }]
codes = { completed = "C-DONE" }
"""


@dataclass
class FakePlayer:
    """Answers every row with a text that tells prompt, seed and strength. Counts the requests it was asked."""

    asked: list[Request] = field(default_factory=list)
    fails_after: int = 10_000
    name: str = "made"
    base: Base = BASE

    def axis(self, name_or_folder: str) -> Any:
        made = {"identity_layer.safetensors": "f"}
        return SimpleNamespace(card=SimpleNamespace(name=name_or_folder, parts=made))

    def run(self, request: Request) -> Generator[Event, None, None]:
        if len(self.asked) >= self.fails_after:
            raise KeyboardInterrupt
        self.asked.append(request)
        yield Started(tuple(3 for _ in request.rows))
        for number, row in enumerate(request.rows):
            strength = row.strengths[0]
            text = (
                f"{row.messages[-1].content} Seed {row.seed}, "
                + "so " * round(2 + strength.alpha + strength.control)
                + "it is."
            )
            yield Finished(
                row=number,
                at=strength.at,
                text=text,
                token_ids=tuple(range(len(text.split()))),
                alpha_interval=None,
                reward=strength.alpha - strength.alpha**2 / 4,
                kl=abs(strength.alpha) / 10,
                perplexity=3.0 + abs(strength.alpha),
                finish_reason="stop",
                seed=row.seed,
                strengths=row.strengths,
            )


def make_study(folder: Path, source: str = PLAN, player: FakePlayer | None = None) -> Study:
    """Build a study into a folder and load it."""
    made_by = player or FakePlayer()
    return exhaust(building.build(plans.parse(source), source, lambda _: made_by, folder))


def plan() -> StudyPlan:
    return plans.parse(PLAN)


def an_answer(shown: OpenTrial, inputs: str | None = None) -> Answer:
    """A valid answer to whatever is shown."""
    if shown.kind == "pair":
        choice = inputs or shown.expected or "left"
        return Answer(choice=choice, degree={"left": -2, "right": 1, "tie": 0}.get(choice), client_ms=9000)
    if shown.kind == "adjustment":
        return Answer(choice="liked", option=1, path=((0.0, 2), (350.5, 1)), client_ms=9000)
    return Answer(choice=inputs or "right", client_ms=9000)


def walk(store: Store, code: str, most: int = 1000, choices: Sequence[str] = ()) -> list[OpenTrial]:
    """Answer up to `most` trials as they come; returns what was shown."""
    seen: list[OpenTrial] = []
    while len(seen) < most:
        shown = store.show(code)
        if shown is None:
            break
        store.answer(code, shown.token, f"key-{shown.token}", an_answer(shown, *choices))
        seen.append(shown)
    return seen
