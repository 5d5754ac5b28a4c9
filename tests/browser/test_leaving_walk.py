"""Leaving: whoever closes the page in mid-reply gives the model back to the others at once."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import WALK, Open
from tests.browser.person import length

pytestmark = WALK

LEFT = re.compile(r"left after \d+ tokens, (\d+) go on")


def write(page: Page) -> None:
    length(page, 400)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#status .status")).to_have_class(re.compile("writing"))


def left(log: Path, page: Page, times: int, since: int) -> list[int]:
    """How many requests went on whenever one was left; waits until so many were, after `since` letters of the log."""
    while len(told := LEFT.findall(log.read_text(encoding="utf-8")[since:])) < times:
        page.wait_for_timeout(20)
    return [int(others) for others in told]


@pytest.mark.usefixtures("held")
def test_a_closed_page_frees_its_rows_at_once(open_page: Open, log: Path) -> None:
    leaver, stayer, watcher = (open_page() for _ in range(3))
    write(leaver)
    write(stayer)
    since = len(log.read_text(encoding="utf-8"))
    leaver.close()
    assert left(log, watcher, 1, since) == [1]
    expect(stayer.locator("#status .status")).to_have_class(re.compile("writing"))
    stayer.context.close()
    assert left(log, watcher, 2, since) == [1, 0]
