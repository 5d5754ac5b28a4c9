"""`playground study`: from a study file to people's answers."""

import json
import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from playground import files
from playground.errors import InvalidInput

if TYPE_CHECKING:
    from playground.study.parts import Condition
    from playground.study.plan import StudyPlan

REPORT, ANALYSIS, SCHEMA = "report.html", "analysis.json", "analysis.schema.json"

study = typer.Typer(help="Ask people which strength they prefer.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The folder that `playground study build` made.")]
Database = Annotated[
    str | None,
    typer.Option(
        envvar="DATABASE_URL",
        help="postgresql://user:password@host/name, or sqlite:///file. [default: study.sqlite in the folder]",
    ),
]


@study.command("serve")
def serve(
    folder: Folder,
    database: Database = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the study.")] = 7870,
    staff_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the staff's page. [default: no such page]")
    ] = None,
    staff_host: Annotated[
        str, typer.Option(help="Address the staff's page listens on; others than this machine's need TLS before it.")
    ] = "127.0.0.1",
    staff_token: Annotated[
        str, typer.Option(envvar="STUDY_STAFF_TOKEN", help="Its password. [default: a new one, printed]")
    ] = "",
    copy_to: Annotated[
        str,
        typer.Option(metavar="OWNER/NAME", help="Copy all answers to this private Hub dataset. [default: no copies]"),
    ] = "",
) -> None:
    """Open a study to people. Runs until Ctrl-C; nothing is lost when it stops."""
    if staff_token and staff_port is None:
        raise InvalidInput("A staff token needs a staff page.", "Add --staff-port, for example --staff-port 7871.")
    url = _url(folder, database)
    from playground.study.web.app import serve as run

    run(folder, url, host, port, staff_port, staff_token, copy_to, staff_host)


@study.command("backup")
def backup(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="The file to write, ending in .zip. It holds people's external ids.")],
    database: Database = None,
) -> None:
    """Write everything a study's database holds into one file, while it may be in use."""
    from playground.study.backup import write

    rows = write(_url(folder, database), out)
    print(f"{rows} rows in {out}. Keep it as safe as the database: it holds what recruiting services call people.")


@study.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `playground study backup` wrote.")],
    folder: Annotated[Path, typer.Option(help="The study's folder.")],
    database: Database = None,
) -> None:
    """Fill an empty database, of either kind, from a backup."""
    from playground.study import stimuli
    from playground.study.backup import read
    from playground.study.database import located, told

    url = _url(folder, database)
    print(f"{read(file, url, stimuli.load(folder))} rows restored into {told(located(url))}.")


@study.command("export")
def export(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="The folder to write the files into.")],
    database: Database = None,
) -> None:
    """Write the answers as CSV and Parquet, with a data dictionary, and as JSON for LLM Comparator."""
    from playground.study import export as exports
    from playground.study import stimuli
    from playground.study.records import Records

    url = answered(folder, database)
    loaded = stimuli.load(folder)
    with Records.open(url, loaded) as records:
        written = exports.write(loaded, records, out)
    print(f"In {out}: {', '.join(file.name for file in written)}.")


@study.command("analyse")
def analyse(
    folder: Folder,
    out: Annotated[Path | None, typer.Option(help="Where to write. [default: analysis in the folder]")] = None,
    exclude: Annotated[
        str | None,
        typer.Option(
            metavar="RULES",
            help="Whom to leave out: failed_check, inconsistent, too_fast, one_sided, unfinished; or none. "
            "[default: as the study file plans, else failed_check,too_fast]",
        ),
    ] = None,
    condition: Annotated[str, typer.Option(help="Which condition, where a study has several.")] = "",
    tasks: Annotated[
        str, typer.Option("--task", metavar="NAMES", help="Which tasks, where a study has several of a kind.")
    ] = "",
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON instead of sentences.")] = False,
) -> None:
    """Say what people prefer: a report as one HTML page, and the numbers as JSON."""
    import platform
    from datetime import UTC, datetime
    from importlib.metadata import version

    from playground import __version__
    from playground.study import analysis, report, results, sentences, stimuli
    from playground.study.records import Records

    url = answered(folder, database)
    loaded = stimuli.load(folder)
    with Records.open(url, loaded) as records:
        table, people = results.main_data(results.long_table(records, loaded), results.people_table(records, loaded))
        flow = results.flow(records)
    rules = None if exclude is None else _rules(exclude)
    compared = _condition(loaded.plan, condition)
    table = results.of_tasks(results.of_condition(table, compared.id), _tasks(loaded.plan, tasks))
    found = analysis.analyse(table, people, compared.strengths, rules, flow, loaded.plan.analysis)
    axis, model = loaded.made_of(compared.id)
    part = "".join(f" --{name} {value}" for name, value in (("condition", condition), ("task", tasks)) if value)
    about = {
        "study": loaded.plan.name,
        "axis": axis,
        "model": model,
        "digest of plan and replies": loaded.digest,
        "replies made with playground": loaded.manifest.version,
        "playground": __version__,
        "Python, numpy, scipy": f"{platform.python_version()}, {version('numpy')}, {version('scipy')}",
        "command": f"playground study analyse {folder}{part} --exclude {','.join(found.rules) or 'none'}",
        "computed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    page = report.page(found, loaded.plan.title, about)
    numbers = json.dumps({"about": about, **found.as_json()}, ensure_ascii=False, indent=1)
    out = out or folder / "analysis" / compared.id / tasks.replace(",", "-")
    replaces = (out / ANALYSIS).exists()
    if (out / REPORT).exists() and not replaces:
        raise InvalidInput(f"{out / REPORT} is there already, and no analysis.", "Choose another folder with --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        files.write_text(out / REPORT, page)
        files.write_text(out / ANALYSIS, f"{numbers}\n")
        files.write_text(out / SCHEMA, json.dumps(analysis.schema(), indent=1) + "\n")
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written: {error.strerror}.", "Choose another place with --out.") from None
    if as_json:
        print(numbers)
        return
    print("\n".join(sentences.summary(found)))
    print(f"In {out}: {REPORT}, {ANALYSIS}, {SCHEMA}{', replacing the earlier ones' if replaces else ''}.")


def _tasks(plan: "StudyPlan", names: str) -> list[str]:
    """The names of tasks, at most one of a kind: two ask two questions, which are no one answer."""
    chosen = [name.strip() for name in names.split(",") if name.strip()] or [task.name for task in plan.tasks]
    found = [task for task in plan.tasks if task.name in chosen]
    lost = next((name for name in chosen if plan.task(name) is None), None)
    if lost is not None:
        raise InvalidInput(f"The study has no task {lost!r}.", f"It has {', '.join(one.name for one in plan.tasks)}.")
    for kind in {task.kind for task in found}:
        several = [task.name for task in found if task.kind == kind]
        if len(several) > 1:
            raise InvalidInput(
                f"The study has several tasks of kind {kind}: {', '.join(several)}.", f"Choose: --task {several[0]}"
            )
    return chosen


def _condition(plan: "StudyPlan", name: str) -> "Condition":
    """The condition of this name."""
    found = next((one for one in plan.compared if one.id == name), None)
    if found is None:
        names = ", ".join(one.id for one in plan.compared if one.id)
        hint = f"Choose one of {names} with --condition." if names else "Leave --condition out."
        raise InvalidInput(f"The study has no condition {name!r}.", hint)
    return found


def _rules(text: str) -> list[str]:
    """The names of rules, however they are written; none names no rule."""
    rules = [rule.strip().casefold().replace("-", "_") for rule in text.split(",") if rule.strip()]
    return [] if rules == ["none"] else rules


Preferred = Annotated[
    float | None, typer.Option(help="The strength people like best on average. [default: a little above the middle]")
]
Spread = Annotated[
    float | None, typer.Option(help="How far people differ in that, a standard deviation. [default: moderate]")
]
Sharpness = Annotated[
    float | None, typer.Option(help="Log-odds lost one unit away from one's own strength. [default: moderate]")
]


Careless = Annotated[float | None, typer.Option(help="The share who do not read. [default: 0.05]")]


@study.command("simulate")
def simulate(
    folder: Folder,
    people: Annotated[int, typer.Option(min=1, max=10_000, help="How many take part.")] = 50,
    preferred: Preferred = None,
    spread: Spread = None,
    sharpness: Sharpness = None,
    limit: Annotated[float | None, typer.Option(help="The strength half of them call too strong.")] = None,
    careless: Careless = None,
    seed: Annotated[int, typer.Option(min=0, help="Fixes who they are.")] = 0,
    database: Annotated[
        str | None, typer.Option(help="An empty one of their own. [default: simulated.sqlite in the folder]")
    ] = None,
) -> None:
    """Let simulated people with known preferences answer a study, to try everything out before anybody real does."""
    import time

    from playground.study import crowd, stimuli
    from playground.study import simulate as simulated
    from playground.study.store import Store

    url = _url(folder, database, "simulated.sqlite")
    loaded = stimuli.load(folder)
    given = {"preferred": preferred, "spread": spread, "sharpness": sharpness, "limit": limit, "careless": careless}
    about = crowd.crowd(loaded.plan, **given)
    clock = simulated.Clock(time.time())
    with Store.open(url, loaded, clock, durable=False) as store:
        for progress in simulated.answer_all(store, clock, about, people, seed):
            if progress.done % 10 == 0:
                print(f"{progress.done:g} of {progress.total:g} people", file=sys.stderr)
    print(
        f"{people} simulated people answered. On average they like {about.preferred:g} best (standard deviation "
        f"{about.spread:g}), and half call {about.limit:g} too strong.\n"
        f"Now: playground study analyse {shlex.quote(str(folder))} --database {shlex.quote(url)}"
    )


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


def answered(folder: Path, database: str | None) -> str:
    """The address of a database that is there; none is made."""
    url = _url(folder, database)
    if database is None and not (folder / "study.sqlite").is_file():
        raise InvalidInput(
            f"Nobody has answered yet: there is no {folder / 'study.sqlite'}.",
            "Open the study with playground study serve, or name another with --database.",
        )
    return url


def _url(folder: Path, database: str | None, file: str = "study.sqlite") -> str:
    """The address of a study's database: the one given, or a file in its folder."""
    from playground.study import database as databases
    from playground.study import plan

    if not (folder / plan.FILE_NAME).is_file():
        raise InvalidInput(f"{folder} is no built study.", "Make one with: playground study build")
    address = database or databases.sqlite_url((folder / file).absolute())
    return databases.located(address).render_as_string(hide_password=False)
