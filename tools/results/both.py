"""Finding e: what a nat of KL buys with alpha, with control, and with both together."""

from itertools import combinations
from typing import Any

from playground.settings import Strength
from tools.results import drawing, numbers, words
from tools.results.drawing import Line
from tools.results.lab import Lab
from tools.results.words import Claim, Section

LINES = {"alpha": (1, 0), "control": (0, 1), "both alike": (1, 1)}
"""Each line's direction in the plane of alpha and control."""
SHARES = (0.5, 1.0)
"""Where lines are compared: shares of the KL that all of them reach."""


def measure(lab: Lab, axis: str) -> dict[str, Any]:
    """Each line's points, and the lines at the same KL."""
    ways = {
        f"{name} {strength:g}": Strength(axis=axis, alpha=strength * alpha, control=strength * control)
        for name, (alpha, control) in LINES.items()
        for strength in lab.sizes.both
    }
    found = lab.steer(axis, ways)
    lines = {name: [found["base"], *(found[f"{name} {s:g}"] for s in lab.sizes.both)] for name in LINES}
    furthest = min(numbers.furthest_kl(line) for line in lines.values())
    return {
        "lines": {
            name: [
                {"strength": strength, **numbers.beside(found[f"{name} {strength:g}"], found["base"])}
                for strength in lab.sizes.both
            ]
            for name in LINES
        },
        "same_kl": [
            {
                "kl": share * furthest,
                "names": pair,
                **numbers.at_same_kl(lines[pair[0]], lines[pair[1]], share * furthest),
            }
            for share in SHARES
            for pair in combinations(LINES, 2)
        ],
    }


def tell(found: dict[str, Any]) -> Section:
    """Reward against KL, and the lines compared at the same KL."""
    parts: list[str] = []
    claims: list[Claim] = []
    pictures: dict[str, str] = {}
    for axis, at in found.items():
        pictures[f"e-{axis}.svg"] = _picture(axis, at["lines"])
        rows = [
            [name, f"{p['strength']:g}", *words.beside(p), f"{p['gain'][0] / max(p['kl'][0], 1e-9):.2f}"]
            for name, line in at["lines"].items()
            for p in line
        ]
        told = [
            [f"{level['kl']:.2f}", first, words.shown(level["ours"]), second, words.shown(level["theirs"]),
             words.compared(level["difference"])]
            for level in at["same_kl"]
            for first, second in [level["names"]]
        ]  # fmt: skip
        parts += [
            f"### {axis}\n\n![Reward against KL for {axis}](results/e-{axis}.svg)",
            words.table(["line", "strength", *words.BESIDE, "reward per nat"], rows),
            "At the same KL, reward over base:",
            words.table(["nats per token", "one way", "gains", "another", "gains", "the first is"], told),
        ]
        for level in at["same_kl"][-len(LINES) :]:
            first, second = level["names"]
            claim = f"At {level['kl']:.2f} nats per token {first} gains more reward than {second} ({axis})"
            claims.append(Claim(claim, words.compared(level["difference"], "yes", "no, less")))
    return Section("\n\n".join(parts), claims, pictures)


def _picture(axis: str, found: dict[str, Any]) -> str:
    lines = [
        Line(name, [(0.0, 0.0, 0.0, 0.0), *sorted((p["kl"][0], *p["gain"]) for p in points)])
        for name, points in found.items()
    ]
    chart = drawing.chart(f"{axis}: reward over the base", "KL to the base, nats per token", lines, 0.0)
    return drawing.sheet([chart], f"{axis}: reward against KL for alpha, control and both")
