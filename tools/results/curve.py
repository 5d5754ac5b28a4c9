"""Finding b: what alpha does from -1 to 2.5, where each axis breaks, and merging at the logits or at the embeddings."""

from collections.abc import Sequence
from typing import Any

from playground import metrics
from playground.settings import Strength
from tools.results import drawing, numbers, words
from tools.results.drawing import Line
from tools.results.lab import Lab
from tools.results.numbers import Measured
from tools.results.words import Claim, Section

LEAST_RANK = 0.95
"""Spearman's rank correlation from which a curve is told to rise steadily."""
PANELS = {"gain": "reward over the base", "perplexity": "perplexity / base", "varied": "diversity / base"}


def measure(lab: Lab, axis: str) -> dict[str, Any]:
    """Both curves; merged either way, alpha 0 and 1 are the same."""
    apart = [alpha for alpha in lab.sizes.alphas if alpha not in (0, 1)]
    ways = {f"{alpha:g}": Strength(axis=axis, alpha=alpha) for alpha in lab.sizes.alphas}
    ways |= {f"{alpha:g} merged": Strength(axis=axis, alpha=alpha, merge="embeddings") for alpha in apart}
    found = lab.steer(axis, ways)
    return {
        "logits": [
            {"alpha": alpha, **numbers.beside(found[f"{alpha:g}"], found["base"])} for alpha in lab.sizes.alphas
        ],
        "embeddings": [
            {
                "alpha": alpha,
                **numbers.beside(found[f"{alpha:g} merged"], found["base"]),
                **{
                    f"{name}_over_logits": numbers.gain(found[f"{alpha:g} merged"], found[f"{alpha:g}"], name)
                    for name in ("reward", "kl", "surprise")
                },
            }
            for alpha in apart
        ],
    }


def breaks(points: Sequence[dict[str, Any]]) -> list[float]:
    """The alphas nearest to 0, on either side, at which perplexity or diversity leaves the tested range."""
    outwards = sorted(points, key=lambda point: abs(point["alpha"]))
    broken = [point["alpha"] for point in outwards if not words.holds(point)]
    below, above = [alpha for alpha in broken if alpha < 0], [alpha for alpha in broken if alpha > 0]
    return [*below[:1], *above[:1]]


def tell(found: dict[str, Any]) -> Section:
    """A picture, two tables and where it breaks, for each axis."""
    parts: list[str] = []
    claims: list[Claim] = []
    pictures: dict[str, str] = {}
    for axis, at in found.items():
        pictures[f"b-{axis}.svg"] = _picture(axis, at)
        parts += [
            f"### {axis}\n\n![Reward, perplexity and diversity of {axis} along alpha](results/b-{axis}.svg)",
            _table(at["logits"]),
            _broken(at["logits"]),
            "Merged at the embeddings instead of at the logits:",
            _merging(at["embeddings"]),
        ]
        claims += [*_claims(axis, at["logits"]), _claim_of_merging(axis, at["embeddings"])]
    return Section("\n\n".join(parts), claims, pictures)


def _picture(axis: str, at: dict[str, Any]) -> str:
    def line(name: str, metric: str) -> Line:
        return Line(f"at the {name}", [(p["alpha"], *p[metric]) for p in at[name]], joined=name == "logits")

    panels = [
        drawing.chart(what, "alpha", [line(name, metric) for name in at if at[name]], 0.0 if metric == "gain" else 1.0)
        for metric, what in PANELS.items()
    ]
    return drawing.sheet(panels, f"{axis}: reward, perplexity and diversity by alpha, merged at logits or embeddings")


def _table(points: Sequence[Measured | Any]) -> str:
    head = ["alpha", *words.BESIDE, "coherence"]
    return words.table(head, [[f"{p['alpha']:g}", *words.beside(p), words.shown(p.get("coherence"))] for p in points])


def _broken(points: Sequence[dict[str, Any]]) -> str:
    where = [f"{alpha:g}" for alpha in breaks(points)]
    told = f"leave it at alpha {words.listed(where)}" if where else "stay in it throughout"
    span = f"{points[0]['alpha']:g} to {points[-1]['alpha']:g}"
    return f"Perplexity and diversity, measured from {span} against the limits of a tested range, {told}."


def _merging(points: Sequence[dict[str, Any]]) -> str:
    head = ["alpha", *words.BESIDE, "reward over logits"]
    rows = [[f"{p['alpha']:g}", *words.beside(p), words.compared(p["reward_over_logits"])] for p in points]
    return words.table(head, rows)


def _claims(axis: str, points: Sequence[dict[str, Any]]) -> list[Claim]:
    inside = [point for point in points if abs(point["alpha"]) <= 1]
    alphas = [point["alpha"] for point in inside]
    ranks = {
        name: metrics.spearman(alphas, [point[name][0] for point in inside])
        for name in ("reward", "judge")
        if name in points[0]
    }
    steady = all(rank >= LEAST_RANK for rank in ranks.values())
    shown = words.listed([f"{name} {rank:.2f}" for name, rank in ranks.items()])
    claims = [Claim(f"The effect rises steadily from alpha -1 to 1 ({axis})", f"{'yes' if steady else 'no'}: {shown}")]
    one = next(point for point in points if point["alpha"] == 1)
    if "win_rate" in one:
        told = words.over_half(one["win_rate"])
        claims.append(Claim(f"At alpha 1 the judge prefers the steered reply ({axis})", told))
    best = max((p for p in points if p["alpha"] >= 1 and (words.holds(p) or p is one)), key=lambda p: p["gain"][0])
    clear = best["gain"][1] > one["gain"][2]
    word = "no" if best is one else "yes" if clear else "higher, but the intervals meet"
    told = f"{word}: {best['gain'][0] - one['gain'][0]:+.2f} at alpha {best['alpha']:g}"
    claims.append(Claim(f"Extrapolation gains more reward than alpha 1 while replies hold ({axis})", told))
    return claims


def _claim_of_merging(axis: str, points: Sequence[dict[str, Any]]) -> Claim:
    same = [f"{p['alpha']:g}" for p in points if words.direction(p["reward_over_logits"]) == "not told apart"]
    told = f"not told apart at {len(same)} of {len(points)} alphas"
    fewer = [point for point in points if words.direction(point["surprise_over_logits"]) == "lower"]
    more = [point for point in points if words.direction(point["surprise_over_logits"]) == "higher"]
    fluency = f"perplexity higher at {len(more)}, lower at {len(fewer)}"
    return Claim(f"Merging at the embeddings gives the same reward as at the logits ({axis})", f"{told}; {fluency}")
