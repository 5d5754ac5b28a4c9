"""Is a made folder still what it was made as? The SHA-256 of each of its files lies beside them.

The file reads as sha256sum writes it, so that `sha256sum --check playground.sha256` tells the same.
"""

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

from playground.files import write_text

FILE = "playground.sha256"


def sha256(file: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal(folder: Path) -> None:
    """Write down the SHA-256 of every file in the folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(FILE))
    write_text(folder / FILE, "".join(f"{sha256(file)}  {file.name}\n" for file in files))


def is_sealed(folder: Path) -> bool:
    """Whether the sums of the folder's files were written down."""
    return (folder / FILE).is_file()


def changed(folder: Path) -> list[str]:
    """The files of a sealed folder whose bytes are no longer those that were written; empty for a folder without sums.

    Within a process, a file is read again only once its size or time of change differ.
    """
    if not is_sealed(folder):
        return []
    try:
        lines = (folder / FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return [FILE]
    sums = [line.split("  ", 1) for line in lines]
    if not sums or any(len(line) != 2 for line in sums):
        return [FILE]
    return differing(folder, ((name, digest) for digest, name in sums))


def differing(folder: Path, sums: Iterable[tuple[str, str]]) -> list[str]:
    """Those of some (name, SHA-256) whose files in the folder are missing or others."""
    return [name for name, digest in sums if not _is_file_of(folder / name, digest)]


def _is_file_of(file: Path, digest: str) -> bool:
    try:
        state = file.stat()
        return _sha256_of(file, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns) == digest
    except OSError:
        return False


@functools.lru_cache
def _sha256_of(file: Path, *state: int) -> str:
    del state  # what tells one content of the file from another, as far as this process could have seen it change
    return sha256(file)
