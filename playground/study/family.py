"""The secondary tests of a study, and which of them its plan registers as one family. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

PEOPLE, ORDER = "people differ", "answers change from first to last"
COMPARED = ("topics", "conditions", "groups")
MEASURES = ("reward", "KL", "perplexity", "length")
"""What replies are measured by: reward, nats per token to the base model, and log2 of perplexity and of words."""


def differ(what: str) -> str:
    """The name of the test of whether topics, conditions or groups differ."""
    return f"{what} differ"


def equivalent(what: str) -> str:
    """The name of the test of whether they are the same within the margin."""
    return f"{what} are equivalent"


def question(name: str) -> str:
    """The name of the test of whether people differ by their answer to a question."""
    return f"question {name}"


def beside(measure: str) -> str:
    """The name of the test of whether a measure adds to preference beside the strength."""
    return f"{measure} beside the strength"


def of_parts(compared: Iterable[str], margin: bool) -> tuple[str, ...]:
    """The tests of what a study has several of, of equivalence where there is a margin."""
    parts = tuple(compared)
    return (*(differ(what) for what in parts), *(equivalent(what) for what in parts if margin))


def names(questions: Iterable[str], compared: Iterable[str], margin: bool) -> tuple[str, ...]:
    """All tests that a study with these questions, and with such parts to compare, can have."""
    return (
        PEOPLE,
        *of_parts(compared, margin),
        ORDER,
        *(question(name) for name in questions),
        *(beside(measure) for measure in MEASURES),
    )


@dataclass(frozen=True)
class SecondaryTest:
    """One of the secondary tests: its probability, and that adjusted for the family it is registered in.

    `adjusted` is by Holm's method, None for a test outside the family, which is exploratory.
    """

    name: str
    chance: float
    adjusted: float | None


def tests(chances: Mapping[str, float | None], registered: Sequence[str] | None) -> tuple[SecondaryTest, ...]:
    """All tests that could be told. Without a registered family it is all of them.

    What was registered and could not be told still counts in the size of the family.
    """
    known = {name: chance for name, chance in chances.items() if chance is not None and math.isfinite(chance)}
    family = list(known) if registered is None else list(registered)
    adjusted = dict(zip(family, holm([known.get(name, 1.0) for name in family]), strict=True))
    return tuple(SecondaryTest(name, chance, adjusted.get(name)) for name, chance in known.items())


def holm(chances: Sequence[float]) -> list[float]:
    """Probabilities adjusted for how many there are (Holm 1979): none is told too often."""
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    adjusted, highest = [0.0] * len(chances), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[place]))
        adjusted[place] = highest
    return adjusted
