"""Writes into docs/axes.md what the cards of the shipped axes say: python -m tools.axes_page

The page's prose is written by hand; what stands between two markers is made here, and a test compares the two.
"""

import math
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from playground import cards
from playground.cards import Card, Estimate
from playground.settings import SLIDERS
from playground.ui.axes import examples

PAGE = Path(__file__).parent.parent / "docs" / "axes.md"

JUDGES = {"words": "words", "sentiment": "sentiment (VADER)", "length": "tokens"}

BASE = (0.0, 0.0)

SHOWN = {"alpha 1": (1.0, 0.0), "alpha 1.25": (1.25, 0.0), "control 1": (0.0, 1.0)}
"""The strengths of the tables, as (alpha, control)."""


def number(value: float) -> str:
    """A number with two decimals, without the zero before the point; whole numbers stay whole."""
    if value == round(value):
        return f"{value:.0f}"
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


def interval(estimate: Estimate) -> str:
    """A mean with its 95 % interval."""
    return f"{number(estimate.mean)} ({number(estimate.low)} to {number(estimate.high)})"


def at(card: Card, strength: tuple[float, float], metric: str) -> Estimate:
    """What was measured of a metric at one (alpha, control). Raises KeyError where nothing was."""
    return {(point.alpha, point.control): point.metrics for point in card.curve}[strength][metric]


def perplexity(card: Card, strength: tuple[float, float]) -> str:
    """Perplexity over the base's, by the means of its logarithm, as the tested range is read."""
    risen = at(card, strength, "surprise").mean - at(card, BASE, "surprise").mean
    return f"x{math.exp(risen):.2f}"


def diversity(card: Card, strength: tuple[float, float]) -> str:
    """Diversity over the base's."""
    return f"x{at(card, strength, 'diversity').mean / at(card, BASE, 'diversity').mean:.2f}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def axes(shipped: list[Card]) -> str:
    """Which axes there are, what judges them, on how many prompts and tokens, and how far each was tested."""
    heads = ["axis", "from", "to", "judge", "prompts", "tokens", "tested alpha", "tested control"]
    rows = [
        [
            f"[{card.name}](#{card.name})", card.poles.negative, card.poles.positive,
            JUDGES[card.judge.kind] if card.judge else "none",
            str(card.recipe["measured_prompts"]), str(card.recipe["measured_tokens"]),
            *(f"{low:g} to {high:g}" for low, high in map(card.safe_range.of, SLIDERS)),
        ]
        for card in shipped
    ]  # fmt: skip
    return table(heads, rows)


def measured(shipped: list[Card]) -> str:
    """What each axis reaches at three strengths and what that costs."""
    heads = ["axis", "strength", "wins", "perplexity", "diversity", "KL", "coherence", "the base's"]
    rows = [
        [
            card.name, name, interval(at(card, strength, "win_rate")),
            perplexity(card, strength), diversity(card, strength),
            *(number(at(card, strength, metric).mean) for metric in ("kl", "coherence")),
            number(at(card, BASE, "coherence").mean),
        ]
        for card in shipped
        for name, strength in SHOWN.items()
    ]  # fmt: skip
    return table(heads, rows)


def section(card: Card) -> str:
    """One axis: what it is, the command that asks it, three replies, and how it was made."""
    parts = [f"### {card.name}", card.description]
    example = examples.of(card)
    if example is not None:
        asked = [f"--alpha {alpha:g}" for alpha, _ in example.replies]
        command = f"playground generate {shlex.quote(example.prompt)} --axis {card.name} {' '.join(asked)}"
        replies = [[f"{alpha:g}", " ".join(text.split())] for alpha, text in example.replies]
        parts += [f"```sh\n{command}\n```", table(["alpha", example.prompt], replies)]
    data = "; ".join(f"{one.name} ({one.licence})" for one in card.data)
    by_hand = f"\n\nBy hand: {card.by_hand}" if card.by_hand else ""
    agrees = (
        f"Its judge agrees with {card.judge.agreement:.0%} of {card.judge.pairs} labelled pairs. " if card.judge else ""
    )
    parts.append(
        f"{agrees}Control 1 is {card.calibration.updates} updates of step size {card.calibration.step_size:g}."
    )
    made = f"```sh\n{card.command}\n```\n\nData: {data}. The weights: {card.licence}.{by_hand}"
    parts.append(f"<details markdown><summary>How it was made</summary>\n\n{made}\n\n</details>")
    return "\n\n".join(parts)


def sections(shipped: list[Card]) -> str:
    """All axes, one after the other."""
    return "\n\n".join(map(section, shipped))


BLOCKS: dict[str, Callable[[list[Card]], str]] = {"axes": axes, "measured": measured, "sections": sections}


def filled(page: str) -> str:
    """The page with each marked block made anew from the cards. Raises KeyError for a block that nothing makes."""
    shipped = list(cards.shipped().values())
    pattern = re.compile(r"(<!-- cards: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]](shipped)}\n\n{found[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
