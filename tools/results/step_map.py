"""Finding d: reward, diversity and perplexity over step sizes and numbers of updates."""

from typing import Any

from playground.settings import Strength
from tools.results import drawing, numbers, words
from tools.results.lab import Lab
from tools.results.words import Claim, Section

PANELS = {"gain": "reward over the base", "varied": "diversity / base", "perplexity": "perplexity / base"}


def measure(lab: Lab, axis: str) -> dict[str, Any]:
    """A map; step sizes are multiples of the calibrated one, which is what control multiplies."""
    calibration = lab.player.axes[axis].card.calibration
    cells = [(size, updates) for updates in lab.sizes.updates for size in lab.sizes.step_sizes]
    ways = {
        f"{size:g} x {updates}": Strength(
            axis=axis, control=size, updates=None if updates == calibration.updates else updates
        )
        for size, updates in cells
    }
    found = lab.steer(axis, ways)
    return {
        **calibration.model_dump(),
        "cells": [
            {"size": size, "count": updates, **numbers.beside(found[f"{size:g} x {updates}"], found["base"])}
            for size, updates in cells
        ],
    }


def tell(found: dict[str, Any]) -> Section:
    """Three coloured grids for each axis; where the top lies and what breaks."""
    parts: list[str] = []
    claims: list[Claim] = []
    pictures: dict[str, str] = {}
    for axis, at in found.items():
        cells = at["cells"]
        pictures[f"d-{axis}.svg"] = _picture(axis, cells)
        head = ["step size / calibrated", "updates", *words.BESIDE]
        rows = [[f"{cell['size']:g}", str(cell["count"]), *words.beside(cell)] for cell in cells]
        top = max(cells, key=lambda cell: cell["gain"][0])
        far = max(cells, key=lambda cell: cell["size"] * cell["count"])
        broken = [cell for cell in cells if not words.holds(cell)]
        parts += [
            f"### {axis}\n\n![Step size by updates for {axis}](results/d-{axis}.svg)",
            words.table(head, rows),
            f"The calibrated step size is {at['step_size']:g} at {at['updates']} updates. Reward is highest at "
            f"{top['size']:g} times that and {top['count']} updates, {words.shown(top['gain'])} over the base. "
            f"{len(broken)} of {len(cells)} cells leave the tested range. At the furthest, {far['size']:g} times and "
            f"{far['count']} updates, reward is {words.shown(far['gain'])} over the base, perplexity "
            f"{far['perplexity'][0]:.2f} and diversity {far['varied'][0]:.2f} of the base's.",
        ]
        fell = far["gain"][2] < top["gain"][1]
        verdict = "not within this map"
        if far in broken:
            verdict = "yes" if fell else "the replies, but not the reward"
        claims.append(Claim(f"Too large a step destroys the reply ({axis})", verdict))
    return Section("\n\n".join(parts), claims, pictures)


def _picture(axis: str, cells: list[dict[str, Any]]) -> str:
    sizes = sorted({cell["size"] for cell in cells})
    counts = sorted({cell["count"] for cell in cells}, reverse=True)
    places = {(cell["size"], cell["count"]): cell for cell in cells}
    labels = [f"{size:g}" for size in sizes], [str(count) for count in counts]
    panels = [
        drawing.grid(
            heading, "step size / calibrated", "updates", *labels,
            [[places[size, count][name][0] for size in sizes] for count in counts],
        )
        for name, heading in PANELS.items()
    ]  # fmt: skip
    return drawing.sheet(panels, f"{axis}: reward, diversity and perplexity by step size and updates")
