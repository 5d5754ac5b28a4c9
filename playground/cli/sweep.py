"""`playground sweep`: measured curves over a grid of strengths."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from playground.cli.fields import with_fields
from playground.cli.options import DEFAULT_MODEL, Dtype, Model, encoder_folder
from playground.cli.progress import ProgressPrinter
from playground.errors import InvalidInput
from playground.events import Progress, exhaust
from playground.measure.plan import SweepPlan, parse_grid

if TYPE_CHECKING:
    from playground.measure.sweep import Sweep
    from playground.player import Player


@with_fields(SweepPlan)
def sweep(
    given: Mapping[str, Any],
    axis: Annotated[str, typer.Option(metavar="NAME", help="An axis by its name or folder.")],
    prompts: Annotated[Path, typer.Option(help="Prompts to reply to: .txt, one a line, or .jsonl, maybe .gz.")],
    out: Annotated[Path, typer.Option(help="A new folder for what is measured; the same again goes on after a stop.")],
    alphas: Annotated[str, typer.Option(metavar="GRID", help="start:end:step, or numbers with commas.")] = "-1:2:0.25",
    controls: Annotated[str, typer.Option(metavar="GRID", help="The same for control.")] = "0",
    encoder: Annotated[
        str, typer.Option(metavar="NAME", help="minilm, a folder, or none to leave coherence out.")
    ] = "minilm",
    model: Model = DEFAULT_MODEL,
    dtype: Dtype = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON instead of a table.")] = False,
) -> None:
    """Measure an axis over alphas, controls, prompts and seeds: replies, points and a chart in a folder."""
    from playground import sources
    from playground.measure import report, sheet
    from playground.player import Player
    from playground.training.pairs import load_prompts

    sources.check_dtype(dtype)
    grid = {"alphas": parse_grid(alphas), "controls": parse_grid(controls)}
    plan = SweepPlan(axis=axis, prompts=tuple(load_prompts(prompts)), **grid, **given)
    print(f"Measuring {plan.in_words()}.", file=sys.stderr)
    tell = ProgressPrinter(as_json=False)
    folder = encoder_folder(encoder, lambda name: sources.resolve_encoder(name, tell))
    player = Player.open(model, dtype, tell)
    command = shlex.join(["playground", *sys.argv[1:]])
    try:
        found = _measure(player, plan, out, folder, tell)
        summary = report.write(found, out, player.name, command)
        safe = player.axis(plan.axis).card.safe_range
        (out / "curve.html").write_text(sheet.sheet(found.points, f"{axis} on {player.name}", command, safe), "utf-8")
    except OSError as error:
        raise InvalidInput(
            f"The sweep had to stop: {error}.", "Make room on the disk, then run the same command to go on."
        ) from error
    if as_json:
        print(json.dumps(summary, indent=1))
    else:
        _print(found, summary, out)


def _measure(player: "Player", plan: "SweepPlan", out: Path, encoder: Path | None, tell: ProgressPrinter) -> "Sweep":
    from playground.measure.sweep import sweep as run

    return exhaust(run(player, plan, out, encoder), lambda event: tell(event) if isinstance(event, Progress) else None)


def _print(found: "Sweep", summary: dict[str, Any], out: Path) -> None:
    """The points as a table, then what they say and where the rest lies."""
    from playground.measure.findings import longest_line, measured, sentence

    names = measured(found.points)
    print("  ".join(["  alpha", "control", *(f"{name:>10}" for name in names)]))
    for point in found.points:
        means = (f"{point.metrics[name].mean:10.3f}" for name in names)
        print("  ".join([f"{point.alpha:7g}", f"{point.control:7g}", *means]))
    print()
    for name in ("reward", "judge"):
        if name in names:
            print(sentence(found.points, name, *longest_line(found.points)))
    for line in summary["spearman"]:
        fixed = "control" if line["along"] == "alpha" else "alpha"
        ranks = ", ".join(f"{name} {line[name]:.2f}" for name in ("reward", "judge") if name in line)
        print(f"Rank correlation with {line['along']} at {fixed} {line[fixed]:g}: {ranks}.")
    print(f"In {out}: {', '.join(sorted(path.name for path in out.iterdir() if not path.name.startswith('.')))}")
