"""Files that people upload: where they lie, how much of them at a time, and for how long."""

import asyncio
import contextlib
import os
import stat
import time
from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from playground.serving.gate import refuse

MOST = 1_000_000_000
"""Bytes of all uploads that lie on the disk at the same time."""

KEPT_S = 3600.0
"""Seconds after which an upload is removed; what is made of it has been copied by then."""

LEFT_S = 86_400.0
"""Seconds after which anything else beside them is: what can be taken away, and what a process left that is no more."""

_EVERY_S = 600.0
_BLOCK = 4096  # bytes of a disk that a file or folder takes at least
_ROUTE = "/gradio_api/upload"


class Uploads:
    """Takes files while there is room for them in a folder, and none where there is no folder."""

    def __init__(self, app: ASGIApp, folder: Path | None, taken: Collection[str]) -> None:
        """`taken` are the paths of this process's uploads, as gradio adds to them."""
        self.app, self.folder, self.taken = app, folder, taken
        self.under_way = 0  # bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but files that are not taken."""
        if scope["type"] != "http" or not _brings_files(scope):
            await self.app(scope, receive, send)
            return
        if self.folder is None or scope["path"].rstrip("/") != _ROUTE:
            await refuse(scope, receive, send, 403, "This page takes no files.")
            return
        told = Headers(scope=scope).get("content-length", "")
        if not told.isdecimal():
            await refuse(scope, receive, send, 411, "Say how long the upload is, in a Content-Length header.")
            return
        length = int(told)
        there = await asyncio.to_thread(swept, self.folder, self.taken)
        if there + self.under_way + length > MOST:
            reason = f"There is no room for this upload: all together may hold {MOST / 1e6:g} MB. Try again later."
            await refuse(scope, receive, send, 413, reason)
            return
        self.under_way += length
        try:
            await self.app(scope, receive, send)
        finally:
            self.under_way -= length


def _brings_files(scope: Scope) -> bool:
    form = Headers(scope=scope).get("content-type", "").strip().lower().startswith("multipart/")
    return form and scope["path"].rstrip("/") != "/login"  # which is a form too


def swept(folder: Path, uploads: Collection[str]) -> int:
    """Remove what has lain in a folder for too long, uploads sooner than the rest; tell how many bytes are left."""
    left, now = 0, time.time()
    # Looked at before anything is removed, since that makes the folder it lay in new.
    for path, told in reversed([*_seen(folder)]):  # what lies in a folder comes before it
        with contextlib.suppress(OSError):  # gone meanwhile, or a folder that is not empty
            if now - told.st_mtime <= (KEPT_S if str(path) in uploads else LEFT_S):
                left += max(told.st_size, _BLOCK)
            elif stat.S_ISDIR(told.st_mode):
                path.rmdir()
            else:
                path.unlink()
    return left


def _seen(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(OSError):  # gone meanwhile
            yield path, path.lstat()


@asynccontextmanager
async def sweeping(folder: Path, uploads: Collection[str]) -> AsyncGenerator[None]:
    """Sweep a folder from time to time. The first time is at once: a process that was killed has left what it held."""

    async def sweep() -> None:
        while True:
            await asyncio.to_thread(swept, folder, uploads)
            await asyncio.sleep(_EVERY_S)

    task = asyncio.create_task(sweep())
    try:
        yield
    finally:
        task.cancel()
