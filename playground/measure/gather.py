"""Many replies of the model, gathered batch by batch into a file, so that a killed run goes on where it was."""

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from playground.engine.decode import decode
from playground.engine.language_model import LanguageModel
from playground.engine.methods import Steering
from playground.errors import InvalidInput
from playground.events import Finished, Progress, from_json, to_json
from playground.files import add_json_lines, in_one_piece, mend, read_json_lines
from playground.measure.progress import ProgressMeter
from playground.settings import Request

ROWS_PER_BATCH = 32
"""Rows decoded together. Fixed, so that a resumed run computes what the first would have."""


@dataclass(frozen=True)
class Gathering:
    """The file replies are kept in, and what gathering them is called meanwhile.

    Past `deadline` (time.monotonic seconds) no batch is begun but those with the first `least` rows.
    """

    store: Path
    stage: str
    deadline: float = math.inf
    least: int = 1


def gather(
    model: LanguageModel, axes: Mapping[str, Steering], request: Request, to: Gathering
) -> Generator[Progress, None, list[Finished]]:
    """Decode a request's rows and return their Finished events; those already in the store are not done again.

    A stage that ended is final: its file says so, and is what a later run gets, whatever it asks for. Past the deadline
    fewer replies than rows may come back.
    """
    rows, store = request.rows, to.store
    done, ended = _read(store)
    pace = ProgressMeter(to.stage, len(rows), "replies")
    yield pace(len(done))
    if ended:
        return [done[index] for index in sorted(done)]
    for start in range(0, len(rows), ROWS_PER_BATCH):
        batch = rows[start : start + ROWS_PER_BATCH]
        if all(start + index in done for index in range(len(batch))):
            continue
        if start >= to.least and time.monotonic() > to.deadline:
            break
        for event in decode(model, axes, request.model_copy(update={"rows": batch})):
            if isinstance(event, Finished):
                done[start + event.row] = replace(event, row=start + event.row)
        add_json_lines(store, [to_json(done[start + index]) for index in range(len(batch))])
        yield pace(len(done))
    add_json_lines(store, [to_json(Progress(to.stage, len(done), len(rows), "replies"))])
    return [done[index] for index in sorted(done)]


def _read(store: Path) -> tuple[dict[int, Finished], bool]:
    """The replies a file holds by row, and whether its stage had ended."""
    replies: dict[int, Finished] = {}
    mend(store)
    for event in read_json_lines(store, from_json):
        if isinstance(event, Progress):
            return replies, True
        if isinstance(event, Finished):
            replies[event.row] = event
    return replies, False


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors that a stage kept. Raises InvalidInput for a file that is missing or damaged."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise InvalidInput(f"{path} is damaged: {error}.", f"Delete {path.parent} to begin anew.") from None


def save_in_one_piece(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors: a kill leaves the old file or the new one."""
    with in_one_piece(path) as scratch:
        save_file(tensors, scratch)
