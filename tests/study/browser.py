"""A browser without a screen: talks to the real server by HTTP as the page's own script does, and reads its HTML."""

import json
import os
import re
import subprocess
import sys
import time
from html import unescape
from pathlib import Path
from typing import Any

import httpx

from playground.study.words import shipped
from tests.ports import free_port

PRACTISED = shipped("en")["practice_over"]
"""What the page says once a part is practised."""
ROOT = Path(__file__).parents[2]


class Server:
    """`playground study serve` in a process of its own, for the length of a `with`.

    `kill` ends it the hard way; `start` brings it back.
    """

    def __init__(self, folder: Path, database: str, log: Path, *options: str) -> None:
        self.port = free_port()
        self.url, self.log = f"http://127.0.0.1:{self.port}", log
        self.command = [sys.executable, "-m", "playground", "study", "serve", str(folder)]
        self.command += ["--database", database, "--port", str(self.port), *options]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        """Start, and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=log, stderr=log
            )
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            try:
                httpx.get(self.url, timeout=5)
                return self
            except httpx.TransportError:
                time.sleep(0.1)  # not up yet
        raise AssertionError(f"The study did not come up:\n{self.log.read_text()}")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()


class Browser:
    """One person's browser. `page` is what the page tells its script; `html` all that it shows.

    It keeps the codes of people who began in it, and adds to its address what the page asks for.
    """

    def __init__(self, url: str, query: str = "", wait_s: float = 60) -> None:
        self.client = httpx.Client(base_url=url, timeout=wait_s)
        self.query = query
        self.html = ""
        self.own: dict[str, str] = {}

    def close(self) -> None:
        self.client.close()

    def shown(self, answer: httpx.Response) -> str:
        """What an answer shows; raises httpx.HTTPError for one that is not good."""
        self.html = answer.raise_for_status().text
        person, code = self.person, self._told("page")["code"]
        if person["own"]:
            self.own[person["name"]] = code
        if person["address"]:
            self.query = str(httpx.QueryParams(self.query.removeprefix("?")).set("code", person["address"]))
            self.query = f"?{self.query}"
        if person["name"] in self.own and not code:
            return self.send(self.form("return"))
        return self.html

    def open(self) -> "Browser":
        """Load the page, or load it again."""
        self.shown(self.client.get(f"/{self.query}"))
        return self

    def _told(self, what: str) -> dict[str, Any]:
        found = re.search(rf'data-{what}="([^"]*)"', self.html)
        assert found is not None, self.html
        return json.loads(unescape(found[1]))

    @property
    def person(self) -> dict[str, Any]:
        return self._told("person")

    @property
    def page(self) -> dict[str, str]:
        page = self._told("page")
        return page | {"code": self.own.get(self.person["name"], page["code"])}

    @property
    def kind(self) -> str:
        """consent, instructions, pair, adjustment, single, questions, end or closed."""
        trial = re.search(r'class="trial (\w+)"', self.html)
        if trial:
            return trial[1]
        for sign, kind in (("consent", "consent"), ("begin", "instructions"), ("questions", "questions")):
            if f'data-action="{sign}"' in self.html:
                return kind
        return "end"

    @property
    def notice(self) -> str:
        found = re.search(r'<p class="notice" role="alert">(.*?)</p>', self.html)
        return unescape(found[1]) if found else ""

    @property
    def place(self) -> str:
        found = re.search(r'class="place">(.*?)<', self.html)
        return found[1] if found else ""

    def form(self, action: str, **more: Any) -> dict[str, Any]:
        """What the page's script would send."""
        return {"action": action, **self.page, **more}

    def send(self, form: dict[str, Any]) -> str:
        """Send a form; raises httpx.HTTPError when there is no answer, or not a good one."""
        return self.shown(self.client.post(f"/{self.query}", json=form))

    def next_form(self) -> dict[str, Any] | None:
        """A good answer to whatever is on the page; None at the end."""
        match self.kind:
            case "consent":
                return self.form("consent")
            case "instructions":
                return self.form("begin")
            case "pair":
                return self.form("answer", answer={"choice": "right", "degree": 2, "client_ms": 8000.5, "hidden": 1})
            case "adjustment":
                return self.form("answer", answer={"choice": "liked", "option": 1, "path": [[0, 0], [900.25, 1]]})
            case "single":
                return self.form("answer", answer={"choice": "strong", "client_ms": 8000})
            case "questions":
                return self.form("questions", values={"mood": "5", "remarks": "fine"})
            case _:
                return None
