"""Numbers in sentences. Pure."""

from playground.cards import Estimate
from playground.study.described import Result

SURE = 0.05
"""Below this chance a difference is told as one."""


def number(value: float) -> str:
    """Two places, and no minus before a zero."""
    return f"{round(value, 2) + 0.0:.2f}"


def interval(found: Estimate) -> str:
    """The interval of an estimate."""
    return f"95 % interval {number(found.low)} to {number(found.high)}"


def percent(found: Estimate) -> str:
    """A share with its interval."""
    return f"{found.mean:.0%} ({found.low:.0%} to {found.high:.0%})"


def chance(p: float) -> str:
    """A p-value."""
    return "p ≤ 0.001" if p <= 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def count(many: int, one: str, more: str = "") -> str:
    """A number with its noun."""
    return f"{many} {one if many == 1 else more or one + 's'}"


def ends(found: Estimate) -> str:
    """The ends of an interval."""
    return f"{number(found.low)} to {number(found.high)}"


def both(found: Result[Estimate]) -> str:
    """An estimate with its interval, or a dash."""
    one = found.value
    return "–" if one is None else f"{number(one.mean)} ({number(one.low)} to {number(one.high)})"
