"""`playground study power`: how many people a study needs."""

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from playground.cli.study import Careless, Preferred, Sharpness, Spread
from playground.cli.study_analysis import condition_of, study
from playground.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playground.study.crowd import Crowd
    from playground.study.plan import StudyPlan
    from playground.study.power import SampleSize


def _apart(what: str) -> Any:
    return typer.Option(
        f"--{what}", help=f"How much higher each further one of the {what} is liked best than the one before."
    )


@study.command("power")
def power(
    path: Annotated[Path, typer.Argument(help="The study file, or the folder of a built study.")],
    preferred: Preferred = None,
    spread: Spread = None,
    sharpness: Sharpness = None,
    limit: Annotated[float | None, typer.Option(help="The strength half of them call too strong.")] = None,
    careless: Careless = None,
    prompts: Annotated[
        float | None, typer.Option(help="How far prompts differ in what is liked best, a standard deviation.")
    ] = None,
    topics: Annotated[float | None, _apart("topics")] = None,
    conditions: Annotated[float | None, _apart("conditions")] = None,
    groups: Annotated[float | None, _apart("groups")] = None,
    condition: Annotated[str | None, typer.Option(help="Whose primary outcome. [default: the first]")] = None,
    against: Annotated[
        float | None, typer.Option(help="The strength to be told apart from the primary outcome. [default: nearest 0]")
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
    from playground.study import crowd as crowds
    from playground.study import plan as plans
    from playground.study import power as powers

    plan = plans.load(path / plans.FILE_NAME if path.is_dir() else path)
    given = {"preferred": preferred, "spread": spread, "sharpness": sharpness, "limit": limit, "careless": careless}
    apart = {"prompts": prompts, "topics": topics, "conditions": conditions, "groups": groups}
    about = crowds.crowd(plan, **given, **apart)
    compared = plan.compared[0] if condition is None else condition_of(plan, condition)
    against = min(compared.strengths, key=abs) if against is None else against
    _check(against, width)
    sizes = powers.power(plan, about, _sizes(people), against, studies, seed, compared)
    if not as_json:
        print(_assumed(plan, about))
    _tell(sizes, against, width, as_json)


def _check(against: float, width: float | None) -> None:
    if not math.isfinite(against):
        raise InvalidInput(f"--against is {against}, which is no strength.", "Give a number such as 0.")
    if width is not None and not 0 < width < math.inf:
        raise InvalidInput(f"--width is {width}, which no interval has.", "Give a number above 0, such as 0.2.")


def _assumed(plan: "StudyPlan", about: "Crowd") -> str:
    """What is taken for granted, and what is not covered."""
    from playground.study import power as powers

    limit = plan.analysis is not None and plan.analysis.primary == "too_strong"
    outcome = f"half call {about.limit:.3g} too strong" if limit else f"people like {about.preferred:.3g} best"
    steps = {"prompts": about.prompts, "topics": about.topics, "conditions": about.conditions, "groups": about.groups}
    differ = ", ".join(f"{what} differ by {by:.3g}" for what, by in steps.items() if by or what == "prompts")
    told = (
        f"If {outcome} on average, with a standard deviation of {about.spread:.3g} and a sharpness of "
        f"{about.sharpness:.3g}, {about.careless:.0%} of them read nothing, and {differ}:"
    )
    left_out = powers.not_covered(plan)
    lost = f"\nNot covered, as nothing is assumed of what they ask: {', '.join(left_out)}." if left_out else ""
    return f"{told}{lost}\n"


def _tell(sizes: "Iterator[SampleSize]", against: float, width: float | None, as_json: bool) -> None:
    """Print each number of people until the interval is narrow enough."""
    from playground.study import power as powers

    heads: tuple[str, ...] = ()
    for size in sizes:
        cells = {
            "people": str(size.people),
            "width of the 95 % interval": f"{size.width:.2f}",
            "holds the truth": f"{size.covers:.0%}",
            f"leaves {against:g} out": f"{size.detects:.0%}",
            **{name: f"{share:.0%}" for name, share in size.tests.items()},
        }
        if as_json:
            print(json.dumps(asdict(size)), flush=True)
        elif tuple(cells) != heads:
            heads = tuple(cells)
            print("  ".join(heads))
        if not as_json:
            print("  ".join(text.rjust(len(head)) for head, text in cells.items()), flush=True)
        for line in powers.warnings(size):
            print(f"        {line}", file=sys.stderr)
        if width is not None and size.width <= width:
            if not as_json:
                print(f"\n{size.people} people give an interval of {size.width:.2f}.")
            return
    if width is not None and not as_json:
        print(f"\nNone of these gives an interval of {width:g} or less: ask more of each, or more people.")


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
