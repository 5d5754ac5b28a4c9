"""Measures the shipped instant axes on prompts that calibration does not use: `python -m tools.gallery`.

Each is steered to both ends by either slider. What is told of an end, as means over prompts: the reward over the
base's (by alpha, in spreads of the base's own replies), how much nearer the replies are to its description than to the
other, by a sentence encoder that steering never sees, KL, perplexity over the base's, and relevance: how often a reply
is likelier under its own prompt than under each of two others. Three numbers are a mean and its 95 % interval.
What was measured is not measured again.
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playground import calibration, descriptions, metrics, sources
from playground.cards import Estimate
from playground.descriptions import Described
from playground.engine.decode import decode
from playground.engine.methods import PromptContrast, Steering, SteeringVector
from playground.engine.prefix_tree import PrefixTree
from playground.engine.scheduler import Scheduler
from playground.events import Finished, exhaust
from playground.files import write_text
from playground.player import open_model
from playground.rewards.coherence import Coherence
from playground.rewards.relevance import Relevance
from playground.settings import UNSTEERED, Request, Row, Sampling, Sliders, Strength, conversation

FOUND = Path(__file__).with_suffix(".json")
PROMPTS = (
    "What did you do last weekend?",
    "Tell me about your favourite season.",
    "How can I sleep better?",
    "What is a black hole?",
    "Describe your kitchen.",
    "Should I buy a bicycle?",
)
TOKENS, TEMPERATURE, OTHERS = 32, 0.7, 2
ALPHA, CONTROL = (
    tuple(UNSTEERED.to(method.slider, amount) for amount in (1.0, -1.0)) for method in (PromptContrast, SteeringVector)
)
LEAST_RELEVANCE, MOST_PERPLEXITY = 0.9, 1.8


def passes(found: dict[str, Any]) -> bool:
    """Whether both ends of alpha show, by reward and encoder, and replies stay fluent and on their prompt."""
    right, left = (found["ends"][at.in_words()] for at in ALPHA)
    return (
        right["reward"][1] > 0 > left["reward"][2]
        and right["nearer"][0] > left["nearer"][0]
        and min(right["relevance"], left["relevance"]) >= LEAST_RELEVANCE
        and max(right["perplexity"], left["perplexity"]) <= MOST_PERPLEXITY
    )


class Gauge:
    """The model and the encoder, loaded once."""

    def __init__(self) -> None:
        self.model = open_model(sources.DEFAULT)
        self.encoder = Coherence.load(sources.resolve_encoder("minilm", lambda progress: None))

    def measure(self, axis: Described) -> dict[str, Any]:
        """The numbers of one axis, and two replies of each end to look at."""
        fitted, tree = exhaust(calibration.fit(Scheduler(self.model), axis)), PrefixTree()
        contrast = Steering((PromptContrast.of(fitted.contrast),))
        rows = [_row(prompt, number, at) for at in (UNSTEERED, *ALPHA) for number, prompt in enumerate(PROMPTS)]
        by_alpha = self._replies(contrast, rows, tree)
        rewards = calibration.rewarded(self.model, fitted.contrast, rows, by_alpha, tree)
        moved = [_row(prompt, number, at) for at in CONTROL for number, prompt in enumerate(PROMPTS)]
        replies = [*by_alpha, *self._replies(Steering((SteeringVector(fitted.vector),)), moved, PrefixTree())]
        nearer = self._nearer(axis, [reply.text for reply in replies])
        count, ends = len(PROMPTS), dict[str, Any]()
        for place, at in enumerate((*ALPHA, *CONTROL), start=1):
            own = range(place * count, (place + 1) * count)
            found = ends[at.in_words()] = {
                "nearer": _told([nearer[row] - nearer[row % count] for row in own]),
                "kl": _mean([replies[row].kl for row in own]),
                "perplexity": _ratio([replies[row] for row in own], replies[:count]),
                "says": [" ".join(replies[row].text.split()) for row in own[:2]],
            }
            if at in ALPHA:
                found["reward"] = _told([rewards[row] - rewards[row % count] for row in own])
                found["relevance"] = self._relevance([replies[row] for row in own])
        return {"of": axis.address, "scale": fitted.contrast.scale, "ends": ends}

    def _replies(self, steering: Steering, rows: Sequence[Row], tree: PrefixTree) -> list[Finished]:
        request = Request(rows=tuple(rows), sampling=Sampling(temperature=TEMPERATURE), max_new_tokens=TOKENS)
        events = decode(self.model, {"axis": steering}, request, tree)
        return sorted((one for one in events if isinstance(one, Finished)), key=lambda one: one.row)

    def _nearer(self, axis: Described, texts: Sequence[str]) -> list[float]:
        """Cosine with the positive description minus that with the negative one."""
        ends = self.encoder.embed([axis.positive, axis.negative])
        return (self.encoder.embed(texts) @ (ends[0] - ends[1])).tolist()

    def _relevance(self, replies: Sequence[Finished]) -> float:
        found = Relevance(self.model, OTHERS)([conversation(prompt) for prompt in PROMPTS], [r.text for r in replies])
        return _mean(found.tolist())


def _row(prompt: str, seed: int, at: Sliders) -> Row:
    return Row(messages=conversation(prompt), strengths=(Strength(axis="axis", **at.amounts),), seed=seed)


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3)


def _ratio(replies: Sequence[Finished], base: Sequence[Finished]) -> float:
    surprise = [math.log(one.perplexity) - math.log(other.perplexity) for one, other in zip(replies, base, strict=True)]
    return round(math.exp(sum(surprise) / len(surprise)), 2)


def _told(values: Sequence[float]) -> list[float]:
    """Mean, and the interval's ends."""
    found: Estimate = metrics.estimate(values)
    return [round(one, 3) for one in (found.mean, found.low, found.high)]


def known() -> dict[str, dict[str, Any]]:
    """What was measured so far, by the descriptions."""
    return json.loads(FOUND.read_text("utf-8")) if FOUND.exists() else {}


def main() -> None:
    """Measure what is new, and keep what belongs to the gallery."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("names", nargs="*", help="Only these.")
    names = asked.parse_args().names
    gauge = Gauge()
    for name, axis in descriptions.gallery().items():
        if (names and name not in names) or known().get(name, {}).get("of") == axis.address:
            continue
        measured = gauge.measure(axis)
        found = known() | {name: measured}
        kept = {one: found[one] for one in descriptions.gallery() if one in found}
        write_text(FOUND, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        print(f"{name}: {'passes' if passes(found[name]) else 'FAILS'}", flush=True)


if __name__ == "__main__":
    main()
