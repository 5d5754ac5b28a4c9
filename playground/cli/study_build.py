"""`playground study new` and `build`: from nothing to a study that can be served."""

import tempfile
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from playground import files
from playground.cli.options import Cluster, Device, Dtype, Model
from playground.cli.progress import ProgressPrinter, tell_note
from playground.cli.study import simulate
from playground.cli.study_analysis import analyse
from playground.cli.study_power import study
from playground.errors import AxisMismatch, InvalidInput
from playground.events import Finished, Progress, exhaust
from playground.serving.hosting import NONE
from playground.settings import Request

if TYPE_CHECKING:
    from playground.player import Player
    from playground.study.building import Answers, PlayerOf
    from playground.study.parts import Condition
    from playground.study.plan import StudyPlan
    from playground.study.stimuli import Study

Json = Annotated[bool, typer.Option("--json", help="Print progress as JSON lines, then the manifest.")]

_EXAMPLE_PEOPLE = 40


@study.command("new")
def new(
    path: Annotated[Path, typer.Argument(help="The file to write; with --example the folder.")] = Path("study.toml"),
    example: Annotated[
        bool,
        typer.Option("--example", help="A whole folder to look at: built, answered by simulated people and analysed."),
    ] = False,
) -> None:
    """Write a commented study file to start from."""
    from playground.study import plan

    if path.exists() or path.is_symlink():
        raise InvalidInput(f"{path} is there already.", "Choose another name, or delete it first.")
    try:
        if not example:
            files.write_text(path, plan.example())
            print(f"Wrote {path}. Edit it, then: playground study build {path} --out {path.stem}")
            return
        path.mkdir(parents=True)
        source, table = plan.rehearsed()
        files.write_text(path / "replies.csv", table)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", "Choose another place.") from None
    _rehearse(path, source)


def _rehearse(folder: Path, source: str) -> None:
    """The example from replies that were made before: frozen, answered by simulated people, analysed."""
    from playground.study import building, plan
    from playground.study.database import sqlite_url

    building.take(plan.parse(source), source, folder / "replies.csv", folder)
    simulate(folder, people=_EXAMPLE_PEOPLE, preferred=0.8, spread=0.4, seed=2)
    analyse(folder, database=sqlite_url((folder / "simulated.sqlite").absolute()))
    print(f"Look at it as people do: playground study serve {folder}, and open the address with ?preview=1.")


@study.command("build")
def build(
    path: Annotated[Path, typer.Argument(help="The study file.")],
    out: Annotated[Path, typer.Option(help="A new folder for the study; the same one again goes on after a stop.")],
    model: Model = "smollm2",
    dtype: Dtype = "auto",
    device: Device = "auto",
    as_json: Json = False,
    cluster: Cluster = NONE,
) -> None:
    """Make all replies of a study, once; they never change after that."""
    from playground.study import building, plan, stimuli

    asked = plan.load(path)
    source = files.read_text(path)
    if not asked.replies:
        building.check_axis(asked)
    begun = _begun(out, source)
    if begun is not None and begun.plan.digest() != asked.digest():
        raise _answered_otherwise(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{out} cannot be a folder: {error.strerror}.", "Choose another with --out.") from None
    tell = ProgressPrinter(as_json)
    if asked.replies:
        if begun is not None and building.taken(asked, path.parent / asked.replies) != begun.manifest.sha256:
            raise _answered_otherwise(out)
        made = building.take(asked, source, path.parent / asked.replies, out)
    else:
        players = _players(model, dtype, device, tell)
        if begun is not None and not building.is_made_so(begun, asked, players):
            raise _answered_otherwise(out)
        with _answers(cluster, model, dtype, device, players) as answers:
            made = exhaust(building.build(asked, source, players, out, answers), tell)
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


@contextmanager
def _answers(address: str, model: str, dtype: str, device: str, players: "PlayerOf") -> "Generator[Answers | None]":
    """What answers on a cluster, for the length of a `with`; nothing where this process does."""
    if address == NONE:
        yield None
        return
    from playground.remote.machines import Machines
    from playground.remote.replies import answers

    with Machines.joined(address, device) as machines:

        def elsewhere(condition: "Condition", requests: Iterable[Request]) -> Generator[list[Finished]]:
            how = {"model": condition.model or model, "dtype": dtype, "device": device}
            return answers(machines, players(condition), [condition.axis], how, requests)

        yield elsewhere


def _players(model: str, dtype: str, device: str, tell: Callable[[Progress], None]) -> "PlayerOf":
    """The player of each condition; a model is loaded once. Where it is a tiny one, an axis of another is played."""
    from playground.player import Player  # loads torch; what is wrong with the file is told before

    @cache
    def opened(name: str) -> Player:
        return Player.open(name, dtype, tell, device)

    @cache
    def with_axis(name: str, axis: str) -> Player:
        found = opened(name)
        if name.partition(":")[0] == "tiny":
            _play_axis(found, axis)
        if found.ready(axis):
            tell_note(axis, found.axis(axis).note)
        return found

    return lambda condition: with_axis(condition.model or model, condition.axis)


def _play_axis(player: "Player", axis: str) -> None:
    """Let a tiny model, which nothing was trained on, have an axis of random weights by this name."""
    from playground import axes
    from playground.training import untrained

    try:
        player.axis(axis)
    except AxisMismatch:
        with tempfile.TemporaryDirectory() as folder:
            untrained.write(Path(folder), player.model, Path(axis).name)
            player.axes[axis] = axes.load(Path(folder), player.model)
        print("A tiny model says gibberish, and its axis is random: this is a rehearsal.")


def _begun(out: Path, source: str) -> "Study | None":
    """The study in a folder, if people have begun it. Raises InvalidInput where somebody's own study file is."""
    from playground.study import plan, stimuli
    from playground.study.database import sqlite_url
    from playground.study.records import Records

    file, database = out / plan.FILE_NAME, out / "study.sqlite"
    if not (out / stimuli.MANIFEST).is_file():
        if file.exists() and files.read_text(file) != source:
            raise InvalidInput(f"{file} is there already, and was not built.", "Choose another folder with --out.")
        return None
    if not database.is_file():
        return None
    study = stimuli.load(out)
    with Records.open(sqlite_url(database.absolute()), study) as records:
        return study if records.enrolled() else None


def _answered_otherwise(out: Path) -> InvalidInput:
    return InvalidInput(
        f"People have answered another version of the study in {out}.",
        "Give the changed study another name, and another folder with --out.",
    )


def _visit(plan: "StudyPlan") -> str:
    trials = sum(task.trials for task in plan.tasks)
    checks = plan.checks.instructed + plan.checks.gold + plan.checks.repeated
    return f"{trials} trials and {checks} checks per person"
