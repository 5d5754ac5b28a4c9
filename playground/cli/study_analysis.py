"""`playground study analyse`: from people's answers to a report."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from playground import files
from playground.cli.study import Database, Folder, answered, study
from playground.errors import InvalidInput

if TYPE_CHECKING:
    from playground.study.parts import Condition
    from playground.study.plan import StudyPlan
    from playground.study.stimuli import Study

REPORT, ANALYSIS, SCHEMA = "report.html", "analysis.json", "analysis.schema.json"


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
    from playground.study import analysis, report, results, sentences, stimuli
    from playground.study.records import Records

    url = answered(folder, database)
    loaded = stimuli.load(folder)
    with Records.open(url, loaded) as records:
        table, people = results.main_data(results.long_table(records, loaded), results.people_table(records, loaded))
        flow = results.flow(records)
    rules = None if exclude is None else _rules(exclude)
    compared = condition_of(loaded.plan, condition)
    table = results.of_tasks(table, _tasks(loaded.plan, tasks))
    mine = results.of_condition(table, compared.id)
    found = analysis.analyse(mine, people, compared.strengths, rules, loaded.plan.analysis, table, loaded.plan.flags)
    found = replace(found, flow=flow)
    part = "".join(f" --{name} {value}" for name, value in (("condition", condition), ("task", tasks)) if value)
    command = f"playground study analyse {folder}{part} --exclude {','.join(found.rules) or 'none'}"
    about = _about(loaded, compared, command)
    numbers = json.dumps({"about": about, **found.as_json()}, ensure_ascii=False, indent=1) + "\n"
    schema = json.dumps(analysis.schema(), indent=1) + "\n"
    out = out or folder / "analysis" / compared.id / tasks.replace(",", "-")
    replaces = _write(out, {REPORT: report.page(found, loaded.plan.title, about), ANALYSIS: numbers, SCHEMA: schema})
    if as_json:
        print(numbers, end="")
        return
    print("\n".join(sentences.summary(found)))
    print(f"In {out}: {REPORT}, {ANALYSIS}, {SCHEMA}{', replacing the earlier ones' if replaces else ''}.")


def _about(loaded: "Study", compared: "Condition", command: str) -> dict[str, str]:
    """What was analysed, with what, and when."""
    import platform
    from datetime import UTC, datetime
    from importlib.metadata import version

    from playground import __version__

    axis, model = loaded.made_of(compared.id)
    return {
        "study": loaded.plan.name,
        "axis": axis,
        "model": model,
        "digest of plan and replies": loaded.digest,
        "replies made with playground": loaded.manifest.version,
        "playground": __version__,
        "Python, numpy, scipy": f"{platform.python_version()}, {version('numpy')}, {version('scipy')}",
        "command": command,
        "computed": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _write(out: Path, texts: dict[str, str]) -> bool:
    """Write the files of an analysis; whether they replace an earlier one's."""
    replaces = (out / ANALYSIS).exists()
    if (out / REPORT).exists() and not replaces:
        raise InvalidInput(f"{out / REPORT} is there already, and no analysis.", "Choose another folder with --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            files.write_text(out / name, text)
    except OSError as error:
        raise InvalidInput(f"{out} cannot be written: {error.strerror}.", "Choose another place with --out.") from None
    return replaces


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


def condition_of(plan: "StudyPlan", name: str) -> "Condition":
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
