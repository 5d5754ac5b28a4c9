"""How often intervals hold the truth and tests reject under their null: `python -m tools.studies.coverage`.

Goes on where it was stopped: each batch of simulated studies is a line of `coverage.jsonl`. `--page` only writes
docs/studies-coverage.md from what there is.
"""

import argparse
import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from scipy.stats import binomtest

from tools.studies.cells import CELLS, MEASURES, Cell, Study, measure

HERE = Path(__file__).parent
RESULTS = HERE / "coverage.jsonl"
PAGE = HERE.parent.parent / "docs" / "studies-coverage.md"
BATCH = 20

Counts = dict[str, list[float]]
"""By measure: the sum of what held, and in how many studies it was told."""


def main() -> None:
    """Run, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200, help="simulated studies of each cell")
    parser.add_argument("--only", default="", help="cells whose name contains this")
    parser.add_argument("--page", action="store_true", help="only write the page")
    wanted = parser.parse_args()
    if not wanted.page:
        cells = [cell for cell in CELLS if wanted.only in cell.name]
        for batch in range(wanted.studies // BATCH):
            for cell in cells:
                if (cell.name, batch) not in done():
                    keep(cell, batch)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Wrote {PAGE}.")


def lines() -> Iterator[dict]:
    """What has been simulated so far."""
    if RESULTS.exists():
        yield from (json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines())


def done() -> set[tuple[str, int]]:
    """The batches that are there."""
    return {(line["cell"], line["batch"]) for line in lines()}


def keep(cell: Cell, batch: int) -> None:
    """Simulate one batch and add its line."""
    began, counts = time.process_time(), {name: [0.0, 0] for name in cell.measures}
    for number in range(BATCH):
        study = Study(cell, 1000 * batch + number)
        for name in cell.measures:
            value = measure(study, name)
            if value is not None:
                counts[name][0] += value
                counts[name][1] += 1
    line = {"cell": cell.name, "batch": batch, "studies": BATCH, "counts": counts}
    line["seconds"] = round(time.process_time() - began, 1)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(line, flush=True)


def summed() -> tuple[dict[str, Counts], dict[str, int]]:
    """Counts by cell and measure, and the number of studies of each cell."""
    counts: dict[str, Counts] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0]))
    studies: dict[str, int] = defaultdict(int)
    for line in lines():
        studies[line["cell"]] += line["studies"]
        for name, (held, told) in line["counts"].items():
            counts[line["cell"]][name][0] += held
            counts[line["cell"]][name][1] += told
    return counts, studies


def page() -> str:
    """The page of what was found."""
    counts, studies = summed()
    rows = [
        _row(cell, name, counts[cell.name][name], studies[cell.name])
        for cell in CELLS
        if cell.name in counts
        for name in cell.measures
    ]
    return _PAGE.format(cells=len(counts), studies=sum(studies.values()), seconds=_hours(), rows="\n".join(rows))


def _row(cell: Cell, name: str, count: list[float], studies: int) -> str:
    held, told = count
    kind = MEASURES[name][0]
    if not told:
        return f"| {cell.name} | {name} | {_SHOULD[kind]} | – | – | refused in all {studies} |"
    low, high = binomtest(round(held), int(told)).proportion_ci(0.95, "wilson")
    share, verdict = held / told, ""
    if kind != "finds":
        ends = _ENDS[kind]
        verdict = (
            ""
            if ends[0] <= share <= ends[1]
            else " (within chance)"
            if low <= ends[1] and high >= ends[0]
            else " **off**"
        )
    refused = f"{1 - told / studies:.0%}" if told < studies else ""
    return f"| {cell.name} | {name} | {_SHOULD[kind]} | {share:.3f}{verdict} | {low:.2f} to {high:.2f} | {refused} |"


def _hours() -> str:
    return f"{sum(line['seconds'] for line in lines()) / 3600:.1f}"


_ENDS: Mapping[str, tuple[float, float]] = {
    "interval": (0.92, 0.98),
    "test": (0.03, 0.07),
    "finds": (-math.inf, math.inf),
}
_SHOULD = {"interval": "holds: .92 to .98", "test": "rejects: .03 to .07", "finds": "finds"}

_PAGE = """# How far the statistics of studies can be trusted

{studies} simulated studies of {cells} kinds, each analysed as `playground study analyse` does; {seconds} hours of one
core. `python -m tools.studies.coverage` makes this page and goes on where it was stopped.

People like strength x by -1.28 (x - top)^2 log-odds, with logistic noise, ties and a pull to the right side of 0.1, at
six strengths from -0.5 to 2; the mean top is 0.8. An interval should hold the truth in .92 to .98 of the studies, a
test whose null is true should reject in .03 to .07. The last but one column is what chance leaves open, given so many
studies; the last one tells in how many the analysis refused to say it.

| study | what | should | did | 95 % of chance | refused |
|---|---|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    main()
