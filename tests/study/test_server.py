"""The real server, by HTTP: a hundred browsers at once, what it tells about itself, and what it does not load."""

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from playground.study import stimuli
from playground.study.database import sqlite_url
from playground.study.records import Records
from playground.study.results import long_table
from playground.study.stimuli import Study
from tests.ports import free_port
from tests.study.browser import PRACTISED, ROOT, Browser, Server
from tests.study.made import SHORT, make_study
from tests.study.postgres import Server as Postgres


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    where = tmp_path_factory.mktemp("server")
    with Server(folder, sqlite_url(where / "study.sqlite"), where / "log") as server:
        yield server


def walk(url: str, query: str) -> tuple[str, list[str]]:
    """A whole visit; returns the last page and the tokens of the acknowledged answers."""
    browser, acknowledged = Browser(url, query, wait_s=120).open(), []
    while (form := browser.next_form()) is not None:
        browser.send(form)
        assert browser.notice in ("", PRACTISED)
        if form["action"] == "answer":
            acknowledged.append(form["token"])
    browser.close()
    return browser.html, acknowledged


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_hundred_browsers_at_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    study = make_study(tmp_path / "short", SHORT)
    postgres: Postgres | None = request.getfixturevalue("postgres") if kind == "postgresql" else None
    url = postgres.new_database() if postgres else sqlite_url(tmp_path / "study.sqlite")
    with Server(tmp_path / "short", url, tmp_path / "log") as server, ThreadPoolExecutor(100) as pool:
        visits = list(pool.map(lambda n: walk(server.url, f"?PROLIFIC_PID=pid-{n}"), range(100)))
    assert all("C-DONE" in html for html, _ in visits)
    acknowledged = [token for _, tokens in visits for token in tokens]
    assert len(set(acknowledged)) == len(acknowledged) == 100 * 4
    with Records.open(url, study) as records:
        assert len(records.external()) == 100
        table = long_table(records, study)
        answered = [event for event in records.events() if event["kind"] == "answered"]
    assert len(answered) == 100 * 4
    assert table.groupby("person").size().eq(4).all()
    assert table["person"].nunique() == 100
    cells = table.groupby("cell").size()
    assert cells.max() - cells.min() <= 1


def test_the_server_tells_nothing_about_conditions_or_other_functions(server: Server, study: Study) -> None:
    browser = Browser(server.url).open()
    shown = browser.html + browser.client.get("/").text + browser.client.get("/alive").text
    for secret in ("extraversion", "alpha", "strength", "stimul", str(study.manifest.sha256), "adaptive"):
        assert secret not in shown.lower()
    for path in ("/docs", "/openapi.json", "/config", "/gradio_api/info", "/standing", "/answers.zip"):
        assert browser.client.get(path).status_code == 404, path
    browser.close()


def test_files_of_the_server_cannot_be_fetched(server: Server, folder: Path) -> None:
    for path in (folder / "stimuli.parquet", folder / "study.toml", Path("/etc/passwd")):
        for way in ("/gradio_api/file=", "/file=", "/"):
            assert httpx.get(f"{server.url}{way}{path}").status_code in (403, 404)


def test_a_form_of_any_shape_gets_a_page_and_changes_nothing(server: Server) -> None:
    browser = Browser(server.url, "?PROLIFIC_PID=nasty").open()
    browser.send(browser.form("consent"))
    browser.send(browser.form("begin"))
    before = browser.place
    for data in (
        None,
        [],
        "x",
        7,
        {},
        {"action": "answer"},
        browser.form("answer", token="forged", answer={"choice": "left"}),
    ):
        browser.send(data)  # pyright: ignore[reportArgumentType]
        assert browser.notice
        assert browser.open().place == before
    browser.close()


def test_a_page_comes_whole_and_light_and_runs_no_script_but_its_own(server: Server) -> None:
    """What is sent is bounded: whoever takes part waits for it on a phone."""
    with httpx.Client(base_url=server.url) as client:
        page = client.get("/")
        screen = client.post("/", json={})
    assert page.headers["content-encoding"] == "gzip"
    assert page.num_bytes_downloaded < 12_000
    assert screen.num_bytes_downloaded < 3_000
    assert not re.findall(r'\b(?:src|href)="(?!data:,")', page.text)
    policy = page.headers.get_list("content-security-policy")
    assert any("default-src 'none'" in one and "unsafe-eval" not in one for one in policy)
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page.text, re.DOTALL)
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert any(f"'sha256-{digest}'" in one for one in policy)
    assert len(scripts) == 3
    assert page.headers["cache-control"] == "no-store"


def test_a_look_at_the_head_alone_is_no_arrival(folder: Path, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "study.sqlite")
    with Server(folder, url, tmp_path / "log") as server:
        browser = Browser(server.url, "?PROLIFIC_PID=looked").open()
        browser.send(browser.form("consent"))
        browser.send(browser.form("begin"))
        before = len(_events(url, folder))
        assert browser.client.head(f"/{browser.query}").status_code == 200
        assert len(_events(url, folder)) == before
        browser.open()
        assert len(_events(url, folder)) == before + 1
        browser.close()


def _events(url: str, folder: Path) -> list[dict[str, object]]:
    with Records.open(url, stimuli.load(folder)) as records:
        return records.events()


def test_a_form_far_too_long_is_refused_unread(server: Server) -> None:
    browser = Browser(server.url).open()
    with pytest.raises(httpx.HTTPStatusError) as refused:
        browser.send(browser.form("consent", values={"remarks": "x" * 2_000_000}))
    assert refused.value.response.status_code == 413
    assert browser.open().kind == "consent"
    browser.close()


def test_the_log_and_the_pages_hold_no_address_or_id(server: Server, tmp_path: Path) -> None:
    browser = Browser(server.url, "?PROLIFIC_PID=somebody-known").open()
    browser.send(browser.form("consent"))
    browser.close()
    assert "somebody-known" not in server.log.read_text()
    assert not re.search(r"127\.0\.0\.1:\d+ -", server.log.read_text())


def test_serving_loads_no_torch_and_no_gradio_and_ends_when_told(folder: Path, tmp_path: Path) -> None:
    code = f"""
import signal, sys, threading, time
from pathlib import Path
import httpx
from playground.serving.address import Address
from playground.study.web import serve
from tests.ports import free_port
from tests.study.browser import Browser
address, staff = Address("127.0.0.1", free_port()), Address("127.0.0.1", free_port())

def walk():
    try:
        until = time.monotonic() + 120
        while True:
            try:
                httpx.get(address.url)
                break
            except httpx.TransportError:
                assert time.monotonic() < until
                time.sleep(0.1)  # not up yet
        given = {{"password": "right-and-long"}}
        staff_page = Browser(staff.url).client.post("login", data=given, follow_redirects=True)
        assert "No participant is flagged" in staff_page.text
        browser = Browser(address.url.rstrip("/")).open()
        while (form := browser.next_form()) is not None:
            browser.send(form)
        assert "C-DONE" in browser.html
        print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
    finally:
        signal.raise_signal(signal.SIGTERM)

threading.Thread(target=walk).start()
serve.serve(Path({str(folder)!r}), {sqlite_url(tmp_path / "x.sqlite")!r}, address, serve.Staff(staff, "right-and-long"))
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "uvicorn" in loaded
    assert not loaded & {"torch", "transformers", "safetensors", "gradio", "plotly"}


def test_the_staff_page_wants_its_password(folder: Path, tmp_path: Path) -> None:
    port = free_port()
    database = sqlite_url(tmp_path / "study.sqlite")
    options = ("--staff-port", str(port), "--staff-token", "right-and-long")
    address = f"http://127.0.0.1:{port}"
    with Server(folder, database, tmp_path / "log", *options) as server, httpx.Client(base_url=address) as staff:
        for password in ("wrong", "", "right-and-lon"):
            assert staff.post("/login", data={"username": "staff", "password": password}).status_code == 400
            assert "Started" not in staff.get("/").text
            for method, path in (("GET", "/standing"), ("GET", "/answers.zip"), ("POST", "/pause?paused=1")):
                assert staff.request(method, path).status_code == 401
        html, _ = walk(server.url, "")
        assert "C-DONE" in html  # nobody has paused it
        assert staff.post("/login", data={"username": "staff", "password": "right-and-long"}).status_code == 303
        assert "<b>1</b><span>Completed</span>" in staff.get("/").text
        assert "<b>1</b><span>Completed</span>" in staff.get("/standing").text
        assert staff.get("/answers.zip").content.startswith(b"PK")
        assert staff.post("/pause?paused=1").headers["location"] == "./"
        assert "The study is paused" in staff.get("/standing").text
        assert staff.get("/pause?paused=0").status_code == 405
    assert "right-and-long" not in server.log.read_text()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--staff-token", "x"), "needs a staff page"),
        (("--database", "nonsense"), "no database address"),
        (("--host", "203.0.113.1"), "Cannot listen"),
    ],
)
def test_what_cannot_be_served_is_told_in_two_lines(folder: Path, options: tuple[str, ...], says: str) -> None:
    command = [sys.executable, "-m", "playground", "study", "serve", str(folder), *options]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr.splitlines()) == 2
