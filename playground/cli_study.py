"""`playground study`: from a study file to people's answers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from playground.errors import InvalidInput
from playground.events import Progress, to_json

if TYPE_CHECKING:
    from playground.study.plan import Plan

study = typer.Typer(help="Ask people which strength they prefer.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The folder that `playground study build` made.")]
Database = Annotated[
    str | None,
    typer.Option(
        envvar="DATABASE_URL",
        help="postgresql://user:password@host/name, or sqlite:///file. [default: study.sqlite in the folder]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print progress as JSON lines, then the manifest.")]


@study.command("new")
def new(path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("study.toml")) -> None:
    """Write a commented study file to start from."""
    from playground.study import plan

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(plan.example())
    except FileExistsError:
        raise InvalidInput(f"{path} is there already.", "Choose another name, or delete it first.") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", "Choose another place.") from None
    print(f"Wrote {path}. Edit it, then: playground study build {path} --out {path.stem}")


@study.command("build")
def build(
    path: Annotated[Path, typer.Argument(help="The study file.")],
    out: Annotated[Path, typer.Option(help="A new folder for the study; the same one again goes on after a stop.")],
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="The base model.")] = "smollm2",
    dtype: Annotated[
        str, typer.Option("--dtype", metavar="TYPE", help="auto, float32, bfloat16, float16 or int8.")
    ] = "auto",
    as_json: Json = False,
) -> None:
    """Make all replies of a study, once; they never change after that."""
    from playground.study import plan, stimuli

    asked = plan.load(path)
    stimuli.check_axis(asked)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{out} cannot be a folder: {error.strerror}.", "Choose another with --out.") from None

    def tell(progress: Progress) -> None:
        if as_json:
            print(to_json(progress), flush=True)
        else:
            print(
                f"{progress.stage}: {progress.done:g} of {progress.total:g} {progress.unit}".rstrip(), file=sys.stderr
            )

    from playground.player import Player  # loads torch; what is wrong with the file is told before

    steps = stimuli.build(asked, path.read_text(encoding="utf-8"), Player.open(model, dtype, tell), out)
    while True:
        try:
            tell(next(steps))
        except StopIteration as stop:
            made: stimuli.Study = stop.value
            break
    if as_json:
        print((out / stimuli.MANIFEST).read_text(encoding="utf-8"), end="")
        return
    cut = sum(one.finish_reason == "length" for one in made.stimuli.values())
    if cut:
        print(f"{cut} of {len(made.stimuli)} replies were cut at {asked.max_new_tokens} tokens; see max_new_tokens.")
    same = stimuli.identical_pairs(made)
    if same:
        print(f"{same} pairs of neighbouring strengths read the same; they are never shown beside each other.")
    print(f"{len(made.stimuli)} replies in {out}, {_visit(asked)}.\nNow: playground study serve {out}")


def _visit(plan: "Plan") -> str:
    trials = sum(task.trials for task in plan.tasks)
    checks = plan.checks.instructed + plan.checks.gold + plan.checks.repeated
    return f"{trials} trials and {checks} checks per person"


@study.command("serve")
def serve(
    folder: Folder,
    database: Database = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the study.")] = 7870,
    staff_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the staff's page. [default: no such page]")
    ] = None,
    staff_token: Annotated[
        str, typer.Option(envvar="STUDY_STAFF_TOKEN", help="Its password. [default: a new one, printed]")
    ] = "",
) -> None:
    """Open a study to people. Runs until Ctrl-C; nothing is lost when it stops."""
    if staff_token and staff_port is None:
        raise InvalidInput("A staff token needs a staff page.", "Add --staff-port, for example --staff-port 7871.")
    url = _url(folder, database)
    from playground.ui.study import serve as run

    run(folder, url, host, port, staff_port, staff_token)


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
    from playground.study.backup import read

    print(f"{read(file, _url(folder, database))} rows restored.")


def _url(folder: Path, database: str | None) -> str:
    from playground.study import database as databases
    from playground.study import plan

    if not (folder / plan.FILE_NAME).is_file():
        raise InvalidInput(f"{folder} is no built study.", "Make one with: playground study build")
    return database or databases.sqlite_url((folder / "study.sqlite").absolute())
