"""A whole study and its staff's page behind Caddy and nginx, set up word by word as docs/studies.md says."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from playground.study.database import sqlite_url
from tests.browser.conftest import QUIET, WALK, patience
from tests.browser.test_study_walk import PHONE, answer, goes_on, kind, log_in
from tests.browser.tls import certificate
from tests.ports import free_port
from tests.study.browser import ROOT, Server
from tests.study.made import SHORT, make_study

pytestmark = WALK

GUIDE = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
NAMES = ("study.example.org", "staff.example.org")
Ports = tuple[int, int]


def block(beginning: str) -> str:
    """What the guide shows that begins so."""
    return next(shown for shown in re.findall(r"```text\n(.*?)```", GUIDE, re.DOTALL) if shown.startswith(beginning))


def caddy(folder: Path, ports: Ports, at: int) -> list[str]:
    """Caddy with the guide's file for both names, and a certificate of its own in place of an authority's."""
    mine = f"{{\nlocal_certs\nskip_install_trust\nadmin off\nauto_https disable_redirects\nhttps_port {at}\n}}\n"
    for name, port in zip(NAMES, ports, strict=True):
        mine += block("study.example.org {").replace(NAMES[0], name).replace("7870", str(port))
    (folder / "Caddyfile").write_text(mine, encoding="utf-8")
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def nginx(folder: Path, ports: Ports, at: int) -> list[str]:
    """nginx with the guide's location in a server that has a certificate."""
    certificate(folder)
    servers = "".join(
        f"server {{\nlisten 127.0.0.1:{at} ssl;\nserver_name {name};\nssl_certificate {folder}/cert.pem;\n"
        f"ssl_certificate_key {folder}/key.pem;\n{block('location /').replace('7870', str(port))}\n}}\n"
        for name, port in zip(NAMES, ports, strict=True)
    )
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    mine = f"daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
    mine += f"http {{\naccess_log off;\n{paths}{servers}}}\n"
    (folder / "nginx.conf").write_text(mine, encoding="utf-8")
    return ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "error.log")]


@pytest.fixture(scope="module")
def mapped(playwright: Playwright) -> Iterator[Browser]:
    """Chromium that finds both names on this machine."""
    named = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    arguments = [*QUIET, "--host-resolver-rules=MAP *.example.org 127.0.0.1"]
    browser = playwright.chromium.launch(executable_path=named if Path(named).exists() else None, args=arguments)
    yield browser
    browser.close()


@pytest.mark.parametrize("proxy", [caddy, nginx], ids=["caddy", "nginx"])
def test_a_visit_and_the_staff_behind_a_proxy(
    proxy: Callable[[Path, Ports, int], list[str]], mapped: Browser, tmp_path: Path
) -> None:
    if shutil.which(proxy.__name__) is None:
        pytest.skip(f"{proxy.__name__} is not installed")
    make_study(tmp_path / "study", SHORT)
    staff_port, at = free_port(), free_port()
    options = ("--staff-port", str(staff_port), "--staff-token", "the-password")
    with Server(tmp_path / "study", sqlite_url(tmp_path / "a.sqlite"), tmp_path / "log", *options) as server:
        command = proxy(tmp_path, (server.port, staff_port), at)
        home = os.environ | {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
        with (
            (tmp_path / "proxy.log").open("wb") as log,
            subprocess.Popen(command, env=home, stdout=log, stderr=log) as up,
        ):
            try:
                _answers(at, tmp_path / "proxy.log")
                _walked(mapped, at)
            finally:
                up.terminate()


def _answers(port: int, log: Path) -> None:
    """Wait until the proxy does."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)  # not up yet
    raise AssertionError(log.read_text(encoding="utf-8"))


def _walked(mapped: Browser, port: int) -> None:
    """A whole visit on a phone, and the staff who take the answers away."""
    context = mapped.new_context(**PHONE, ignore_https_errors=True)
    context.set_default_timeout(patience())
    page = context.new_page()
    page.goto(f"https://{NAMES[0]}:{port}/?PROLIFIC_PID=walker")
    goes_on(page, page.get_by_role("button", name="I agree, begin").tap)
    while kind(page) != "questions":
        if kind(page) == "instructions":
            goes_on(page, page.get_by_role("button", name="Begin", exact=True).tap)
        else:
            answer(page)
    goes_on(page, page.get_by_role("button", name="Finish").tap)
    expect(page.locator(".code")).to_have_text("C-DONE")
    context.close()
    _staff(mapped, port)


def _staff(mapped: Browser, port: int) -> None:
    context = mapped.new_context(ignore_https_errors=True)
    context.set_default_timeout(patience())
    staff: Page = context.new_page()
    staff.goto(f"https://{NAMES[1]}:{port}/")
    log_in(staff)
    with staff.expect_download() as download:
        staff.get_by_role("link", name=re.compile("answers", re.IGNORECASE)).first.click()
    assert download.value.path().stat().st_size > 1000
    context.close()
