"""A folder that one process at a time works in: it holds a lock until it ends, however it ends."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from playground.errors import InvalidInput

LOCK = ".lock"
"""The file that is locked. It holds nothing and may stay behind."""


def is_held(path: Path) -> bool:
    """Whether some process holds this file locked. None is made; what cannot be asked is held by nobody."""
    if not path.exists():
        return False
    try:
        FileLock(path, timeout=0, thread_local=False).acquire().lock.release()
    except Timeout:
        return True
    except OSError:
        return False
    return False


@contextmanager
def held(folder: Path) -> Generator[Path]:
    """Have a folder to oneself, made if need be. Raises InvalidInput while somebody else has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0, thread_local=False).acquire()
    except Timeout:
        raise InvalidInput(
            f"Another process is at work in {folder}.", "Wait for it, or choose another folder."
        ) from None
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be used: {error.strerror}.", "Choose another folder.") from None
    with lock:
        yield folder
