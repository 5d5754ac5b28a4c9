"""How commands tell of long work, one line every few seconds on stderr or JSON lines on stdout; and print replies."""

import codecs
import contextlib
import io
import json
import sys
import time
from collections.abc import Callable, Generator, Sequence

from playground.errors import InvalidInput
from playground.events import Progress, to_json
from playground.texts import is_text

_UNPRINTABLE = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)])


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuse an argument that is no text, before any work: nothing that names it could be written down."""
    for argument in arguments:
        if not is_text(argument):
            raise InvalidInput(f"{argument!r} is no UTF-8.", "Rename the file, or type the text in UTF-8.")


def print_anywhere(as_json: bool) -> None:
    """Let the terminal show what it can: a letter it has not becomes ?, or in JSON an escape."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error("json", _escaped)
        sys.stdout.reconfigure(errors="json" if as_json else "replace")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def printable(text: str) -> str:
    """A text without the control characters that a model may write and a terminal would obey; newline and tab stay."""
    return text.translate(_UNPRINTABLE)


def told(token: str) -> str:
    """A token of a reply inside a sentence; one without text ends the reply."""
    return f"“{printable(token).strip() or token}”" if token else "the end"


def tell_note(name: str, note: str) -> None:
    """What a person should see about an axis's fit, on stderr, if there is anything."""
    if note:
        print(f"{name}: {note}", file=sys.stderr, flush=True)


class ProgressPrinter:
    """Tells progress: JSON lines on stdout, or on stderr one line every few seconds and at each stage's ends."""

    every_s = 5.0

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.told, self.stage = 0.0, ""

    def __call__(self, progress: Progress) -> None:
        """Tell it, if it is due."""
        if self.as_json:
            print(to_json(progress), flush=True)
            return
        due = progress.stage != self.stage or progress.done >= progress.total
        if not due and time.monotonic() - self.told < self.every_s:
            return
        self.told, self.stage = time.monotonic(), progress.stage
        print(_line(progress), file=sys.stderr, flush=True)


def _line(progress: Progress) -> str:
    parts = [f"{progress.stage}: {progress.done:g} of {progress.total:g} {progress.unit}".rstrip()]
    if progress.rate:
        parts.append(f"{progress.rate:.2g}/s")
    if progress.seconds_left:
        parts.append(f"{progress.seconds_left / 60:.1f} min left in this stage")
    if progress.note:
        parts.append(progress.note)
    return ", ".join(parts)


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
def on_stderr() -> Generator[Callable[[Progress], None]]:
    """Progress of what a person waits for before anything else happens: one line for each stage on stderr."""
    stages = _Stages()
    try:
        yield stages.report
    finally:
        if stages.stage and stages.in_place:
            print(file=sys.stderr)
