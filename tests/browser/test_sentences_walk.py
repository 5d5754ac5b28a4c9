"""Walks with an axis of two sentences: typed and steered by at once, sent as a link, trained on; on a phone too."""

import re
from urllib.parse import parse_qs, quote, urlsplit

from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, WALK, Keep, Open
from tests.browser.person import done, length, reply

pytestmark = WALK

KEEPER, GUARD = "a cheerful lighthouse keeper", "a bored night guard"


def describe(page: Page, positive: str, negative: str) -> None:
    """Choose two sentences in place of a trained axis, type both and press Enter."""
    page.locator("#axis input").click()
    page.get_by_role("option", name="describe …").click()
    page.get_by_label("Left: you are …").fill(negative)
    box = page.get_by_label("Right: you are …")
    box.fill(positive)
    box.press("Enter")


def test_two_sentences_steer_at_once(open_page: Open, keep: Keep) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    length(page, 8)
    describe(page, KEEPER, GUARD)
    done(page)
    for pane in ("base", "steered"):
        assert reply(page, pane)
    expect(page.locator("#alpha .dial-poles")).to_contain_text(KEEPER)
    expect(page.locator("#alpha .dial-poles")).to_contain_text(GUARD)
    expect(page.locator("#plot path.js-line").first).to_have_attribute("d", re.compile("M.+"))
    keep(page, "two-sentences")
    page.get_by_text("Share", exact=True).click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".reuse [role=status]")).to_contain_text("copied")
    link = parse_qs(urlsplit(page.evaluate("navigator.clipboard.readText()")).query)
    assert link["axis"] == [f"{KEEPER} | {GUARD}"]
    page.get_by_role("button", name="Train it").click()
    expect(page.get_by_label("What it should be like")).to_be_visible()
    expect(page.get_by_label("What it should be like")).to_have_value(KEEPER)
    expect(page.get_by_label("What it should not be like")).to_have_value(GUARD)


def test_a_link_with_two_sentences_opens_to_them_on_a_phone(open_page: Open, keep: Keep) -> None:
    axis = quote(f"{KEEPER} | {GUARD}")
    page = open_page(f"?prompt=Hello&axis={axis}&alpha=0.5&max_new_tokens=6", **PHONE)
    done(page)
    expect(page.get_by_label("Left: you are …")).to_have_value(GUARD)
    expect(page.get_by_label("Right: you are …")).to_have_value(KEEPER)
    expect(page.locator("#alpha .dial-poles")).to_contain_text(KEEPER)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the phone"
    keep(page, "two-sentences-phone")


def test_one_of_the_gallery_fills_both_boxes(open_page: Open) -> None:
    page = open_page()
    length(page, 8)
    page.locator("#axis input").click()
    page.get_by_role("option", name="describe …").click()
    page.locator("#gallery input").click()
    page.get_by_role("option", name="pirate").click()
    done(page)
    expect(page.get_by_label("Right: you are …")).not_to_have_value("")
    expect(page.get_by_label("Left: you are …")).not_to_have_value("")
    expect(page.locator("#alpha .dial-poles")).to_contain_text("pirate")


def test_a_model_without_an_axis_is_steered_by_two_sentences(open_page: Open, bare_url: str) -> None:
    page = open_page(at=bare_url)
    length(page, 8)
    page.get_by_label("Left: you are …").fill(GUARD)
    page.get_by_label("Right: you are …").fill(KEEPER)
    page.get_by_label("Right: you are …").press("Enter")
    done(page)
    assert reply(page, "steered")
    expect(page.locator("#alpha .dial-poles")).to_contain_text(KEEPER)
