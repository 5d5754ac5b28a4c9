"""Estimates in words, tables and verdicts, all computed from the numbers. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from playground.training.recipe import Recipe
from tools.results.numbers import Measured, Told

MISSING = "–"
BESIDE = ("reward over base", "judge prefers it", "KL", "perplexity / base", "diversity / base")
"""The head of the columns that `beside` fills."""


class Claim(NamedTuple):
    """Something a paper found, or we asked, and what was found here."""

    claim: str
    found: str


class Section(NamedTuple):
    """What a finding has to say: Markdown, claims for the summary, and pictures by file name."""

    text: str
    claims: Sequence[Claim]
    pictures: Mapping[str, str] = {}


def shown(estimate: Told | None, percent: bool = False) -> str:
    """Mean with its interval; a dash for what was not measured."""
    if estimate is None:
        return MISSING
    if percent:
        mean, low, high = (f"{100 * number:.0f}" for number in estimate)
        return f"{mean} % ({low} to {high})"
    mean, low, high = (f"{number:.2f}" for number in estimate)
    return f"{mean} ({low} to {high})"


def beside(point: Measured) -> list[str]:
    """The cells under `BESIDE`."""
    return [
        shown(point["gain"]),
        shown(point.get("win_rate"), percent=True),
        *(shown(point.get(name)) for name in ("kl", "perplexity", "varied")),
    ]


def holds(point: Measured) -> bool:
    """Whether perplexity and diversity are within what cards call the tested range."""
    recipe = Recipe()
    return point["perplexity"][0] <= recipe.safe_perplexity and point["varied"][0] >= recipe.safe_diversity


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def direction(difference: Told, up: str = "higher", down: str = "lower", even: str = "not told apart") -> str:
    """`up` or `down` where the interval leaves no doubt, `even` where it holds 0."""
    return up if difference[1] > 0 else down if difference[2] < 0 else even


def compared(difference: Told, up: str = "higher", down: str = "lower", even: str = "not told apart") -> str:
    """The direction with the difference behind it."""
    mean, low, high = difference
    return f"{direction(difference, up, down, even)} ({mean:+.2f}, {low:+.2f} to {high:+.2f})"


def over_half(wins: Told) -> str:
    """Whether a win rate tells anything."""
    word = direction([number - 0.5 for number in wins], "yes", "no, the other way", "not told apart from chance")
    return f"{word}: {shown(wins, percent=True)}"


def listed(items: Sequence[str]) -> str:
    """a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
