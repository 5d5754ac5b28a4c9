"""Axes in the making: each is a training command in a process of its own, which a page only watches.

What a training needs and tells lies in files beside the axis's folder, so a closed page loses nothing, a restarted one
finds what was begun, and the same order goes on where it was stopped. No gradio.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import Field

from playground.cards import FILE_NAME, Named, folders_in
from playground.errors import InvalidInput
from playground.events import Event, Finished, Progress, from_json
from playground.files import digest, parse_json, read_json, write_json
from playground.locks import LOCK, is_held
from playground.settings import Settings
from playground.texts import folder_name, is_blank
from playground.training.pairs import Pair
from playground.training.recipe import WORK

Phase = Literal["making", "stopped", "failed", "made"]

PROGRAM = (sys.executable, "-m", "playground")

STAGES = {
    "inventing pairs": "writing pairs",
    "choosing pairs": "choosing pairs that tell the ends apart",
    "replies of the base": "sampling the base model",
    "reward head": "training the reward",
    "judge": "fitting the judge",
    "identity layer": "training the layer behind alpha",
    "layer's scale": "calibrating alpha 1",
    "replies at alpha 1": "sampling the steered model",
    "refining the layer": "training on its best and worst replies",
    "refined layer's scale": "calibrating alpha 1 again",
    "room beyond 1": "leaving room beyond alpha 1",
    "steered replies": "sampling both ends",
    "reading replies": "reading the replies",
    "value function": "training the network behind control",
    "value function's slope": "training the slope of control",
    "step size": "calibrating control 1",
    "curve": "measuring the curve",
}
"""Stages of the training, in their order, in words of the page; others keep their own."""


class TrainingRequest(Named):
    """What an axis is made from: two sentences, or a file of pairs."""

    positive: str = Field(default="", max_length=4000, description="Who answers at the positive end.")
    negative: str = Field(default="", max_length=4000, description="Who answers at the negative end.")
    positive_pole: str = Field(default="", max_length=30, description="A word for that end.")
    negative_pole: str = Field(default="", max_length=30, description="A word for the other.")
    pairs: str = Field(default="", description="A file of pairs, instead of the sentences or beside them.")
    minutes: float = Field(default=45, ge=1, le=24 * 60, description="Stay inside this much time.")

    def slug(self) -> str:
        """The name of its folder, which no other name has."""
        return folder_name(self.name.strip())

    def arguments(self, out: Path) -> list[str]:
        """The `playground axis` command that makes it, after the program's name."""
        if not is_blank(self.positive) and not is_blank(self.negative):
            said = ["invent", "--positive", self.positive.strip(), "--negative", self.negative.strip()]
        elif self.pairs:
            said = ["train"]
        else:
            raise InvalidInput(
                "An axis is made from two sentences, or from pairs.",
                "Describe who answers at either end, such as: a calm and patient person.",
            )
        return [
            "axis", *said, *(["--pairs", self.pairs] if self.pairs else []), "--name", self.name.strip(),
            "--positive-pole", self.positive_pole.strip() or "more",
            "--negative-pole", self.negative_pole.strip() or "less",
            "--minutes", f"{self.minutes:g}", "--out", str(out),
        ]  # fmt: skip


class _Record(Settings):
    """What is written down of an order that was begun."""

    order: TrainingRequest
    pid: int = Field(gt=1)


@dataclass(frozen=True)
class TrainingStatus:
    """How an axis in the making stands."""

    name: str
    slug: str
    phase: Phase
    progress: Progress | None = None
    problem: str = ""
    pair: tuple[str, str, str] | None = None
    """A prompt, and how the two ends answer it."""
    says: tuple[tuple[float, str], ...] = ()
    """(strength, what the model answers there at present)."""


class TrainingJobs:
    """The folder where axes are made, and the processes at work in it."""

    def __init__(
        self, folder: Path, model: str, dtype: str, more: Sequence[str] = (), program: Sequence[str] = PROGRAM
    ) -> None:
        """`more` are arguments that every training command of `program` gets besides."""
        self.folder, self.program = folder, program
        self.more = ["--model", model, "--dtype", dtype, *more]
        self._at_work: dict[str, subprocess.Popen[bytes]] = {}
        self._watching: dict[str, Thread] = {}
        self._says: dict[str, dict[float, str]] = {}

    def begin(self, order: TrainingRequest) -> str:
        """Start an order, or go on with one that was stopped; its slug. Raises InvalidInput where that cannot be."""
        slug = order.slug()
        if self._file(slug, "json").exists() and not self._is_same(order, self.order(slug)):
            raise InvalidInput(
                f"Another axis named {order.name.strip()} was begun and stopped.",
                "Resume or delete it, or choose another name.",
            )
        return self._begin(slug, order)

    def _is_same(self, order: TrainingRequest, begun: TrainingRequest) -> bool:
        """Whether two orders make the same axis; how long it may take, and where its pairs lie, may differ."""
        if any(getattr(order, name) != getattr(begun, name) for name in set(vars(order)) - {"pairs", "minutes"}):
            return False
        if not order.pairs or not begun.pairs:
            return order.pairs == begun.pairs
        return digest(Path(order.pairs)) == digest(Path(begun.pairs))

    def _begin(self, slug: str, order: TrainingRequest) -> str:
        out = self.folder / slug
        arguments = order.arguments(out)
        if (busy := next((one for one in self.all() if one.phase == "making"), None)) is not None:
            raise InvalidInput(f"{busy.name} is being made.", "Wait for it, or cancel it; it can be resumed later.")
        if (out / FILE_NAME).exists():
            raise InvalidInput(f"There is an axis named {order.name} already.", "Choose another name.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if order.pairs:
                kept = str(self._keep_pairs(slug, Path(order.pairs)))
                arguments[arguments.index("--pairs") + 1] = kept
                order = order.model_copy(update={"pairs": kept})  # an upload is gone when somebody goes on
            command = [*self.program, *arguments, *self.more, "--json"]
            process = self._start(slug, command)
            write_json(self._file(slug, "json"), _Record(order=order, pid=process.pid).model_dump(mode="json"))
        except OSError as error:
            raise InvalidInput(f"Nothing can be kept in {self.folder}: {error.strerror}.", "Make room there.") from None
        self._at_work[slug] = process
        return slug

    def go_on(self, slug: str) -> str:
        """Start a stopped order again; what it had done is kept."""
        return self._begin(slug, self.order(slug))

    def order(self, slug: str) -> TrainingRequest:
        """The order of this slug. Raises InvalidInput where there is none."""
        return self._record(slug).order

    def cancel(self, slug: str) -> None:
        """Stop a training; its work is kept."""
        if (process := self._at_work.get(slug)) is not None:
            process.terminate()
            process.wait()
            self._watching[slug].join()
        elif self._alive(slug):
            os.kill(self._record(slug).pid, signal.SIGTERM)  # it holds the lock, so the number is still its own

    def forget(self, slug: str) -> None:
        """Delete a stopped training's work."""
        self.cancel(slug)
        self._says.pop(slug, None)
        shutil.rmtree(self.folder / slug, ignore_errors=True)
        for path in self.folder.glob(f"{slug}.*"):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Stop all trainings, as the program ends."""
        for slug in list(self._at_work):
            self.cancel(slug)

    def all(self) -> list[TrainingStatus]:
        """Every axis that was begun here, in order of their names; one whose record is damaged is left out."""
        found: list[TrainingStatus] = []
        for path in sorted(self.folder.glob("*.json")):
            with contextlib.suppress(InvalidInput):
                found.append(self.look(path.stem))
        return found

    def finished(self) -> Iterable[Path]:
        """The folders of axes that lie here ready, made or loaded."""
        return folders_in(self.folder)

    def look(self, slug: str) -> TrainingStatus:
        """How an order stands."""
        order = self.order(slug)
        out = self.folder / slug
        alive = self._alive(slug)
        problem = "" if alive else self._problem(slug)
        made = (out / FILE_NAME).exists() and not alive
        phase: Phase = "making" if alive else "made" if made else "failed" if problem else "stopped"
        return TrainingStatus(
            order.name, slug, phase, self._progress(slug), problem, _a_pair(out), self._said(slug, out)
        )

    def _keep_pairs(self, slug: str, path: Path) -> Path:
        kept = self.folder / f"{slug}.pairs{''.join(path.suffixes[-2:])}"
        if path != kept:
            shutil.copyfile(path, kept)
        return kept

    def _file(self, slug: str, kind: str) -> Path:
        return self.folder / f"{slug}.{kind}"

    def _record(self, slug: str) -> "_Record":
        """What was written down of an order. Raises InvalidInput where there is none, or it is damaged."""
        path = self._file(slug, "json")
        if not path.exists():
            raise InvalidInput("There is nothing to resume.", "Make the axis again.")
        try:
            return _Record(**read_json(path))
        except (InvalidInput, TypeError) as error:
            raise InvalidInput(f"{path} is damaged: {error}", "Delete it, and make the axis again.") from None

    def _start(self, slug: str, command: list[str]) -> "subprocess.Popen[bytes]":
        """A process for an order.

        Other pages see by locks that it runs: by ours, while this page is open, and by that on its work, which it takes
        itself once it has begun, and holds until it ends, however it ends.
        """
        lock = FileLock(self._file(slug, "lock"), timeout=0, thread_local=False)
        with self._file(slug, "log").open("wb") as log, self._file(slug, "err").open("wb") as err:
            try:
                lock.acquire()
            except Timeout:
                raise InvalidInput(f"{slug} is being made by another page.", "Wait for it, or cancel it.") from None
            try:
                process = subprocess.Popen(
                    command, stdout=log, stderr=err, stdin=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONIOENCODING": "utf-8"},
                )  # fmt: skip
            except OSError:
                lock.release()
                raise
        self._watching[slug] = Thread(target=lambda: (process.wait(), lock.release()), daemon=True)
        self._watching[slug].start()
        return process

    def _alive(self, slug: str) -> bool:
        if (process := self._at_work.get(slug)) is None:
            return is_held(self._file(slug, "lock")) or is_held(self.folder / slug / WORK / LOCK)
        return process.poll() is None

    def _progress(self, slug: str) -> Progress | None:
        """The last progress that the process told."""
        lines = [line for line in _lines(self._file(slug, "log")) if '"progress"' in line]
        return next((event for event in _events(reversed(lines)) if isinstance(event, Progress)), None)

    def _problem(self, slug: str) -> str:
        """What a process complained of before it ended by itself."""
        process = self._at_work.get(slug)
        if process is None or not process.returncode or process.returncode < 0:
            return ""  # done, stopped, or of an earlier day: then going on tells
        lines = [line for line in _lines(self._file(slug, "err")) if line.strip()]
        return " ".join(lines[-2:])

    def _said(self, slug: str, out: Path) -> tuple[tuple[float, str], ...]:
        """What the model under training answered when it was last checked, at either end."""
        said = self._says.setdefault(slug, {})
        for event in _events(_lines(out / "training" / "guard.jsonl")):
            if isinstance(event, Finished) and event.row == 0 and event.at.leading:
                said[event.at.leading] = event.text
        return tuple(sorted(said.items()))


def _a_pair(out: Path) -> tuple[str, str, str] | None:
    """The first pair that is learnt from: prompt, chosen, rejected."""
    lines = _lines(out / "training" / "pairs.jsonl")
    try:
        pair = Pair(**parse_json(lines[0]))
        return pair.prompt[-1].content, pair.chosen, pair.rejected
    except (InvalidInput, TypeError, IndexError):  # none yet, or damaged: then going on tells
        return None


def _events(lines: Iterable[str]) -> Iterator[Event]:
    """The events among the lines of a process, which may print anything else as well."""
    for line in lines:
        with contextlib.suppress(InvalidInput):
            yield from_json(line)


def _lines(path: Path) -> list[str]:
    """The whole lines of a file that another process may be writing."""
    try:
        return path.read_bytes().decode("utf-8", "replace").split("\n")[:-1]
    except OSError:
        return []
