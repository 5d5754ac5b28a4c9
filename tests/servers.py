"""The page as a program of its own, for tests that talk to it by HTTP."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.ports import free_port

ROOT = Path(__file__).parents[1]


class PageServer:
    """`playground app`, or `serve`, of the tiny model in a process of its own, for the length of a `with`."""

    def __init__(self, log: Path, *options: str, command: str = "app", **environment: str) -> None:
        self.port = free_port()
        self.url, self.log = f"http://127.0.0.1:{self.port}", log
        self.command = [sys.executable, "-m", "playground", command, "--model", "tiny", "--port", str(self.port)]
        self.command += [*(["--no-browser"] if command == "app" else []), *options]
        self.environment = os.environ | {"OMP_NUM_THREADS": "1"} | environment

    def __enter__(self) -> "PageServer":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            try:
                httpx.get(self.url, timeout=60)
                if "Ctrl-C stops it" in self.log.read_text():
                    return self
            except httpx.TransportError:
                time.sleep(0.1)  # not up yet
        raise AssertionError(f"The page did not come up:\n{self.log.read_text()}")

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
