"""What a person does on the Play page, and what they see there."""

import re

from playwright.sync_api import Page, expect


def run(page: Page) -> None:
    page.get_by_role("button", name="Run", exact=True).click()
    done(page)


def done(page: Page) -> None:
    expect(page.locator("#status .status")).to_have_class(re.compile("done"))


def alpha(page: Page) -> float:
    return float(page.locator("#alpha .dial-number").input_value())


def unfold(page: Page, name: str) -> None:
    """Open one of the folds below the dial."""
    fold = page.get_by_role("button", name=name)
    if fold.get_attribute("aria-expanded") == "false":
        fold.click()


def length(page: Page, tokens: int) -> None:
    """Type how long a reply may be, and leave the box."""
    box = page.get_by_role("spinbutton", name="Max new tokens")
    if not box.is_visible():
        unfold(page, "Length and sampling")
    box.fill(str(tokens))
    box.press("Tab")


def strength(page: Page) -> str:
    return page.locator("#steered .strength").inner_text()


def reply(page: Page, pane: str) -> str:
    return page.locator(f"#{pane} .text").last.inner_text()


def thumb_at(page: Page, value: float) -> tuple[float, float]:
    """Where on the screen the alpha slider's thumb stands at a value."""
    box = page.locator("#alpha input[type=range]").bounding_box()
    assert box is not None
    thumb = 20
    return box["x"] + thumb / 2 + (box["width"] - thumb) * (value + 1) / 4, box["y"] + box["height"] / 2
