"""`playground bench`: the speed ratios, as one JSON object."""

import json
import warnings
from typing import Annotated

import typer

from playground.cli.options import Device, Dtype, Model
from playground.cli.progress import ProgressPrinter
from playground.errors import InvalidInput
from playground.events import Progress


def bench(
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Measure this alone; repeat.")] = None,
    people: Annotated[
        str | None,
        typer.Option(metavar="N,N,...", help="Instead: a load test of so many people at once, such as 1,8,32."),
    ] = None,
    axis: Annotated[str | None, typer.Option(metavar="NAME", help="An axis by its name or folder.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Try everything out on short replies; measures little.")
    ] = False,
    busy: Annotated[
        bool, typer.Option("--busy", help="Count processor time, for a machine that does other work as well.")
    ] = False,
    model: Model = "smollm2",
    dtype: Dtype = "auto",
    device: Device = "auto",
    as_json: Annotated[  # noqa: ARG001
        bool, typer.Option("--json", help="Print JSON, as this command does in any case.")
    ] = False,
) -> None:
    """Measure the speed against `transformers`, TRL and the memory's bandwidth; print one JSON object.

    Takes about ten minutes; nothing else should run meanwhile.
    """
    import time

    from playground import sources

    sources.check_placement(dtype, device)
    from playground.bench.load import counts

    crowds = None if people is None else counts(people)
    if crowds and only:
        raise InvalidInput("--people and --only measure different things.", "Give one of them.")
    tell = ProgressPrinter(as_json=False)
    sources.resolve(model, tell)
    from playground.bench.ratios import QUICK, Bench, BenchSize
    from playground.player import Player

    clock = time.process_time if busy else time.perf_counter
    bench = Bench(Player.open(model, dtype, tell, device), model, axis, QUICK if quick else BenchSize(), clock)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries it is compared with
        for found in bench.run_load(crowds) if crowds else bench.run(only or ()):
            if isinstance(found, Progress):
                tell(found)
            else:
                print(json.dumps(found, indent=1))
