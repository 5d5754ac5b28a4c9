"""Walks through number boxes: what is typed is what counts, in every browser's language, or it is refused in words."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import WALK, Open
from tests.browser.person import alpha, done, reply, run, unfold

pytestmark = WALK

LOCALES = ["de-DE", "en-US"]


def typed(page: Page, box: str, text: str) -> None:
    """Type into a box as a person does, key by key, and press Enter."""
    field = page.locator(box)
    field.click()
    field.press("Control+a")
    field.press_sequentially(text)
    field.press("Enter")


@pytest.mark.parametrize("locale", LOCALES)
def test_a_decimal_comma_is_read_as_one(open_page: Open, locale: str) -> None:
    page = open_page(locale=locale)
    run(page)
    for text, value in (("0,5", "0.5"), ("−0,25", "−0.25"), (",75", "0.75"), ("1.5", "1.5"), ("０，５", "0.5")):
        typed(page, "#alpha .dial-number", text)
        expect(page.locator("#steered .strength")).to_contain_text(f"alpha {value}")
        done(page)
        assert alpha(page) == float(value.replace("−", "-"))
        expect(page.locator("#alpha .refused")).to_be_hidden()


@pytest.mark.parametrize("locale", LOCALES)
def test_what_is_no_number_is_refused_beside_the_box_and_the_dial_stays(open_page: Open, locale: str) -> None:
    page = open_page(locale=locale)
    run(page)
    before = reply(page, "steered")
    field = page.locator("#alpha .dial-number")
    for text, says in (
        ("1.000,5", "“1.000,5” has too many separators. Type a number such as 1000.5. It stays 1."),
        ("1,000", "“1,000” can be read as 1000 or as 1. Type one of them. It stays 1."),
        ("99999", "99999 is too large: at most 10000. It stays 1."),
        ("half", "“half” is not a number. It stays 1."),
        ("", "A number is missing. It stays 1."),
    ):
        field.click()
        field.press("Control+a")
        field.press("Delete")
        field.press_sequentially(text)
        field.press("Enter")
        expect(page.locator("#alpha .refused")).to_have_text(says)
        expect(field).to_have_value(text)
        expect(field).to_have_attribute("aria-invalid", "true")
    run(page)
    expect(page.locator("#steered .strength")).to_have_text("alpha 1")
    assert reply(page, "steered") == before
    expect(page.get_by_role("slider", name="alpha")).to_have_attribute("aria-valuetext", "1, cheerful")
    field.press("Escape")
    expect(field).to_have_value("1.00")
    expect(page.locator("#alpha .refused")).to_be_hidden()


@pytest.mark.parametrize("locale", LOCALES)
def test_every_other_box_reads_alike(open_page: Open, recorded_url: str, locale: str) -> None:
    page = open_page(at=recorded_url, locale=locale)
    unfold(page, "Control, the second dial")
    unfold(page, "Length and sampling")
    page.get_by_text("Mix in other axes").click()
    for box, text, shown in (
        ("#control .dial-number", "0,5", "0.50"),
        ("#temperature input", "0,7", "0.7"),
        ("#top_p input", "0,9", "0.9"),
        ("#repetition_penalty input", "1,1", "1.1"),
        ("#step_size input", "0,3", "0.3"),
        ("#seed input", "12", "12"),
        ("#max_new_tokens input", "24", "24"),
        (".mixed .alpha", "0,5", "0.5"),
        (".mixed .control", "-0,25", "-0.25"),
    ):
        typed(page, box, text)
        expect(page.locator(box)).to_have_value(shown)
    for box, text, says in (
        ("#seed", "1,5", "“1,5” is not a whole number. It stays 12."),
        ("#seed", "-1", "−1 is too small: at least 0. It stays 12."),
        ("#max_new_tokens", "1.000", "“1.000” can be read as 1000 or as 1. Type one of them. It stays 24."),
        ("#top_p", "0", "0 is too small: it must be above 0. It stays 0.9."),
        ("#temperature", "11", "11 is too large: at most 10. It stays 0.7."),
    ):
        typed(page, f"{box} input", text)
        expect(page.locator(f"{box} .refused")).to_have_text(says)
    typed(page, ".mixed .alpha", "1.000,5")
    expect(page.locator(".mixed .refused")).to_contain_text("too many separators")
    done(page)
    query = page.url
    for said in ("control=0.5", "temperature=0.7", "top_p=0.9", "step_size=0.3", "seed=12", "max_new_tokens=24"):
        assert said in query
    assert "more=noise%2C0.5%2C-0.25" in query


def test_half_a_number_asks_nothing(open_page: Open) -> None:
    page = open_page()
    run(page)
    field = page.locator("#alpha .dial-number")
    field.click()
    field.press("Control+a")
    field.press_sequentially("9")
    expect(page.locator("#steered .strength")).to_have_text("alpha 1")
    field.press_sequentially("9999")
    field.press("Enter")
    expect(page.locator("#alpha .refused")).to_be_visible()
    expect(page.locator("#steered .strength")).to_have_text("alpha 1")
    assert "alpha=1&" in page.url


def test_up_and_down_step(open_page: Open) -> None:
    page = open_page()
    unfold(page, "Length and sampling")
    field = page.locator("#max_new_tokens input")
    field.press("ArrowUp")
    expect(field).to_have_value("72")
    field.press("ArrowDown")
    expect(field).to_have_value("64")
