"""`playground sweep`: measured curves over a grid of strengths."""

import json
import shlex
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from playground import files
from playground.cli.fields import of, only, with_fields
from playground.cli.options import Answering, Cluster, encoder_folder
from playground.cli.progress import ProgressPrinter, tell_note
from playground.errors import InvalidInput
from playground.events import Progress, exhaust
from playground.measure.plan import SweepPlan
from playground.serving.hosting import NONE
from playground.settings import SLIDERS

if TYPE_CHECKING:
    from playground.measure.local import LocalMeasurer
    from playground.measure.sweep import Measurer, Sweep


@with_fields(SweepPlan, Answering)
def sweep(
    given: Mapping[str, Any],
    axis: Annotated[str, typer.Option(metavar="NAME", help="An axis by its name or folder.")],
    prompts: Annotated[Path, typer.Option(help="Prompts to reply to: .txt, one a line, or .jsonl, maybe .gz.")],
    out: Annotated[Path, typer.Option(help="A new folder for what is measured; the same again goes on after a stop.")],
    encoder: Annotated[
        str, typer.Option(metavar="NAME", help="minilm, a folder, or none to leave coherence out.")
    ] = "minilm",
    cluster: Cluster = NONE,
) -> None:
    """Measure an axis over strengths, prompts and seeds: replies, points and a chart in a folder."""
    from playground import sources
    from playground.measure import report, sheet
    from playground.measure.local import LocalMeasurer
    from playground.measure.sweep import sweep as run
    from playground.player import Player
    from playground.training.pairs import load_prompts

    how = of(given, Answering)
    sources.check_placement(how.dtype, how.device)
    plan = SweepPlan(axis=axis, prompts=tuple(load_prompts(prompts)), **only(given, SweepPlan))
    print(f"Measuring {plan.in_words()}.", file=sys.stderr)
    tell = ProgressPrinter(as_json=False)
    folder = encoder_folder(encoder, lambda name: sources.resolve_encoder(name, tell))
    player = Player.open(how.model, how.dtype, tell, how.device)
    exhaust(player.prepare([axis]), tell)
    tell_note(axis, player.axis(axis).note)
    command = shlex.join(["playground", *sys.argv[1:]])
    try:
        with _measurer(cluster, how, LocalMeasurer(player, folder)) as measurer:
            steps = run(measurer, plan, out)
            found = exhaust(steps, lambda event: tell(event) if isinstance(event, Progress) else None)
        summary = report.write(found, out, player.name, command)
        safe = player.axis(plan.axis).card.safe_range
        page = sheet.sheet(found.points, f"{axis} on {player.name}", command, safe)
        files.write_text(out / "curve.html", page)
    except OSError as error:
        raise InvalidInput(
            f"The sweep had to stop: {error}.", "Make room on the disk, then run the same command to go on."
        ) from error
    if how.as_json:
        print(json.dumps(summary, indent=1))
    else:
        _print(found, summary, out)


@contextmanager
def _measurer(address: str, how: Answering, here: "LocalMeasurer") -> "Generator[Measurer]":
    """What measures: this process, or a cluster for the length of a `with`."""
    if address == NONE:
        yield here
        return
    from playground.remote.machines import Machines
    from playground.remote.sweeps import ClusterMeasurer

    with Machines.joined(address, how.device) as machines:
        encoder = str(here.encoder) if here.encoder else None
        opened = {"model": how.model, "dtype": how.dtype, "device": how.device, "encoder": encoder}
        yield ClusterMeasurer(machines, here, opened)


def _print(found: "Sweep", summary: dict[str, Any], out: Path) -> None:
    """The points as a table, then what they say and where the rest lies."""
    from playground.measure.findings import longest_line, measured, sentence

    names = measured(found.points)
    print("  ".join([*(f"{name:>7}" for name in SLIDERS), *(f"{name:>10}" for name in names)]))
    for point in found.points:
        means = (f"{point.metrics[name].mean:10.3f}" for name in names)
        print("  ".join([*(f"{amount:7g}" for amount in point.amounts.values()), *means]))
    print()
    for name in ("reward", "judge"):
        if name in names:
            print(sentence(found.points, name, *longest_line(found.points)))
    for line in summary["spearman"]:
        fixed = ", ".join(f"{name} {line[name]:g}" for name in SLIDERS if name != line["along"])
        ranks = ", ".join(f"{name} {line[name]:.2f}" for name in ("reward", "judge") if name in line)
        print(f"Rank correlation with {line['along']} at {fixed}: {ranks}.")
    print(f"In {out}: {', '.join(sorted(path.name for path in out.iterdir() if not path.name.startswith('.')))}")
