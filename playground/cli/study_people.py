"""`playground study people` and `forget`: whom to pay, and whom to delete."""

import json
import sys
from typing import Annotated, Any

import typer

from playground.cli.study import Database, Folder, answered
from playground.cli.study_build import study
from playground.errors import InvalidInput

_COLUMNS = ("person", "pilot", "outcome", "consented_at", "finished_at", "minutes", "answered", "trials", "flags")


@study.command("people")
def people(
    folder: Folder,
    ids: Annotated[
        bool, typer.Option("--ids", help="With what the recruiting service calls them, and their code, to pay them.")
    ] = False,
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line for each.")] = False,
) -> None:
    """List who took part, as CSV: how far they came, how long it took, and what stands out."""
    from playground import spreadsheet
    from playground.study import results, stimuli
    from playground.study.records import Records

    url = answered(folder, database)
    loaded = stimuli.load(folder)
    with Records.open(url, loaded) as records:
        table = results.people_table(records, loaded).loc[:, list(_COLUMNS)]
        if ids:
            known = records.external()
            told: dict[str, list[Any]] = {
                "id": [known[one].external if one in known else "" for one in table["person"]],
                "recruitment": [known[one].recruitment if one in known else "" for one in table["person"]],
                "session": [known[one].session if one in known else "" for one in table["person"]],
                "code": [loaded.plan.codes.of(one) if one else "" for one in table["outcome"]],
            }
            table = table.assign(**told)
    if as_json:
        for row in json.loads(table.to_json(orient="records", date_format="iso") or "[]"):
            print(json.dumps(row, ensure_ascii=False))
        return
    sys.stdout.write(spreadsheet.as_csv(table))


@study.command("forget")
def forget(
    folder: Folder,
    person: Annotated[str, typer.Argument(metavar="ID", help="What the recruiting service calls them.")],
    database: Database = None,
) -> None:
    """Delete everything about one person who asks for it, as if they had withdrawn."""
    from playground.study import stimuli
    from playground.study.records import Records
    from playground.study.store import Store

    url = answered(folder, database)
    loaded = stimuli.load(folder)
    Records.open(url, loaded).close()  # makes nothing where there is nothing
    with Store.open(url, loaded) as store:
        if not store.forget(person):
            gone = store.has_withdrawn(person)
            raise InvalidInput(
                f"{'That person has withdrawn already' if gone else 'Nobody of that id is in the study'}.",
                "playground study people --ids lists those who are.",
            )
    print(
        "Everything about that person is deleted from the database, and their id cannot begin anew.\n"
        "What was made before still holds them: backups, exports, downloads of the staff page, and copies on the Hub "
        "until the next. Make a new backup and export, then delete the old ones. After restoring an old backup, run "
        "this again."
    )
