"""The real server, by HTTP: a hundred browsers at once, what it tells about itself, and what it does not load."""

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from playground.study.database import sqlite_url
from playground.study.records import Records
from playground.study.results import long_table
from playground.study.stimuli import Study
from tests.ports import free_port
from tests.study.browser import ROOT, Browser, Server
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
        assert not browser.notice
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
    shown = browser.html + browser.client.get("/").text + browser.client.get("/config").text
    for secret in ("extraversion", "alpha", "strength", "stimul", str(study.manifest.sha256), "adaptive"):
        assert secret not in shown.lower()
    info = browser.client.get("/gradio_api/info")
    assert info.status_code == 404 or info.json() == {"named_endpoints": {}, "unnamed_endpoints": {}}
    config = browser.client.get("/config").json()
    assert not config.get("run_history")
    assert not config.get("mcp_server")
    for path in ("/docs", "/openapi.json", "/gradio_api/mcp/sse", "/monitoring"):
        assert browser.client.get(path).status_code in (401, 403, 404, 405), path
    browser.close()


def test_files_of_the_server_cannot_be_fetched(server: Server, folder: Path) -> None:
    for path in (folder / "stimuli.parquet", folder / "study.toml", Path("/etc/passwd")):
        for way in ("/gradio_api/file=", "/file="):
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


def test_serving_loads_no_torch(folder: Path, tmp_path: Path) -> None:
    code = f"""
import sys, threading, time
from pathlib import Path
from playground.study import stimuli
from playground.study.store import Store
from playground.study.web.staff import staff_page
from playground.study.web.app import appearance, build
from tests.study.browser import Browser
study = stimuli.load(Path({str(folder)!r}))
store = Store.open({sqlite_url(tmp_path / "x.sqlite")!r}, study)
staff_page(study, store, Path({str(tmp_path)!r}))
_, url, _ = build(study, store).launch(prevent_thread_lock=True, **appearance())
browser = Browser(url.rstrip("/")).open()
while (form := browser.next_form()) is not None:
    browser.send(form)
assert "C-DONE" in browser.html
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "gradio" in loaded
    assert not loaded & {"torch", "transformers", "safetensors"}


def test_the_staff_page_wants_its_password(folder: Path, tmp_path: Path) -> None:
    port = free_port()
    database = sqlite_url(tmp_path / "study.sqlite")
    options = ("--staff-port", str(port), "--staff-token", "right-and-long")
    address = f"http://127.0.0.1:{port}"
    with Server(folder, database, tmp_path / "log", *options) as server, httpx.Client(base_url=address) as staff:
        for password in ("wrong", "", "right-and-lon"):
            assert staff.post("/login", data={"username": "staff", "password": password}).status_code in (400, 422)
            assert staff.get("/config").status_code == 401
        walk(server.url, "")
        assert staff.post("/login", data={"username": "staff", "password": "right-and-long"}).status_code == 200
        config = staff.get("/config").json()
        answers = [
            staff.post("/gradio_api/run/predict", json={"data": [], "fn_index": one["id"], "session_hash": "s"})
            for one in config["dependencies"]
            if one["backend_fn"]  # the others happen in the browser
        ]
    assert all(answer.status_code == 200 for answer in answers)
    figures = next(answer.text for answer in answers if "figures" in answer.text)
    assert "<b>1</b><span>Completed</span>" in figures.replace("\\", "")
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
