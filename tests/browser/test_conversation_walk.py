"""Walks through a conversation of several turns, with a history of its own in either pane."""

from playwright.sync_api import expect

from tests.browser.conftest import WALK, Keep, Open
from tests.browser.person import done, run

pytestmark = WALK


def test_a_conversation_goes_on_in_both_panes_and_starts_anew(open_page: Open, keep: Keep) -> None:
    page = open_page()
    run(page)
    follow = page.locator("#follow_up textarea")
    expect(follow).to_be_enabled()
    follow.fill("And in the evening?")
    follow.press("Enter")
    for pane in ("base", "steered"):
        expect(page.locator(f"#{pane} .user").last).to_contain_text("And in the evening?")
    done(page)
    keep(page, "conversation")
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator("#base .user")).to_have_count(0)
    expect(page.locator("#status")).to_contain_text("Ready")


def test_the_last_turn_can_be_edited(open_page: Open) -> None:
    page = open_page()
    run(page)
    follow = page.locator("#follow_up textarea")
    follow.fill("And then?")
    follow.press("Enter")
    expect(page.locator("#base .user").last).to_contain_text("And then?")
    done(page)
    page.get_by_role("button", name="Edit last turn").click()
    expect(follow).to_have_value("And then?")
    follow.fill("And before?")
    page.get_by_role("button", name="Replace").click()
    expect(page.locator("#base .user").last).to_contain_text("And before?")
    expect(page.locator("#base .user")).to_have_count(2)
    done(page)
    expect(page.get_by_role("button", name="Send")).to_be_visible()
