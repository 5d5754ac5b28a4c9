"""The command line: reads arguments, prints events. Every heavy import waits inside its command."""

import contextlib
import errno
import json
import os
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from playground.cli.axis import axis as axis_commands
from playground.cli.bench import bench as bench_command
from playground.cli.options import Dtype, Model, Said
from playground.cli.progress import check_arguments, print_anywhere, printable, told
from playground.cli.spectrum import spectrum as spectrum_command
from playground.cli.study_people import study as study_commands
from playground.cli.sweep import sweep as sweep_command
from playground.errors import InvalidInput, PlaygroundError
from playground.events import Event, Finished, Progress, Started, Token, to_json
from playground.files import trouble
from playground.settings import Request, Row, Sampling, Strength, conversation

if TYPE_CHECKING:
    from playground.cards import Card
    from playground.player import Player

DEFAULT_MODEL = "smollm2"
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
app.command("sweep")(sweep_command)
app.command("bench")(bench_command)
app.command("spectrum", cls=Said)(spectrum_command)
app.add_typer(study_commands, name="study")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


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
        str | None, typer.Option("--model", metavar="NAME", help="As for `say`. [default: PLAYGROUND_MODEL or smollm2]")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option("--dtype", metavar="TYPE", help="As for `say`. [default: PLAYGROUND_DTYPE or auto]")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser window.")] = False,
) -> None:
    """Open the page. Environment variables set its limits; see docs/space.md."""
    from playground.serving.limits import Hosting
    from playground.ui.app import serve

    hosting = Hosting.read(os.environ, model=model, dtype=dtype)
    with _progress() as report:
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

    with _progress() as report:
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
    """List the shipped axes with their judge and measured safe range."""
    from playground import cards

    found = list(cards.shipped().values())
    for error in cards.damaged(cards.all_folders()).values():
        print(f"Left out: {error}", file=sys.stderr)
    if as_json:
        print(json.dumps([card.model_dump(mode="json") for card in found], indent=1))
        return
    if not found:
        print("No axes yet. Make one with: playground axis invent --help")
    for card in found:
        _print_card(card)


def _print_card(card: "Card") -> None:
    safe = card.safe_range
    print(f"{card.name}: {card.poles.negative} (negative) to {card.poles.positive} (positive). {card.description}")
    print(f"  base model     {card.base.name}")
    print(f"  safe range     alpha {_span(safe.alpha)}, control {_span(safe.control)}")
    print(f"  reward rises   until alpha {card.rises_until:g}")
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


@app.command("say", cls=Said)
def say(
    prompt: Annotated[str, typer.Argument(help="What to say to the model.")],
    axis: Annotated[
        str | None, typer.Option("--axis", metavar="NAME", help="An axis by its name or folder; none is the base.")
    ] = None,
    alpha: Annotated[
        list[float] | None,
        typer.Option(
            "--alpha",
            help="0 is the base model, 1 the aligned one; repeat. [default: 1, or 0 with --control]",
        ),
    ] = None,
    control: Annotated[
        list[float] | None, typer.Option("--control", help="0 is off, 1 as calibrated; repeat. [default: 0]")
    ] = None,
    updates: Annotated[int | None, typer.Option(help="Gradient steps per token. [default: as calibrated]")] = None,
    step_size: Annotated[
        float | None, typer.Option(help="Length of a step at control 1. [default: as calibrated]")
    ] = None,
    merge: Annotated[
        Literal["logits", "embeddings"], typer.Option(help="Where alpha acts; one axis can act on the embeddings.")
    ] = "logits",
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Rows share the noise of this seed.")] = 0,
    max_new_tokens: Annotated[int, typer.Option(help="Longest reply, in tokens.")] = 128,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="System text before the prompt.")] = None,
    model: Model = DEFAULT_MODEL,
    dtype: Dtype = "auto",
    as_json: Json = False,
) -> None:
    """Reply to a prompt at one or more strengths, one row per pair of alpha and control."""
    if axis is None and any([*(alpha or []), *(control or [])]):
        raise InvalidInput("A strength other than 0 needs an axis.", "Name one with --axis; see: playground axes")
    if axis is None and (updates is not None or step_size is not None or merge != "logits"):
        raise InvalidInput(
            "--updates, --step-size and --merge belong to an axis.", "Name one with --axis; see: playground axes"
        )
    messages = conversation(prompt, system)
    alphas = alpha or [0.0 if axis is None or control else 1.0]
    strengths = [
        Strength(axis=axis or "none", alpha=a, control=c, updates=updates, step_size=step_size, merge=merge)
        for a in alphas
        for c in control or [0.0]
    ]
    sampling = Sampling(temperature=temperature)
    rows = [Row(messages=messages, strengths=(strength,) if axis else (), seed=seed) for strength in strengths]
    request = Request(rows=tuple(rows), sampling=sampling, max_new_tokens=max_new_tokens)
    player = _open(model, dtype)
    events = player.run(request)
    with contextlib.closing(events):  # pyright: ignore[reportArgumentType]
        for piece in (f"{to_json(event)}\n" for event in events) if as_json else _as_text(events, request):
            sys.stdout.write(piece)
            sys.stdout.flush()


def _open(model: str, dtype: str) -> "Player":
    # What is wrong with these two is told before seconds go into importing torch.
    from playground import sources

    sources.check_dtype(dtype)
    with _progress() as report:
        sources.resolve(model, report)
        report(Progress("loading the model", 0, 1))
        from playground.player import Player

        return Player.open(model, dtype, report)


def _as_text(events: Iterator[Event], request: Request) -> Iterator[str]:
    """Pieces of readable text: row after row, the earliest unfinished one as it grows, the others held back."""
    held = ["" for _ in request.rows]
    ends: dict[int, Finished] = {}
    showing = 0
    for event in events:
        match event:
            case Started():
                yield _heading(request.rows[0])
            case Token():
                text = printable(event.text)
                if event.row == showing:
                    yield text
                else:
                    held[event.row] += text
            case Finished():
                ends[event.row] = event
                while showing in ends:
                    yield f"\n{_summary(ends[showing])}\n"
                    showing += 1
                    if showing < len(request.rows):
                        yield f"\n{_heading(request.rows[showing])}{held[showing]}"
            case Progress():
                pass


def _heading(row: Row) -> str:
    if not row.strengths:
        return "== base model ==\n"
    strength = row.strengths[0]
    return f"== alpha {strength.alpha:g}, control {strength.control:g} ==\n"


def _summary(end: Finished) -> str:
    figures = [f"{len(end.token_ids)} tokens" + (", cut at the limit" if end.finish_reason == "length" else "")]
    if end.reward is not None:
        figures.append(f"reward {end.reward:.2f}")
    figures += [f"KL {end.kl:.3f} nats a token", f"perplexity {end.perplexity:.1f}"]
    if end.alpha_interval is not None:
        low, high = end.alpha_interval
        span = [f"from {low:.2f}" if low is not None else "", f"to {high:.2f}" if high is not None else ""]
        figures.append(f"the same reply for alpha {' '.join(part for part in span if part) or 'of any size'}")
    for at, change in zip(end.alpha_interval or (), end.changes or (), strict=False):
        if change is not None:
            figures.append(f"at {at:.2f} {told(change.old)} becomes {told(change.new)}")
    return f"-- {' | '.join(figures)}"


@app.command("doctor")
def doctor(model: Model = DEFAULT_MODEL, dtype: Dtype = "auto", as_json: Json = False) -> None:
    """Say what works on this machine and what does not, with the fix."""
    from playground.cli.doctor import examine

    findings = examine(model, dtype)
    if as_json:
        checks = [{"name": f.name, "ok": f.ok, "detail": f.detail, "fix": "" if f.ok else f.fix} for f in findings]
        print(json.dumps({"ok": all(f.ok for f in findings), "checks": checks}, indent=1))
        return
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'FIX '} {finding.name}: {finding.detail}")
        if not finding.ok:
            print(f"       {finding.fix}")


class _Stages:
    """Progress on stderr: one line per stage, rewritten in place on a terminal."""

    def __init__(self) -> None:
        self.stage = ""
        self.in_place = sys.stderr.isatty()

    def report(self, progress: Progress) -> None:
        if progress.stage == self.stage and not self.in_place:
            return
        if not self.in_place:
            print(progress.stage, file=sys.stderr, flush=True)
        else:
            start = "\r\x1b[K" if progress.stage == self.stage else "\n" if self.stage else ""
            share = f" {progress.done / progress.total:.0%}" if progress.unit and progress.total else ""
            print(f"{start}{progress.stage}{share}", end="", file=sys.stderr, flush=True)
        self.stage = progress.stage


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    stages = _Stages()
    try:
        yield stages.report
    finally:
        if stages.stage and stages.in_place:
            print(file=sys.stderr)
