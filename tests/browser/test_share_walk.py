"""Walks away with what the page shows, and back: links, copies, files."""

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from playground import presets
from tests.browser.conftest import WALK, Open
from tests.browser.person import alpha, done, reply, run

pytestmark = WALK


def test_a_link_opens_to_the_same_in_another_browser_and_after_loading_again(open_page: Open) -> None:
    one = open_page()
    one.get_by_role("textbox", name="Prompt").fill("Which way, & why? 1+1 #é")
    one.get_by_role("slider", name="alpha").focus()
    one.keyboard.press("ArrowRight")
    run(one)
    expect(one).to_have_url(re.compile("alpha=1.05"))
    text = reply(one, "steered")
    two = open_page(one.url[one.url.index("?") :])
    again = one.context.new_page()
    again.goto(one.url)
    for page in (two, again):
        done(page)
        assert reply(page, "steered") == text
        assert alpha(page) == 1.05
        assert page.get_by_role("textbox", name="Prompt").input_value() == "Which way, & why? 1+1 #é"


def test_a_link_that_cannot_be_opened_says_why(open_page: Open) -> None:
    page = open_page("?prompt=Hi&alpha=much")
    expect(page.locator("#status .failed")).to_contain_text("This link cannot be opened")
    page = open_page("?prompt=Hi&axis=gone")
    expect(page.locator("#status .failed")).to_contain_text("'gone'")
    run(page)


def test_what_is_shown_can_be_taken_along(open_page: Open, tmp_path: Path) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    run(page)
    page.get_by_text("Share", exact=True).click()
    for button, says in (
        ("Copy link", "?prompt="),
        ("Copy as command", "playground generate"),
        ("Copy as Python", "import"),
    ):
        page.get_by_role("button", name=button).click()
        expect(page.locator(".reuse [role=status]")).to_contain_text("copied")
        assert says in page.evaluate("navigator.clipboard.readText()")
    for button, name in (("Save as preset", "preset.toml"), ("Save as JSON", "comparison.json")):
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        download.value.save_as(tmp_path / name)
    assert presets.read(tmp_path / "preset.toml").prompt == page.get_by_role("textbox", name="Prompt").input_value()
    [example] = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))["examples"]
    assert example["output_text_a"].strip() == reply(page, "steered").strip()
    page.keyboard.press("Escape")
    expect(page.locator(".reuse .menu")).to_be_hidden()
    page.get_by_role("button", name="copy the base reply").click()
    assert page.evaluate("navigator.clipboard.readText()").strip() == reply(page, "base").strip()


def test_a_saved_preset_is_opened_again(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    page.get_by_role("textbox", name="Prompt").fill("Which way?")
    page.get_by_role("slider", name="alpha").focus()
    page.keyboard.press("ArrowRight")
    run(page)
    text = reply(page, "steered")
    page.get_by_text("Share", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as preset").click()
    download.value.save_as(tmp_path / "mine.toml")
    (tmp_path / "broken.toml").write_text('title = "x"\nalfa = 1', encoding="utf-8")
    later = open_page()
    for name in ("broken.toml", "mine.toml"):
        later.get_by_text("Share", exact=True).click()
        with later.expect_file_chooser() as chooser:
            later.get_by_role("button", name="Open a preset").click()
        chooser.value.set_files(tmp_path / name)
        if name == "broken.toml":
            expect(later.get_by_test_id("toast-text")).to_contain_text("In the preset broken.toml")
    expect(later.get_by_role("textbox", name="Prompt")).to_have_value("Which way?")
    done(later)
    assert (alpha(later), reply(later, "steered")) == (1.05, text)
