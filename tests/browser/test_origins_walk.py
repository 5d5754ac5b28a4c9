"""Another site of the same domain, in a real browser, while the staff is logged in behind TLS."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from playground.study.database import sqlite_url
from playground.study.store import Store
from tests.browser.conftest import QUIET, WALK, patience, serve
from tests.browser.tls import DOMAIN, RULES, Proxy
from tests.ports import free_port
from tests.study.browser import Server
from tests.study.made import make_study

pytestmark = WALK

ASK = """async ([url, way]) => {
  try {
    const answer = await fetch(url, { credentials: 'include', ...way });
    return `${answer.type} ${answer.status} ${await answer.text()}`;
  } catch (error) { return `refused: ${error.message}`; }
}"""


@pytest.fixture(scope="module")
def mapped(playwright: Playwright) -> Iterator[Browser]:
    """Chromium that finds every name of the domain on this machine."""
    named = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    arguments = [*QUIET, f"--host-resolver-rules={RULES},MAP rebound.example 127.0.0.1"]
    browser = playwright.chromium.launch(executable_path=named if Path(named).exists() else None, args=arguments)
    yield browser
    browser.close()


@pytest.fixture
def page(mapped: Browser) -> Iterator[Page]:
    context = mapped.new_context(ignore_https_errors=True)
    context.set_default_timeout(patience())
    yield context.new_page()
    context.close()


def test_another_site_of_the_domain_neither_reads_nor_pauses_the_staffs_page(page: Page, tmp_path: Path) -> None:
    study = make_study(tmp_path / "study")
    database, port = sqlite_url(tmp_path / "study.sqlite"), free_port()
    options = ("--staff-port", str(port), "--staff-token", "right-and-long")
    with Server(tmp_path / "study", database, tmp_path / "log", *options), Proxy(tmp_path, port) as proxy:
        staff = proxy.url("staff")
        page.goto(staff)
        page.get_by_label("password").fill("right-and-long")
        page.get_by_role("button", name="Log in").click()
        expect(page.locator(".figure", has_text="Started")).to_be_visible()
        cookies = [one for one in page.context.cookies() if one["name"].startswith("staff")]
        assert cookies
        assert all(one["sameSite"] == "Lax" and one["httpOnly"] and one["secure"] for one in cookies)
        assert page.evaluate(ASK, [f"{staff}/standing", {}]).startswith("basic 200 ")

        page.goto(proxy.url("blog"))
        assert page.evaluate("location.hostname") == f"blog.{DOMAIN}"
        for path in ("/", "/standing", "/answers.zip"):
            assert page.evaluate(ASK, [staff + path, {}]).startswith("refused")
        for kind in ("application/x-www-form-urlencoded", "text/plain"):
            for mode in ("cors", "no-cors"):
                way = {"method": "POST", "body": "paused=1", "mode": mode, "headers": {"Content-Type": kind}}
                told = page.evaluate(ASK, [f"{staff}/pause?paused=1", way])
                assert told.startswith("refused" if mode == "cors" else "opaque 0")
        page.evaluate("url => { const image = new Image(); image.src = url; return image.decode().catch(() => 0); }",
                      f"{staff}/answers.zip")  # fmt: skip
        framed = page.evaluate_handle(
            "url => new Promise((done) => { const frame = document.createElement('iframe'); frame.src = url;"
            " frame.onload = () => done(frame); document.body.append(frame); })",
            staff,
        ).as_element()
        assert framed is not None
        inside = framed.content_frame()
        assert inside is not None
        assert inside.url.startswith("chrome-error:")

        with Store.open(database, study) as store:
            assert not store.paused()
        page.goto(staff)  # a link is followed, and the staff are still logged in
        page.get_by_role("button", name="Pause").click()
        expect(page.locator(".warning")).to_have_text("The study is paused.")
        with Store.open(database, study) as store:
            assert store.paused()


def test_a_name_that_was_pointed_at_this_machine_gets_nothing(page: Page, tmp_path: Path) -> None:
    for url in serve(tmp_path / "log", "0"):
        rebound = url.replace("127.0.0.1", "rebound.example")
        answer = page.goto(rebound)
        assert answer is not None
        assert answer.status == 403
        assert "does not answer to rebound.example" in page.content()
        way = {"method": "POST", "body": "{}", "headers": {"Content-Type": "application/json"}}
        for path in ("/config", "/gradio_api/queue/join", "/gradio_api/upload"):
            assert page.evaluate(ASK, [rebound + path, way]).startswith("basic 403")
        page.goto(url)
        expect(page.locator("#masthead")).to_be_visible()
