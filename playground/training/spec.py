"""What to train, and whether it can end well: everything that is settled before a stage begins.

Knows texts, files and the clock; computes nothing.
"""

import hashlib
import json
import math
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.cards import Data, JudgeKind, Named, Poles
from playground.engine.language_model import LanguageModel
from playground.errors import InvalidInput
from playground.files import digest as file_digest
from playground.files import read_record, write_json
from playground.locks import LOCK, held
from playground.settings import Message, conversation
from playground.training import pairs
from playground.training.pairs import Pair
from playground.training.recipe import WORK, Recipe, Stage

_SHARES: dict[Stage, float] = {
    "pairs": 0.2, "reward": 0.25, "layer": 0.4, "refinement": 0.66,
    "rollouts": 0.7, "value": 0.78, "calibration": 0.85, "card": 0.96,
}  # fmt: skip
"""By which share of the time budget each stage begins no new work."""

_RECORD = "job.json"


@dataclass(frozen=True)
class Job:
    """What to train: from `given` pairs, from two `descriptions` (positive, negative) to invent pairs by, or from both.

    Given pairs of short sayings tell who speaks as well, so that the model invents pairs without a description too;
    where one reply of a given pair is empty it is the model's own.
    `prompts` are what the model replies to.
    `judge_pairs` (`judge_data` says where they are from) are for the judge alone: one of words is fitted and checked on
    them, others are checked. A judge of words may lie fitted in `judge_file` instead. `encoder` is the folder of a
    sentence encoder, for measuring coherence.
    """

    name: str
    description: str
    poles: Poles
    out: Path
    prompts: Sequence[str]
    command: str
    data: tuple[Data, ...]
    given: Sequence[Pair] = ()
    descriptions: tuple[str, str] | None = None
    judge: JudgeKind = "words"
    judge_pairs: Sequence[Pair] = ()
    judge_data: tuple[Data, ...] = ()
    judge_file: Path | None = None
    encoder: Path | None = None
    recipe: Recipe = Recipe()
    minutes: float | None = None
    until: Stage = "card"

    @property
    def completes(self) -> bool:
        """Whether the model writes one reply of some given pairs."""
        return not all(pair.is_complete for pair in self.given)


def check(model: LanguageModel, job: Job) -> None:
    """Refuse, before any work is done, what would fail later: too few prompts or pairs, texts beyond the context."""
    Named(name=job.name)
    share = job.recipe.development_share
    for development in (False, True):
        prompts_for(job, development)
    most = max(job.recipe.reply_tokens, job.recipe.measured_tokens)
    for prompt in job.prompts:
        _check_fits(model, conversation(prompt), "", most, f"The prompt {prompt[:40]!r}")
    if job.given:
        pairs.split(job.given, share)
    for number, pair in enumerate(job.given, start=1):
        more = 1 if pair.is_complete else job.recipe.pair_tokens
        _check_fits(model, pair.prompt, max(pair.chosen, pair.rejected, key=len), more, f"Pair {number}")


def _check_fits(model: LanguageModel, prompt: Sequence[Message], reply: str, more: int, what: str) -> None:
    # A token is at least a byte of text, so most texts need not be tokenised to know that they fit.
    if sum(len(turn.content.encode()) + 64 for turn in prompt) + len(reply.encode()) + more < model.context_length:
        return
    length = len(model.prompt_ids(prompt)) + len(model.reply_ids(reply)) + more
    if length > model.context_length:
        raise InvalidInput(
            f"{what} is {length} tokens long with its reply, beyond {model.name}'s context of {model.context_length}.",
            "Shorten it or leave it out.",
        )


@contextmanager
def claim(model: LanguageModel, job: Job) -> Generator[Path]:
    """The work folder, which must be new or hold the beginnings of this very job, and which nobody else may be at."""
    what = {
        "recipe": job.recipe.model_dump(mode="json"),
        "base": model.identity().weights,
        "dtype": str(model.dtype),
        "descriptions": job.descriptions,
        "pairs": digest(job.given),
        "judge": [job.judge, digest(job.judge_pairs), *([file_digest(job.judge_file)] if job.judge_file else [])],
        "prompts": hashlib.sha256("\n".join(job.prompts).encode()).hexdigest(),
    }
    _check_is_ours(job.out, what)  # before anything is made there
    with held(job.out / WORK) as work:
        _check_is_ours(job.out, what)  # nobody was faster
        write_json(work / _RECORD, what)
        yield work


def _check_is_ours(out: Path, what: dict[str, Any]) -> None:
    """Raise InvalidInput unless an axis's folder is new, empty or of this very job."""
    work = out / WORK
    record = work / _RECORD
    try:
        if record.exists():
            if read_record(record, dict) != json.loads(json.dumps(what)):
                raise InvalidInput(
                    f"{out} holds the work of another training run.", "Choose another folder, or delete that one."
                )
            return
        other = out.exists() and any(path != work for path in out.iterdir())
        if other or (work.exists() and any(path.name != LOCK for path in work.iterdir())):
            raise InvalidInput(f"{out} is not empty.", "Choose a new folder for the axis.")
    except OSError as error:
        raise InvalidInput(f"{out} cannot be used: {error.strerror}.", "Choose another folder.") from None


def deadlines(minutes: float | None) -> dict[Stage, float]:
    """When each stage begins no new work, in time.monotonic seconds."""
    budget = math.inf if minutes is None else minutes * 60
    return {stage: time.monotonic() + share * budget for stage, share in _SHARES.items()}


def prompts_for(job: Job, development: bool) -> list[str]:
    """The job's prompts that are for training, or for development."""
    share = job.recipe.development_share
    part = [prompt for prompt in job.prompts if pairs.is_development(prompt, share) == development]
    if len(part) < 2:
        raise InvalidInput(
            f"{len(job.prompts)} prompts are too few to keep some for checking.", "Give some forty different prompts."
        )
    return part


def digest(part: Sequence[Pair]) -> str:
    """sha256 of some pairs, in their order."""
    return hashlib.sha256("\n".join(pair.model_dump_json() for pair in part).encode()).hexdigest()
