"""What a refused request costs: `python -m tools.refusals [MODEL]` serves a page for strangers and asks too much of it.

Each line is one request: how long its refusal took from here (median of five), and by how much the page's memory rose
above what it held before, at its peak. Linux only, which tells a process's peak and forgets it when asked.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TIMES = 5
MANY = [n / 1000 for n in range(1000)]
LINES = "\n".join(f"Prompt {n}" for n in range(80_000))

REQUESTS: dict[str, tuple[str, list[Any]]] = {
    "1000 alphas and 1000 controls": ("say", ["Hello.", "extraversion", MANY, MANY]),
    "100,000 alphas": ("say", ["Hello.", "extraversion", [0.5] * 100_000]),
    "a prompt of 900,000 letters": ("say", ["word " * 180_000]),
    "a prompt just over its bound": ("say", ["word " * 13_200]),
    "a system text of 900,000 letters": ("say", ["Hello.", "", 0, 0, "word " * 180_000]),
    "a body of 10 MB": ("say", ["x" * 10_000_000]),
    "lists 500 deep": ("say", [json.loads("[" * 500 + "]" * 500)]),
    "401 strengths": ("sweep", ["extraversion", ["Hello."], "0:400:1", "0"]),
    "two grids of 1000": ("sweep", ["extraversion", ["Hello."], "0:999:1", "0:999:1"]),
    "a grid of 400,000 numbers": ("sweep", ["extraversion", ["Hello."], "1," * 400_000]),
    "80,000 prompts": ("sweep", ["extraversion", LINES.split("\n")]),
    "a million seeds": ("sweep", ["extraversion", ["Hello."], "0,1", "0", 1_000_000]),
    "the Curves form, two grids of 1000": ("describe", ["extraversion", "0:999:1", "0:999:1", None, 20, ""]),
    "the Curves form, 80,000 prompts": ("describe", ["extraversion", "0:1:1", "0", "My prompts", 20, LINES]),
}


class Server:
    """A page in a process of its own."""

    def __init__(self, url: str, pid: int) -> None:
        self.url, self.pid = url, pid
        with urllib.request.urlopen(f"{url}/config") as answer:
            self.handlers: list[dict[str, Any]] = json.load(answer)["dependencies"]

    def ask(self, name: str, values: list[Any], session: str) -> str:
        """What the page answers in the end."""
        handler = next(one for one in self.handlers if one["api_name"] == name)
        padded = [*values, *[None] * (len(handler["inputs"]) - len(values))] if name == "describe" else values
        given = padded + DEFAULTS.get(name, [])[len(values) :]
        try:
            self._open("queue/join", {"data": given, "fn_index": handler["id"], "session_hash": session})
        except urllib.error.HTTPError as refused:
            return refused.read().decode()
        with urllib.request.urlopen(f"{self.url}/gradio_api/queue/data?session_hash={session}") as stream:
            for line in stream:
                if b'"process_completed"' in line:
                    return line.decode()
        raise AssertionError("The page broke off.")

    def _open(self, path: str, body: dict[str, Any]) -> None:
        asked = urllib.request.Request(
            f"{self.url}/gradio_api/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(asked).close()

    def memory(self, name: str) -> float:
        """VmRSS or VmHWM (its peak) in MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1000

    def forget_the_peak(self) -> None:
        """From now on the peak is counted anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


DEFAULTS: dict[str, list[Any]] = {
    "say": ["Hello.", "", [1.0], [0.0], "", 0.0, 0, 64],
    "sweep": ["extraversion", ["Hello."], "-1:2:0.5", "0", 1, 0, 0.7, 48],
}


@contextmanager
def served(model: str) -> Generator[Server]:
    """A page for strangers, up and warm."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "playground", "app", "--model", model, "--port", str(port), "--no-browser"]
    with subprocess.Popen(command, env={**os.environ, "PLAYGROUND_PUBLIC": "1"}) as page:
        try:
            url = f"http://127.0.0.1:{port}"
            while page.poll() is None:
                try:
                    server = Server(url, page.pid)
                    break
                except OSError:
                    time.sleep(0.2)
            else:
                raise SystemExit("The page did not come up.")
            server.ask("say", ["Hello.", "", [0.0], [0.0], "", 0.0, 0, 2], "first")
            server.ask("sweep", ["nobody", ["Hello."]], "second")
            yield server
        finally:
            page.terminate()


def main(model: str = "smollm2") -> None:
    """Ask, and print a table; ends with 1 when a request was answered that had to be refused."""
    answered: list[str] = []
    with served(model) as server:
        print(f"{'asked':<38} {'ms':>6} {'MB':>6}  answer")
        for number, (what, (name, values)) in enumerate(REQUESTS.items()):
            took: list[float] = []
            server.forget_the_peak()
            before = server.memory("VmRSS")
            said = ""
            for time_ in range(_TIMES):
                begun = time.perf_counter()
                said = server.ask(name, values, f"{number}-{time_}")
                took.append(1000 * (time.perf_counter() - begun))
            rose = max(0.0, server.memory("VmHWM") - before)
            told = said[said.find("error") if "error" in said else 0 :][:90]
            print(f"{what:<38} {statistics.median(took):6.0f} {rose:6.1f}  {told}", flush=True)
            if not any(word in said for word in ('"error"', "detail", "warning")):
                answered.append(what)
    if answered:
        raise SystemExit(f"Not refused: {', '.join(answered)}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
