"""How often intervals hold the truth and tests reject under their null: `python -m tools.studies.coverage`.

Goes on where it was stopped: each batch of simulated studies is a line of `coverage.jsonl`. When a statistic changes,
take its counts out of the lines, and they are made anew. `--page` only writes
docs/studies-coverage.md from what there is.
"""

import argparse
import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from tools.studies.cells import CELLS, MEASURES, Cell, Study, measure

HERE = Path(__file__).parent
RESULTS = HERE / "coverage.jsonl"
PAGE = HERE.parent.parent / "docs" / "studies-coverage.md"
BATCH = 20

Counts = dict[str, list[float]]
"""By measure: the sum of what held, in how many studies it was told, and of how many it was asked."""


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
                there = done(cell.name, batch)
                missing = tuple(name for name in cell.measures if name not in there)
                if missing:
                    keep(replace(cell, measures=missing), batch)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Wrote {PAGE}.")


def lines() -> Iterator[dict]:
    """What has been simulated so far."""
    if RESULTS.exists():
        yield from (json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines())


def done(cell: str, batch: int) -> set[str]:
    """The measures of a batch that are there."""
    return {name for line in lines() if (line["cell"], line["batch"]) == (cell, batch) for name in line["counts"]}


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
    line: dict[str, Any] = {"cell": cell.name, "batch": batch, "studies": BATCH, "counts": counts}
    line["seconds"] = round(time.process_time() - began, 1)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(line, flush=True)


def summed() -> dict[str, Counts]:
    """Counts by cell and measure."""
    counts: dict[str, Counts] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0, 0.0]))
    for line in lines():
        for name, (held, told) in line["counts"].items():
            counts[line["cell"]][name] = [
                sum(pair) for pair in zip(counts[line["cell"]][name], (held, told, line["studies"]), strict=True)
            ]
    return counts


def page() -> str:
    """The page of what was found."""
    counts = summed()
    told = [
        (cell, name, counts[cell.name][name]) for cell in CELLS for name in cell.measures if name in counts[cell.name]
    ]
    rows = [_row(cell, name, count) for cell, name, count in told]
    verdicts = [_verdict(MEASURES[name][0], count) for _, name, count in told if MEASURES[name][0] != "finds"]
    return _PAGE.format(
        cells=sum(bool(counts[cell.name]) for cell in CELLS),
        studies=int(sum(max(count[2] for count in counts[cell.name].values()) for cell in CELLS if counts[cell.name])),
        seconds=_hours(),
        shown=verdicts.count(_SHOWN),
        chance=verdicts.count(_CHANCE),
        off=verdicts.count(_OFF),
        few=verdicts.count(_FEW),
        all=len(verdicts),
        enough=_ENOUGH,
        rows="\n".join(rows),
    )


_SHOWN, _CHANCE, _OFF, _FEW = "", " (within chance)", " **off**", " (too few yet)"
_ENOUGH = 200


def _interval(count: list[float]) -> tuple[float, float]:
    held, told, _ = count
    return binomtest(round(held), int(told)).proportion_ci(0.95, "wilson")


def _verdict(kind: str, count: list[float]) -> str:
    """Whether a share lies where it should, as far as so many studies tell."""
    held, told, asked = count
    low, high = _ENDS[kind]
    if not told or kind == "finds":
        return ""
    ends = _interval(count)
    if ends[0] > high or ends[1] < low:
        return _OFF
    if asked < _ENOUGH:
        return _FEW
    return _SHOWN if low <= held / told <= high else _CHANCE


def _row(cell: Cell, name: str, count: list[float]) -> str:
    held, told, asked = count
    kind = MEASURES[name][0]
    if not told:
        return f"| {cell.name} | {name} | {_SHOULD[kind]} | – | – | {asked:.0f} | all |"
    low, high = _interval(count)
    verdict, refused = _verdict(kind, count), f"{1 - told / asked:.0%}" if told < asked else ""
    share = f"{held / told:.3f}{verdict}"
    return f"| {cell.name} | {name} | {_SHOULD[kind]} | {share} | {low:.2f} to {high:.2f} | {asked:.0f} | {refused} |"


def _hours() -> str:
    return f"{sum(line['seconds'] for line in lines()) / 3600:.1f}"


_ENDS: Mapping[str, tuple[float, float]] = {
    "interval": (0.92, 0.98),
    "test": (0.03, 0.07),
    "choice": (0.0, 0.05),
    "finds": (-math.inf, math.inf),
}
_SHOULD = {
    "interval": "holds: .92 to .98",
    "test": "rejects: .03 to .07",
    "choice": "told: .05 at most",
    "finds": "finds",
}

_PAGE = """# How far the statistics of studies can be trusted

{studies} simulated studies of {cells} kinds, each analysed as `playground study analyse` does; {seconds} hours of one
core. `python -m tools.studies.coverage` makes this page and goes on where it was stopped.

People like strength x by -1.28 (x - top)^2 log-odds, with logistic noise, ties and a pull to the right side of 0.1, at
six strengths from -0.5 to 2; the mean top is 0.8. Equivalence is tested where the truth lies just at the margin, 0.4.

**What should be.** An interval should hold the truth in .92 to .98 of the studies, a test whose null is true should
reject in .03 to .07. Two groups of people are no test but a choice by BIC, which has no level: where there is one group
it should be told of two in .05 at most. What is only *found* has no range.

**What counts as shown.** A share of so many studies is known but roughly; the interval of chance beside it is Wilson's
95 %, over the studies in which it was told. A share is *shown* to be right with {enough} studies or more, where it lies
in the range itself. Where it lies outside and its interval reaches in, chance may explain it (*within chance*): that is
neither shown nor refuted. Where the whole interval lies outside it is **off**, however few the studies; one in forty is
so by chance alone. Of {all} shares {shown} are shown, {chance} are within chance, {off} are off, and {few} have too few
studies yet.

**What is refused.** The last column tells in how many studies the analysis says that it cannot tell, and the report
why: how people and prompts differ, where a parabola does not fit; a preferred strength, where no curve fits, or where
liking falls more than twelve times as steeply on one side as on the other. Beyond that ratio the few answers on the
steep side drew the top too far: in a trial of 180 studies 9 of 26 such intervals missed. With fewer than 500 pairs a
steep fall on one side mostly passes for a parabola, so that one with two sides leads there whatever its test says, and
nothing is told where that has no top between the strengths shown.

| study | what | should | did | 95 % of chance | studies | refused |
|---|---|---|---|---|---|---|
{rows}
"""


if __name__ == "__main__":
    main()
