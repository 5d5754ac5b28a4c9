"""`playground study`: from a study file to people's answers."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from playground.errors import InvalidInput

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
    from playground.serving.address import Address
    from playground.study.web import serve as server

    staff = None if staff_port is None else server.Staff(Address(staff_host, staff_port), staff_token)
    server.serve(folder, url, Address(host, port), staff, copy_to)


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
