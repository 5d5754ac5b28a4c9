"""Curves, Axes and Guide from tablets to projectors: nothing is cut, nothing jumps, everything can be hit."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import WALK, Keep, Open

pytestmark = WALK

PAGES = {"Curves": "#curves", "Axes": "#axes", "Guide": "#guide"}
SHOWN = {"Curves": "#chart .main-svg", "Axes": "#card_curve .main-svg", "Guide": "#guide svg"}

CUT = """place => [...document.querySelectorAll(`${place} *`)].filter((e) => {
  if (e.closest('.picture') || e.closest('svg') || !e.checkVisibility({ visibilityProperty: true })) return false;
  const box = e.getBoundingClientRect();
  const words = [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const cut = words && e.clientWidth && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'auto';
  return box.width > 1 && box.height > 1 && (box.right > innerWidth + 1 || box.left < -1 || cut);
}).map((e) => `${e.tagName} ${e.id} ${e.className} ${e.textContent.trim().slice(0, 30)}`)"""
"""Elements that leave the window or whose words do not fit into them."""

SHIFTS = """window.shifted = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
}).observe({ type: 'layout-shift' });"""

SMALL = """place => [...document.querySelectorAll(`${place} :is(button, summary, a, [type=radio])`)].filter((e) => {
  const box = (e.closest('label') ?? e).getBoundingClientRect();
  return e.checkVisibility({ visibilityProperty: true }) && !e.closest('p, .js-plotly-plot') && box.width > 0
    && Math.min(box.width, box.height) < 24;
}).map((e) => `${e.tagName} ${e.id} ${e.className} ${e.textContent.trim().slice(0, 30)}`)"""

CONTRAST = """e => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => {
    const linear = (part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = parts(text).map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let behind = e;
  while (parts(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
  const both = [getComputedStyle(e).color, getComputedStyle(behind).backgroundColor];
  const [more, less] = both.map(light).sort((a, b) => b - a);
  return (more + 0.05) / (less + 0.05);
}"""


def opened(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    expect(page.locator(SHOWN[name]).first).to_be_visible()


@pytest.mark.parametrize("width", [600, 768, 820, 900, 1024, 1920])
def test_nothing_is_cut_and_nothing_jumps(open_page: Open, keep: Keep, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 900})
    expect(page.locator("#plot .main-svg").first).to_be_visible()  # Play is there, and is looked at in walks of its own
    page.evaluate(SHIFTS)
    for name, place in PAGES.items():
        opened(page, name)
        assert page.evaluate(CUT, place) == [], f"{name} at {width}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        keep(page, f"{name.lower()}-{width}")
    opened(page, "Curves")
    page.get_by_label("Against KL").check()
    expect(page.locator("#chart .xtitle")).to_contain_text("KL")
    opened(page, "Axes")
    assert page.evaluate("window.shifted") < 0.1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_chosen_tab_can_be_read_and_everything_can_be_hit(open_page: Open, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    for name, place in PAGES.items():
        opened(page, name)
        tab = page.get_by_role("tab", name=name, exact=True)
        assert tab.evaluate(CONTRAST) >= 4.5
        assert page.evaluate(SMALL, place) == [], name
