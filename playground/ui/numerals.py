"""Numbers as a page writes them."""

import math


def side(strength: float) -> str:
    """Towards which pole a strength leads, as the style sheets name it."""
    return "positive" if strength > 0 else "negative" if strength < 0 else "neutral"


def minus(text: str) -> str:
    """A text whose hyphens are true minus signs."""
    return text.replace("-", "−")


def signed(strength: float) -> str:
    """A strength, with no more digits than it has."""
    return minus(f"{strength:g}")


def figure(value: float, digits: int = 2) -> str:
    """A number with so many digits after the point."""
    return minus(f"{value:.{digits}f}")


def big(value: float) -> str:
    """A number that may be very large or infinite."""
    if not math.isfinite(value):
        return "∞"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}" if value < 1e6 else f"{value:.0e}"
