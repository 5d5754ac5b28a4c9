"""The server is killed while a page is open, and comes back at the same address."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from playground.study.database import sqlite_url
from tests.browser.conftest import ROOT, WALK, _wait_for, patience
from tests.browser.person import alpha, done, run
from tests.ports import free_port
from tests.study.browser import Server
from tests.study.made import make_study

pytestmark = WALK
LOST = "The server does not answer; trying again…"


class Killable:
    """The walks' server, which can be killed and started again at the same address."""

    def __init__(self, home: Path) -> None:
        self.port, self.log = free_port(), home / "log"
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.browser.server", str(self.port), "0.002"]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        _wait_for(self.url, self.process, self.log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Killable]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    server = Killable(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(
        viewport={"width": 1440, "height": 1000}, permissions=["clipboard-read", "clipboard-write"]
    )
    context.set_default_timeout(patience())
    yield context.new_page()
    context.close()


def test_a_lost_server_is_told_and_what_the_dials_show_is_asked_when_it_is_back(server: Killable, page: Page) -> None:
    page.goto(server.url)
    page.get_by_role("textbox", name="Prompt").fill("Who are you?")
    run(page)
    server.kill()
    page.get_by_role("slider", name="alpha").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    wanted = alpha(page)
    expect(page.locator("#connection")).to_have_text(LOST)
    expect(page.locator("#status")).not_to_be_visible()
    expect(page.locator(".toast-wrap")).not_to_be_visible()
    page.get_by_role("textbox", name="Prompt").fill("And who am I?")
    page.get_by_text("Share", exact=True).click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".reuse [role=status]")).to_have_text("Link copied.")
    link = page.evaluate("navigator.clipboard.readText()")
    assert re.search(rf"alpha={wanted:g}\b", link), link
    assert "And+who+am+I" in link
    server.start()
    expect(page.locator("#steered .strength")).to_contain_text(f"{wanted:g}")
    done(page)
    expect(page.locator("#connection")).not_to_be_visible()
    assert alpha(page) == wanted
    assert page.get_by_role("textbox", name="Prompt").input_value() == "And who am I?"
    page.get_by_role("slider", name="alpha").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#steered .strength")).to_contain_text(f"{alpha(page):g}")
    done(page)


def test_a_page_that_nobody_touched_is_as_it_was_when_the_server_is_back(server: Killable, page: Page) -> None:
    page.goto(server.url)
    expect(page.get_by_role("slider", name="alpha")).to_be_visible()
    server.kill()
    expect(page.locator("#connection")).to_have_text(LOST)
    with page.expect_navigation():
        server.start()
    expect(page.get_by_role("slider", name="alpha")).to_be_visible()
    assert page.url == f"{server.url}/"
    run(page)


def test_what_is_typed_in_a_study_stays_while_the_server_is_away(tmp_path: Path, page: Page) -> None:
    make_study(tmp_path / "study")
    with Server(tmp_path / "study", sqlite_url(tmp_path / "study.sqlite"), tmp_path / "log") as server:
        page.goto(server.url)
        consent = page.get_by_role("button", name="I agree, begin")
        expect(consent).to_be_visible()
        server.kill()
        expect(page.locator("#connection")).to_have_text(LOST, timeout=2 * patience())  # a study asks every 20 s
        expect(consent).to_be_enabled()
        consent.click()
        server.start()
        expect(page.get_by_role("button", name="Begin", exact=True)).to_be_visible()
        expect(page.locator("#connection")).not_to_be_visible()
