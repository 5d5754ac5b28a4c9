"""Where a reply's text ends by a stop string, whatever tokens it comes in."""

from collections.abc import Sequence


def stop_at(text: str, stops: Sequence[str], start: int = 0) -> int | None:
    """Where the stop string begins that is complete first, the longest of those that end together; None without any.

    What stands before `start` is known to hold none.
    """
    found = [(begin + len(stop), begin) for stop in stops if (begin := text.find(stop, start)) >= 0]
    return min(found)[1] if found else None


def held_back(text: str, stops: Sequence[str]) -> int:
    """How many letters at the end of a text are how a stop string begins."""
    return max((size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size])), default=0)
