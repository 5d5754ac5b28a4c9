"""`playground study power`: how many people a study needs."""

import json
import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from playground.cli.study import Careless, Preferred, Sharpness, Spread
from playground.cli.study_analysis import study
from playground.errors import InvalidInput


@study.command("power")
def power(
    path: Annotated[Path, typer.Argument(help="The study file, or the folder of a built study.")],
    preferred: Preferred = None,
    spread: Spread = None,
    sharpness: Sharpness = None,
    careless: Careless = None,
    prompts: Annotated[
        float | None, typer.Option(help="How far prompts differ in what is liked best, a standard deviation.")
    ] = None,
    against: Annotated[
        float | None, typer.Option(help="The strength to be told apart from the preferred one. [default: nearest 0]")
    ] = None,
    width: Annotated[
        float | None, typer.Option(help="Stop at the first number of people whose interval is this wide or less.")
    ] = None,
    people: Annotated[
        str, typer.Option(metavar="NUMBERS", help="Numbers of people to try, with commas.")
    ] = "20,30,50,75,100,150,200,300",
    studies: Annotated[int, typer.Option(min=20, max=10_000, help="Simulated studies of each.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Fixes the chance in it.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Say how many people a study needs, from simulated people who meet its own schedules."""
    from dataclasses import asdict

    from playground.study import crowd as crowds
    from playground.study import plan as plans
    from playground.study import power as powers

    plan = plans.load(path / plans.FILE_NAME if path.is_dir() else path)
    given = {"preferred": preferred, "spread": spread, "sharpness": sharpness, "careless": careless, "prompts": prompts}
    about = crowds.crowd(plan, **given)
    against = min(plan.strengths, key=abs) if against is None else against
    if not math.isfinite(against):
        raise InvalidInput(f"--against is {against}, which is no strength.", "Give a number such as 0.")
    if width is not None and not 0 < width < math.inf:
        raise InvalidInput(f"--width is {width}, which no interval has.", "Give a number above 0, such as 0.2.")
    sizes = _sizes(people)
    if not as_json:
        print(
            f"If people like {about.preferred:.3g} best on average, with a standard deviation of {about.spread:.3g} "
            f"and a sharpness of {about.sharpness:.3g}, {about.careless:.0%} of them read nothing, and prompts differ "
            f"by {about.prompts:.3g}:\n\n"
            f"people  width of the 95 % interval  holds the truth  leaves {against:g} out  people differ"
        )
    for size in powers.power(plan, about, sizes, against, studies, seed):
        if as_json:
            print(json.dumps(asdict(size)), flush=True)
        else:
            shares = f"{size.covers:15.0%}  {size.detects:{12 + len(f'{against:g}')}.0%}  {size.differ:13.0%}"
            print(f"{size.people:6}  {size.width:26.2f}  {shares}", flush=True)
        for line in powers.warnings(size):
            print(f"        {line}", file=sys.stderr)
        if width is not None and size.width <= width:
            if not as_json:
                print(f"\n{size.people} people give an interval of {size.width:.2f}.")
            return
    if width is not None and not as_json:
        print(f"\nNone of these gives an interval of {width:g} or less: ask more pairs of each, or more people.")


def _sizes(text: str) -> list[int]:
    try:
        sizes = sorted({int(one) for one in text.split(",")})
    except ValueError:
        sizes = []
    if not sizes or not 5 <= sizes[0] <= sizes[-1] <= 2000:
        raise InvalidInput(
            f"These are no numbers of people: {text!r}.", "Give some from 5 to 2000, such as --people 50,100,200."
        )
    return sizes
