"""What holds on every tab: reachable by keyboard, no serious finding of axe-core in light and dark, installable."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import WALK, Open

pytestmark = WALK

TABS = ("Play", "Curves", "Axes", "Guide")
SHOWN = {"Play": ".js-plotly-plot", "Curves": "#measure", "Axes": "#card h2", "Guide": "#guide h1"}


def test_every_tab_opens_by_keyboard_alone(open_page: Open) -> None:
    page = open_page()
    for name in TABS[1:]:
        page.get_by_role("tab", name=name, exact=True).focus()
        page.keyboard.press("Enter")
        expect(page.locator(SHOWN[name]).first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page: Open, scheme: str) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    serious: list[str] = []
    for name in TABS:
        page.get_by_role("tab", name=name, exact=True).click()
        expect(page.locator(SHOWN[name]).first).to_be_visible()
        found = Axe().run(page).response["violations"]
        serious += [
            f"{name}: {one['id']}: {[node['html'][:160] for node in one['nodes']]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
    assert not serious, "\n".join(serious)


def test_the_guide_shows_its_pictures_and_how_to_cite(open_page: Open) -> None:
    import playground

    page = open_page()
    page.get_by_role("tab", name="Guide", exact=True).click()
    expect(page.locator("#guide .picture svg[role=img][aria-label]")).to_have_count(3)
    expect(page.locator("#guide")).to_contain_text(playground.__version__)


def test_it_can_be_installed_as_an_app(open_page: Open) -> None:
    page = open_page()
    link = "document.querySelector('link[rel=manifest]').href"
    manifest = page.evaluate(f"fetch({link}).then(answer => answer.json())")
    assert manifest["name"] == "Alignment Playground"
    assert manifest["icons"]
    for icon in manifest["icons"]:
        assert page.evaluate("source => fetch(source).then(answer => answer.ok)", icon["src"])
