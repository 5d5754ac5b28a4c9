"""Walks from the prompt: Enter sends, a cut reply goes on, base stays, and a link tells what the dials show."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import WALK, Keep, Open
from tests.browser.person import done, length, reply, run

pytestmark = WALK

BLINKS = """() => {
    window.blinks = [];
    const base = document.getElementById('base');
    const says = () => ['.text', '.chips'].map(place => base.querySelector(place)?.innerText).join(' | ');
    const before = says();
    new MutationObserver(() => {
        if (says() !== before || base.querySelector('.ghost, .caret, .stale')) window.blinks.push(base.innerHTML);
    }).observe(base, { childList: true, subtree: true, characterData: true, attributes: true });
}"""
"""Notes whenever the base pane says anything else, or greys."""


def compose(page: Page, text: str) -> None:
    """Press Enter while a word is composed by an input method."""
    keys = page.context.new_cdp_session(page)
    keys.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
    page.keyboard.press("Enter")
    keys.send("Input.insertText", {"text": text})


@pytest.mark.parametrize(("field", "button"), [("prompt", "run"), ("follow_up", "send")])
def test_enter_sends_and_shift_enter_begins_a_line(open_page: Open, field: str, button: str) -> None:
    page = open_page()
    if field == "follow_up":
        run(page)
    box = page.locator(f"#{field} textarea")
    expect(box).to_be_enabled()
    box.fill("")
    box.press_sequentially("Which way")
    box.press("Shift+Enter")
    box.press_sequentially("do you go?")
    expect(box).to_have_value("Which way\ndo you go?")
    compose(page, "か")
    expect(page.locator("#base .text")).not_to_contain_text("か")
    assert "か" in box.input_value(), "an Enter that ends a word sends nothing"
    expect(page.locator("#status .status")).to_have_class(re.compile("empty" if field == "prompt" else "done"))
    box.press("Enter")
    if field == "follow_up":
        expect(page.locator("#base .user")).to_have_count(2)
    done(page)
    assert reply(page, "steered")


def test_a_cut_reply_goes_on_from_there(open_page: Open, keep: Keep) -> None:
    page = open_page()
    length(page, 16)
    run(page)
    short = {pane: reply(page, pane) for pane in ("base", "steered")}
    for pane in short:
        expect(page.locator(f"#{pane} .cut")).to_have_attribute("aria-label", re.compile("Cut at 16 tokens"))
        assert not short[pane].endswith("…")
    keep(page, "cut")
    page.locator("#steered").get_by_role("button", name="Continue").click()
    expect(page.get_by_role("spinbutton", name="Max new tokens")).to_have_value("80")
    expect(page.locator("#steered .chip").last).to_have_text("tokens 80")
    done(page)
    longer = {pane: reply(page, pane) for pane in short}
    assert all(longer[pane].startswith(short[pane][:-4]) and longer[pane] != short[pane] for pane in short)
    whole = open_page(page.url[page.url.index("?") :])
    done(whole)
    assert {pane: reply(whole, pane) for pane in short} == longer


def test_base_never_blinks_when_a_strength_moves(open_page: Open, recorded_url: str) -> None:
    page = open_page(at=recorded_url)
    expect(page.locator("#status")).to_contain_text("Recorded")
    page.evaluate(BLINKS)
    page.get_by_role("slider", name="alpha").focus()
    for key in ("ArrowRight", "Shift+ArrowRight", "0"):
        page.keyboard.press(key)
        done(page)
    page.get_by_role("button", name="set alpha to 1.5").click()
    expect(page.locator("#steered .strength")).to_contain_text("alpha 1.5")
    done(page)
    assert page.evaluate("window.blinks") == []


def test_a_conversation_says_what_its_strip_continues(open_page: Open, keep: Keep) -> None:
    page = open_page()
    run(page)
    page.locator("#follow_up textarea").fill("And then?")
    page.locator("#follow_up textarea").press("Enter")
    expect(page.locator("#base .user")).to_have_count(2)
    done(page)
    expect(page.locator("#strip .along")).to_contain_text(
        "All continue the conversation as steered at alpha 1: the card at 0 is not the base reply."
    )
    expect(page.locator("#steered small.past")).to_have_text("alpha 1")
    page.locator("#follow_up textarea").fill("Once more?")
    page.locator("#follow_up textarea").press("Enter")
    expect(page.locator("#base .user")).to_have_count(3)
    done(page)
    for pane in ("base", "steered"):
        scroll = page.locator(f"#{pane} .scroll")
        first, top = (place.bounding_box() for place in (page.locator(f"#{pane} .user.now"), scroll))
        assert first is not None and top is not None
        at_end = scroll.evaluate("e => e.scrollTop + e.clientHeight >= e.scrollHeight - 2")
        assert abs(first["y"] - top["y"]) < 8 or at_end, "the present turn is read from its first line"
        assert scroll.evaluate("e => e.scrollTop") > 0
    keep(page, "talk")


def test_the_link_tells_what_the_dials_show_even_while_the_model_is_busy(
    open_page: Open, held: Callable[[], None]
) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#status .status")).to_have_class(re.compile("writing"))
    page.get_by_role("slider", name="alpha").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("Share", exact=True).click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".reuse [role=status]")).to_contain_text("copied")
    assert "alpha=1.05&" in page.evaluate("navigator.clipboard.readText()")
    held()
    done(page)
