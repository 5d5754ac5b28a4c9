"""Walks through Axes: read a card, make an axis and watch it, load one, be refused; and what strangers get."""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from playground import sources
from tests.browser.conftest import PHONE, WALK, Keep, Open, serve
from tests.tiny_axis import make_tiny_axis

pytestmark = WALK


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page keeps what is made on it."""
    return tmp_path_factory.mktemp("axes")


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    """The page of the tiny model with one axis; what is made here stays out of the other walks."""
    yield from serve(home / "log", "0.002")


@pytest.fixture(scope="module")
def public_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same page, for strangers."""
    yield from serve(tmp_path_factory.mktemp("public") / "log", "0", PLAYGROUND_PUBLIC="1")


def axes(open_page: Open, **settings: object) -> Page:
    page = open_page(**settings)
    page.get_by_role("tab", name="Axes", exact=True).click()
    expect(page.locator("#card h2")).to_have_text("cheer")
    return page


@contextmanager
def held_at_work(page: Page, home: Path, name: str) -> Iterator[int]:
    """Hold the process that makes an axis, whose number this gives, from its start or from now on."""
    while not (process := process_of(home, name)):
        page.wait_for_timeout(20)
    os.kill(process, signal.SIGSTOP)
    try:
        yield process
    finally:
        os.kill(process, signal.SIGCONT)


def process_of(home: Path, name: str) -> int:
    """The number of the process that makes an axis; 0 before it has begun."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in home.glob(f"data/**/axes/{name}.json")]
    return int(records[0]["pid"] or 0) if records else 0


def has_checked_a_layer(home: Path, name: str) -> bool:
    """Whether the process that makes an axis has come so far."""
    told = [path.read_text(encoding="utf-8") for path in home.glob(f"data/**/{name}/training/guard.jsonl")]
    return any(re.search(r'"row":0,"alpha":-?1\.0.*\n', text) for text in told)


def is_told_to_end(process: int) -> bool:
    """Whether a process that is held has been sent SIGTERM."""
    pending = re.search(r"ShdPnd:\s*(\w+)", Path(f"/proc/{process}/status").read_text(encoding="utf-8"))
    return bool(pending and int(pending[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_a_card_tells_and_an_example_shows_what_the_axis_does(open_page: Open, keep: Keep) -> None:
    page = axes(open_page)
    expect(page.locator("#card_details dl")).to_be_hidden()
    page.locator("#card_details summary").first.click()
    expect(page.locator("#card_details")).to_contain_text("alpha −1 to 1.5")
    page.locator("#card_details summary").first.click()
    expect(page.locator("#card_curve path.js-line").first).to_have_attribute("d", re.compile("M.+"))
    page.locator("#example_prompt textarea, #example_prompt input").fill("Who are you?")
    page.keyboard.press("Enter")
    for at in range(3):
        expect(page.locator("#example article .text").nth(at)).not_to_have_text("…")
    keep(page, "axes")


def test_two_sentences_become_an_axis_in_view_of_the_person(open_page: Open, keep: Keep, home: Path) -> None:
    page = axes(open_page)
    page.get_by_text("Make an axis from two sentences").click()
    page.locator("#make_axis").click()
    expect(page.locator("#axes_said [role=alert]")).to_contain_text("The axis needs a name.")
    page.locator("#new_name textarea, #new_name input").fill("calm")
    page.locator("#new_positive textarea").fill("a calm person")
    page.locator("#new_negative textarea").fill("a hectic person")
    page.locator("#make_axis").click()
    with held_at_work(page, home, "calm") as process:  # before it has done anything, or it might be done too early
        expect(page.locator("#making section.making")).to_be_visible()
        page.locator("#cancel_making").click()
        while not is_told_to_end(process):
            page.wait_for_timeout(20)
    expect(page.locator("#making .stopped")).to_contain_text("Resume continues here")
    page.reload()
    page.get_by_role("tab", name="Axes", exact=True).click()
    expect(page.locator("#making .stopped")).to_be_visible()
    page.locator("#go_on").click()
    while not has_checked_a_layer(home, "calm"):
        page.wait_for_timeout(20)
    with held_at_work(page, home, "calm"):
        expect(page.locator("#making .stages")).to_be_visible()
        for told in ("It learns from pairs such as this", "What it says when it is checked"):
            expect(page.locator("#making")).to_contain_text(told)
        keep(page, "axes-making")
    expect(page.locator("#making")).to_contain_text("Ready. It is in the list of axes.")
    expect(page.locator("#card h2")).to_have_text("calm")
    page.get_by_role("tab", name="Curves", exact=True).click()
    page.locator("#curves_axis input").click()
    expect(page.get_by_role("option", name="calm")).to_be_visible()


def test_an_upload_is_checked_and_a_pickle_refused(open_page: Open, tmp_path: Path) -> None:
    page = axes(open_page)
    page.get_by_text("Load an axis").click()
    made = make_tiny_axis(tmp_path / "grace", sources.resolve("tiny"), "grace", seed=3)
    good = (made / "identity_layer.safetensors").read_bytes()
    (made / "identity_layer.safetensors").write_bytes(b"\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.")
    files = page.locator("#axis_files input[type=file]")
    load = page.locator("#load_axis")
    files.set_input_files(sorted(made.iterdir()))
    expect(page.locator("#axis_files tr.file")).to_have_count(4)
    load.click()
    expect(page.locator("#axes_said [role=alert]")).to_contain_text("no safetensors file")
    (made / "identity_layer.safetensors").write_bytes(good)
    page.locator("#axis_folder textarea, #axis_folder input").fill(str(made))
    page.get_by_role("button", name="Clear").first.click()
    load.click()
    expect(page.locator("#axes_said")).to_contain_text("Loaded.")
    expect(page.locator("#card h2")).to_have_text("grace")


def test_a_public_page_offers_nothing_it_would_refuse(open_page: Open, public_url: str) -> None:
    page = axes(open_page, at=public_url)
    expect(page.get_by_text("On a machine of your own you can make an axis")).to_be_visible()
    for absent in ("#make_axis", "#load_axis", "#axis_files"):
        expect(page.locator(absent)).to_have_count(0)
    page.locator("#show_example").click()
    expect(page.locator("#example article .text").nth(2)).not_to_have_text("…")
    page.get_by_role("tab", name="Curves", exact=True).click()
    page.get_by_label("My prompts").check()
    expect(page.locator("#own_prompts textarea")).to_be_visible()
    expect(page.locator("#prompts_file")).not_to_be_visible()


def test_on_a_phone_in_the_dark_nothing_sticks_out(open_page: Open, keep: Keep) -> None:
    page = axes(open_page, color_scheme="dark", **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_text("Make an axis from two sentences").click()
    expect(page.locator("#make_axis")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    keep(page, "phone-axes-dark")
