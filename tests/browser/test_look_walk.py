"""Walks on a phone, in the dark, and with motion reduced."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, WALK, Keep, Open
from tests.browser.person import length, run

pytestmark = WALK


def test_a_phone_has_the_dials_under_the_thumb(open_page: Open, keep: Keep) -> None:
    page = open_page(**PHONE)
    run(page)
    keep(page, "phone")
    dials, steered, base = (page.locator(place).bounding_box() for place in ("#dials", "#steered", "#base"))
    assert dials is not None
    assert steered is not None
    assert base is not None
    assert dials["y"] + dials["height"] == pytest.approx(844, abs=1)
    # The steered reply is in view; base is a swipe away, its edge in sight.
    assert steered["x"] + steered["width"] < 390
    assert steered["x"] + steered["width"] < base["x"] < 390
    assert steered["y"] == base["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="set alpha to 0.5").tap()
    expect(page.locator("#steered .strength")).to_contain_text("alpha 0.5")
    page.locator("#strip").scroll_into_view_if_needed()
    keep(page, "phone-strip")


@pytest.mark.parametrize("query", ["", "?__theme=dark"])
def test_dark_follows_the_system_and_the_address(open_page: Open, keep: Keep, query: str) -> None:
    page = open_page(query, color_scheme="light" if query else "dark")
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    run(page)
    background = page.locator("#base .pane").evaluate("e => getComputedStyle(e).backgroundColor")
    assert max(int(part) for part in re.findall(r"\d+", background)[:3]) < 60
    if not query:
        keep(page, "dark")
        page.get_by_role("button", name="switch between light and dark").click()
        expect(page.locator("body")).not_to_have_class(re.compile("dark"))


@pytest.mark.usefixtures("held")
def test_reduced_motion_is_respected(open_page: Open) -> None:
    page = open_page(reduced_motion="reduce")
    length(page, 300)
    page.get_by_role("button", name="Run", exact=True).click()
    # Found and read in one go: each token brings a new caret, and one that has gone has no style.
    found = page.wait_for_function(
        "() => { const e = document.querySelector('.caret'); return e && getComputedStyle(e).animationName; }"
    )
    assert found.json_value() == "none"
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_contain_text("Stopped")


def test_zoomed_for_the_back_row_the_panes_stand_side_by_side_above_the_dials(open_page: Open, keep: Keep) -> None:
    """At 200 % a screen of 1440 by 900 has this many pixels of the page's own."""
    page = open_page(viewport={"width": 720, "height": 450}, device_scale_factor=2)
    run(page)
    base, steered, dials = (page.locator(place).bounding_box() for place in ("#base", "#steered", "#dials"))
    assert base is not None
    assert steered is not None
    assert dials is not None
    assert base["y"] == steered["y"] and base["x"] < steered["x"]
    assert dials["y"] + dials["height"] == pytest.approx(450, abs=1)
    assert dials["height"] < 120
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    page.locator("#top").evaluate("e => e.scrollIntoView()")
    keep(page, "zoomed")
