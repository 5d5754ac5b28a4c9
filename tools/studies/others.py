"""Makes tests/study/others.json: data sets, and what other programs estimate of them.

python -m tools.studies.others      (takes R with lme4, ordinal, BradleyTerry2 and jsonlite)
"""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from playground.study.crowd import Crowd, Schedules, draw_pairs
from playground.study.model.pairs import Pairs

STRENGTHS = (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
SCRIPT = Path(__file__).with_name("others.R")
KEPT = Path(__file__).parent.parent.parent / "tests" / "study" / "others.json"

_USUAL = {"preferred": 0.8, "spread": 0.4, "sharpness": 1.28, "limit": 1.5, "careless": 0.0}

SETS: dict[str, tuple[int, int, int, dict[str, Any]]] = {
    "well-behaved": (30, 10, 3, {}),
    "well-behaved, without ties": (30, 10, 2, {}),
    "40 pairs, spread 0.8": (25, 40, 2, {"spread": 0.8}),
    "40 pairs, spread 0.8, ties": (25, 40, 3, {"spread": 0.8}),
    "degrees": (30, 15, 7, {}),
    "asymmetric": (30, 15, 3, {"spread": 0.2, "sharpness": 0.5, "above": 6.0}),
    "two camps": (30, 20, 2, {"preferred": 0.1, "second": 1.5, "spread": 0.15}),
    "careless": (30, 15, 2, {"spread": 0.2, "careless": 0.2}),
    "by prompt": (30, 15, 3, {"prompts": 0.4}),
}
"""People, pairs a person, categories of answers, and the crowd."""


def main() -> None:
    """Draw, let R estimate, keep."""
    kept = {name: _estimated(name, number) for number, name in enumerate(SETS)}
    KEPT.write_text(json.dumps(kept, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"Wrote {KEPT}, {KEPT.stat().st_size // 1000} kB.")


def _estimated(name: str, seed: int) -> dict[str, Any]:
    people, pairs, categories, about = SETS[name]
    data = drawn(people, pairs, categories, Crowd(**_USUAL | about), np.random.default_rng(seed))
    place = {strength: number for number, strength in enumerate(STRENGTHS)}
    columns = {
        "person": data.person.tolist(),
        "left": [place[at] for at in data.left.tolist()],
        "right": [place[at] for at in data.right.tolist()],
        "answer": data.answer.tolist(),
    }
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.json", Path(folder) / "found.json"
        given.write_text(json.dumps({"strengths": STRENGTHS, "categories": categories, **columns}))
        subprocess.run(["Rscript", str(SCRIPT), str(given), str(found)], check=True)
        estimates = json.loads(found.read_text())
    return {"strengths": STRENGTHS, "categories": categories, "answers": columns, "estimates": estimates}


def drawn(people: int, pairs: int, categories: int, about: Crowd, rng: np.random.Generator) -> Pairs:
    """Two different strengths at random, of one of twelve prompts; without ties for two categories."""
    left = rng.integers(6, size=(people, pairs))
    right = (left + rng.integers(1, 6, size=left.shape)) % 6
    shown = Schedules(np.array(STRENGTHS)[np.stack([left, right], axis=-1)], rng.integers(12, size=left.shape))
    if categories == 2:
        data = draw_pairs(about.model_copy(update={"tie": 0.0}), shown, rng)
        return Pairs(**vars(data) | {"answer": data.answer // 2, "categories": 2})
    return draw_pairs(about, shown, rng, degrees=categories == 7)


if __name__ == "__main__":
    main()
