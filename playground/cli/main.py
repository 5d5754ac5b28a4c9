"""The command line: reads arguments, prints events. Every heavy import waits inside its command."""

import errno
import json
import os
import sys
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from playground.cli.axis import axis as axis_commands
from playground.cli.bench import bench as bench_command
from playground.cli.generate import generate
from playground.cli.options import DEFAULT_MODEL, Device, Dtype, Json, Model, PromptCommand
from playground.cli.progress import check_arguments, on_stderr, print_anywhere
from playground.cli.serve import serve as serve_command
from playground.cli.serve import setting
from playground.cli.spectrum import spectrum as spectrum_command
from playground.cli.study_people import study as study_commands
from playground.cli.sweep import sweep as sweep_command
from playground.errors import InvalidInput, PlaygroundError
from playground.files import trouble
from playground.settings import MAIN, SLIDERS

if TYPE_CHECKING:
    from playground.cards import Card

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Of the complaints a system has about a file, those that more room ends."""

app = typer.Typer(
    name="playground",
    help="Alignment Playground: steer a language model by a slider and see what happens.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
model_commands = typer.Typer(help="Base models: fetch one, list those on this machine.", no_args_is_help=True)
app.add_typer(model_commands, name="model")
app.add_typer(axis_commands, name="axis")
app.command("generate", cls=PromptCommand)(generate)
app.command("say", cls=PromptCommand, hidden=True)(generate)  # its name of before
app.command("sweep")(sweep_command)
app.command("serve")(serve_command)
app.command("bench")(bench_command)
app.command("spectrum", cls=PromptCommand)(spectrum_command)
app.add_typer(study_commands, name="study")


def main() -> None:
    """Run a command: exit code 0 when done, 2 when the input is wrong (message and hint on stderr), 1 for a bug."""
    print_anywhere(as_json="--json" in sys.argv)
    try:
        check_arguments(sys.argv)
        app(prog_name="playground")
    except PlaygroundError as error:
        _leave(error)
    except Exception as error:
        found = trouble(error)
        if found is None or found.errno not in FULL:
            raise
        of = f": {found.filename}" if found.filename else ""
        _leave(
            InvalidInput(f"A file cannot be written ({found.strerror}){of}.", "Make room on the disk, then try again.")
        )


def _leave(error: PlaygroundError) -> NoReturn:
    print("\n".join(line for line in (error.message, error.hint) if line), file=sys.stderr)
    sys.exit(2)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(installed_version("alignment-playground"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


@app.command("app")
def page(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="As for `generate`. [default: PLAYGROUND_MODEL or smollm2]"),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option("--dtype", metavar="TYPE", help="As for `generate`. [default: PLAYGROUND_DTYPE or auto]"),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="DEVICE", help="As for `generate`. [default: PLAYGROUND_DEVICE or auto]"),
    ] = None,
    engine: Annotated[str | None, setting("engine", "URL")] = None,
    engine_key_env: Annotated[str | None, setting("engine_key_env", "VARIABLE")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser window.")] = False,
) -> None:
    """Open the page. Environment variables set its limits; see docs/space.md."""
    from playground.serving.hosting import ServerSettings
    from playground.ui.app import serve

    given = {"model": model, "dtype": dtype, "device": device, "engine": engine, "engine_key_env": engine_key_env}
    hosting = ServerSettings.read(os.environ, **given)
    with on_stderr() as report:
        serve(hosting, host=host, port=port, open_browser=not no_browser, report=report)


@model_commands.command("fetch")
def fetch(
    name: Annotated[
        str, typer.Argument(help="Which model, see --model of other commands; minilm is the sentence encoder.")
    ] = DEFAULT_MODEL,
    as_json: Json = False,
) -> None:
    """Get a base model, or the encoder that measures coherence, once: later starts need no network.

    What is damaged in the cache is made anew.
    """
    from playground import sources

    with on_stderr() as report:
        folder = sources.fetch(name, report)
    _print_models([{"name": name, "path": str(folder)}], as_json)


@model_commands.command("list")
def list_models(as_json: Json = False) -> None:
    """List the base models on this machine."""
    from playground import sources

    _print_models([{"name": model.name, "path": str(model.path)} for model in sources.installed()], as_json)


def _print_models(models: list[dict[str, str]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(models, indent=1))
    elif not models:
        print("No models yet. Run: playground model fetch")
    else:
        for model in models:
            print(f"{model['name']}  {model['path']}")


@app.command("axes")
def axes(as_json: Json = False) -> None:
    """List the axes that ship or were made on the page, with their judge and tested range, and the instant ones."""
    from playground import cards, descriptions

    found = list(cards.known().values())
    for error in cards.damaged(cards.all_folders()).values():
        print(f"Left out: {error}", file=sys.stderr)
    if as_json:
        print(json.dumps([card.model_dump(mode="json") for card in found], indent=1))
        return
    if not found:
        print("No axes yet. Make one with: playground axis invent --help")
    for card in found:
        _print_card(card)
    print(
        "Instant axes, of two descriptions each, which fit any model and are calibrated when they are first named "
        f"(playground axis instant --help): {', '.join(descriptions.gallery())}."
    )


def _print_card(card: "Card") -> None:
    safe = card.safe_range
    print(f"{card.name}: {card.poles.negative} (negative) to {card.poles.positive} (positive). {card.description}")
    print(f"  base model     {card.base.name}")
    print(f"  tested range   {', '.join(f'{name} {_span(safe.of(name))}' for name in SLIDERS)}")
    print(f"  reward rises   until {MAIN} {card.rises_until:g}")
    print(f"  judge          {_judged(card)}")
    if card.coherence:
        print(f"  coherence      {', '.join(f'{mean:.2f} at {name}' for name, mean in card.coherence.items())}")
    print(f"  control 1      {card.calibration.updates} updates of step size {card.calibration.step_size:g}\n")


def _judged(card: "Card") -> str:
    """Who judges the axis independently, how well, and how often it prefers the steered reply."""
    if card.judge is None:
        return "none yet"
    told = f"{card.judge.kind}, agrees with {card.judge.agreement:.0%} of {card.judge.pairs} labelled pairs"
    wins = [f"{share:.0%} at {name}" for name, share in card.preferred.items()]
    return f"{told}; prefers the steered reply in {', '.join(wins)}" if wins else told


def _span(ends: tuple[float, float]) -> str:
    return f"{ends[0]:g} to {ends[1]:g}"


@app.command("doctor")
def doctor(model: Model = DEFAULT_MODEL, dtype: Dtype = "auto", device: Device = "auto", as_json: Json = False) -> None:
    """Say what works on this machine and what does not, with the fix."""
    from playground.cli.doctor import examine

    findings = examine(model, dtype, device)
    if as_json:
        checks = [{"name": f.name, "ok": f.ok, "detail": f.detail, "fix": "" if f.ok else f.fix} for f in findings]
        print(json.dumps({"ok": all(f.ok for f in findings), "checks": checks}, indent=1))
        return
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FIX '} {finding.name}: {finding.detail}")
        if not finding.ok:
            print(f"       {finding.fix}")
