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
    """The grid, and its lines at the same KL."""
    strengths = sorted({0.0, *lab.sizes.both})
    grid = [(alpha, control) for alpha in strengths for control in strengths if (alpha, control) != (0, 0)]
    found = lab.steer(axis, {f"{a:g}, {c:g}": Strength(axis=axis, alpha=a, control=c) for a, c in grid})
    found["0, 0"] = found["base"]
    lines = {name: [found[f"{s * along[0]:g}, {s * along[1]:g}"] for s in strengths] for name, along in LINES.items()}
    furthest = min(numbers.furthest_kl(line) for line in lines.values())
    return {
        "points": [
            {"alpha": alpha, "control": control, **numbers.beside(found[f"{alpha:g}, {control:g}"], found["base"])}
            for alpha, control in grid
        ],
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
        pictures[f"e-{axis}.svg"] = _picture(axis, at["points"])
        rows = [
            [f"{p['alpha']:g}", f"{p['control']:g}", *words.beside(p), f"{p['gain'][0] / max(p['kl'][0], 1e-9):.2f}"]
            for p in at["points"]
        ]
        told = [
            [f"{level['kl']:.2f}", first, words.shown(level["ours"]), second, words.shown(level["theirs"]),
             words.compared(level["difference"])]
            for level in at["same_kl"]
            for first, second in [level["names"]]
        ]  # fmt: skip
        parts += [
            f"### {axis}\n\n![Reward against KL for {axis}](results/e-{axis}.svg)",
            words.table(["alpha", "control", *words.BESIDE, "reward per nat"], rows),
            "At the same KL, reward over base:",
            words.table(["nats per token", "one way", "gains", "another", "gains", "the first is"], told),
        ]
        for level in at["same_kl"][-len(LINES) :]:
            first, second = level["names"]
            claim = f"At {level['kl']:.2f} nats per token {first} gains more reward than {second} ({axis})"
            claims.append(Claim(claim, words.compared(level["difference"], "yes", "no, less")))
    return Section("\n\n".join(parts), claims, pictures)


def _picture(axis: str, points: list[dict[str, Any]]) -> str:
    lines = [
        Line(name, [(0.0, 0.0, 0.0, 0.0), *sorted((p["kl"][0], *p["gain"]) for p in points if _on(p, along))])
        for name, along in LINES.items()
    ]
    others = sorted((p["kl"][0], *p["gain"]) for p in points if not any(_on(p, along) for along in LINES.values()))
    lines += [Line("other", others, joined=False)] if others else []
    chart = drawing.chart(f"{axis}: reward over the base", "KL to the base, nats per token", lines, 0.0)
    return drawing.sheet([chart], f"{axis}: reward against KL for alpha, control and both")


def _on(point: dict[str, Any], along: tuple[int, int]) -> bool:
    """Whether a point lies on a line."""
    furthest = max(point["alpha"], point["control"])
    return (point["alpha"], point["control"]) == (along[0] * furthest, along[1] * furthest)
