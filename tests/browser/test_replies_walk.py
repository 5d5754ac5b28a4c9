"""Walks through Play: one click, a strip, Stop, a newer strength, two people, tokens, and what goes wrong."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import WALK, Keep, Open
from tests.browser.person import alpha, done, length, reply, run, strength

pytestmark = WALK

WATCH = """places => {
    window.seen = [];
    const box = place => { const at = document.querySelector(place).getBoundingClientRect();
                           return [at.x, at.y, at.width, at.height]; };
    const look = () => {
        const status = document.querySelector("#status .status");
        if (status) window.seen.push([status.classList[1], places.map(box)]);
        requestAnimationFrame(look);
    };
    look();
}"""
"""Notes at every frame what the status is and where parts of the page stand: asking from outside may come too late."""


def test_one_click_answers_at_every_strength(open_page: Open, keep: Keep) -> None:
    page = open_page()
    expect(page.locator("#plot path.js-line").first).to_have_attribute("d", re.compile("M.+"))
    keep(page, "first-paint")
    run(page)
    for pane in ("base", "steered"):
        assert reply(page, pane)
    cards = page.locator("#strip .card")
    expect(cards).to_have_count(5)
    texts = [cards.nth(index).locator(".text").inner_text() for index in range(5)]
    assert all(texts)
    assert len(set(texts)) > 2
    expect(page.locator("#steered .chip")).to_have_count(4)
    expect(page.locator("#holds")).to_be_hidden()
    expect(page.locator("#plot .point")).to_have_count(5)
    keep(page, "light")


def test_equal_strengths_read_equal(open_page: Open) -> None:
    page = open_page()
    run(page)
    assert alpha(page) == 1
    cards = page.locator("#strip .card")
    assert cards.nth(1).locator(".text").inner_text() == reply(page, "base")
    assert cards.nth(3).locator(".text").inner_text() == reply(page, "steered")


def test_a_card_of_the_strip_is_adopted_by_key(open_page: Open) -> None:
    page = open_page()
    run(page)
    card = page.get_by_role("button", name="set alpha to -0.5")
    text = card.locator(".text").inner_text()
    card.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#steered .strength")).to_contain_text("alpha −0.5")
    assert alpha(page) == -0.5
    assert reply(page, "steered") == text
    expect(card).to_have_attribute("aria-pressed", "true")


def test_of_two_strengths_chosen_at_once_the_later_counts(open_page: Open) -> None:
    page = open_page()
    run(page)
    page.get_by_role("button", name="set alpha to 1.5").evaluate("""card => {
        const range = document.querySelector('#alpha input[type=range]');
        range.dispatchEvent(new KeyboardEvent('keydown', { key: '0' }));
        card.click();
    }""")
    expect(page.locator("#steered .strength")).to_contain_text("alpha 1.5")
    done(page)
    assert (strength(page), alpha(page)) == ("alpha 1.5", 1.5)


def test_the_next_change_is_a_change(open_page: Open) -> None:
    page = open_page()
    run(page)
    before = reply(page, "steered")
    page.get_by_role("checkbox", name="Tokens").check()
    done(page)
    expect(page.locator("#holds")).to_contain_text("Same reply for alpha")
    page.get_by_role("button", name="next change").click()
    expect(page.locator("#steered .strength")).not_to_have_text("alpha 1")
    done(page)
    assert reply(page, "steered") != before


def test_the_strip_takes_other_strengths(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="System prompt and strip").click()
    field = page.get_by_role("textbox", name="Strengths side by side")
    field.fill("0, 1, 2")
    field.press("Enter")
    done(page)
    expect(page.locator("#strip .card")).to_have_count(3)
    field.fill("0, 1")
    field.press("Enter")
    expect(page.locator("#status .failed")).to_contain_text("3 to 7")


def test_stop_keeps_what_is_written(open_page: Open, held: Callable[[], None]) -> None:
    page = open_page()
    length(page, 400)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#status .status")).to_have_class(re.compile("writing"))
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_be_enabled()
    expect(page.locator("#steered .text").last).to_have_text(re.compile(r"\S"))
    stop.click()
    expect(page.locator("#status")).to_contain_text(re.compile(r"Stopped at \d+ tokens"))
    expect(page.locator("#stop")).to_be_disabled()
    assert reply(page, "steered")


def test_a_newer_strength_overtakes_the_one_being_written(open_page: Open, held: Callable[[], None]) -> None:
    page = open_page()
    length(page, 200)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#status .status")).to_have_class(re.compile("writing"))
    page.get_by_role("slider", name="alpha").focus()
    page.keyboard.press("0")
    expect(page.locator("#steered .strength")).to_have_text("alpha 0")
    held()
    done(page)
    assert reply(page, "steered") == reply(page, "base")


def test_two_people_at_once_each_see_their_own_strength(open_page: Open) -> None:
    one, two = open_page(), open_page()
    two.get_by_role("textbox", name="Prompt").fill("Tell me about your evening.")
    two.get_by_role("slider", name="alpha").focus()
    two.keyboard.press("Home")
    for page in (one, two):
        page.get_by_role("button", name="Run", exact=True).click()
    for page in (one, two):
        done(page)
    assert strength(one) == "alpha 1"
    assert strength(two) == "alpha −1"
    assert reply(one, "base") != reply(two, "base")
    alone = open_page()
    run(alone)
    assert reply(alone, "steered") == reply(one, "steered")


def test_tokens_by_pointer_and_by_key(open_page: Open, keep: Keep) -> None:
    page = open_page()
    run(page)
    text = reply(page, "steered")
    page.get_by_role("checkbox", name="Tokens").check()
    tokens = page.locator("#ribbon .token")
    expect(tokens).to_have_count(64)
    done(page)
    assert reply(page, "steered") == text
    tokens.nth(3).hover()
    told = page.locator("#ribbon .told")
    expect(told).to_contain_text("value")
    expect(told.locator("ol")).to_have_count(2)
    expect(told.locator("li")).to_have_count(10)
    tokens.first.focus()
    first = told.inner_text()
    page.keyboard.press("ArrowRight")
    expect(tokens.nth(1)).to_be_focused()
    expect(told).not_to_have_text(first)
    expect(page.locator("#ribbon .values polyline")).to_have_count(2)
    keep(page, "tokens")
    page.get_by_role("checkbox", name="Tokens").uncheck()
    expect(tokens).to_have_count(0)


def test_something_recorded_is_there_at_once_and_the_first_touch_is_live(
    open_page: Open, recorded_url: str, keep: Keep
) -> None:
    page = open_page(at=recorded_url)
    expect(page.locator("#status")).to_contain_text("Recorded")
    recorded = [reply(page, pane) for pane in ("base", "steered")]
    assert all(recorded)
    assert page.locator("#strip .card .text").all_inner_texts() == [
        text for text in page.locator("#strip .card .text").all_inner_texts() if text
    ]
    assert "?" not in page.url
    keep(page, "recorded")
    page.get_by_role("slider", name="alpha").focus()
    page.keyboard.press("ArrowRight")
    done(page)
    assert reply(page, "base") == recorded[0], "the model says the same again"
    expect(page.locator("#status")).not_to_contain_text("Recorded")


def test_a_model_without_an_axis_answers_as_it_came(open_page: Open, bare_url: str) -> None:
    page = open_page(at=bare_url)
    expect(page.locator("#steered")).to_contain_text("two sentences describe")
    expect(page.locator("#alpha input[type=range]")).to_be_disabled()
    run(page)
    assert reply(page, "base")


def test_a_mistake_is_one_sentence_and_a_way_out(open_page: Open, keep: Keep) -> None:
    page = open_page()
    prompt = page.get_by_role("textbox", name="Prompt")
    for text, says in (("", "The prompt is empty"), ("long " * 3000, "context")):
        prompt.fill(text)
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.locator("#status .failed")).to_contain_text(says)
    keep(page, "mistake")
    expect(page.locator("#status").get_by_role("status")).to_have_attribute("aria-live", "polite")
    prompt.fill("Hello.")
    run(page)
    length(page, -3)
    expect(page.locator("#max_new_tokens .refused")).to_have_text("−3 is too small: at least 1. It stays 64.")


def test_nothing_jumps_while_it_is_written(open_page: Open, held: Callable[[], None]) -> None:
    page = open_page()
    expect(page.locator("#plot path.js-line").first).to_have_attribute("d", re.compile("M.+"))
    places = ["#base .pane", "#steered .pane", "#strip .strip", "#plot"]
    for place in places:
        page.locator(place).wait_for()
    length(page, 200)
    page.evaluate(WATCH, places)
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_function("() => window.seen.some(([status]) => status === 'writing')")
    held()
    done(page)
    seen = page.evaluate("() => window.seen")
    assert not [(status, boxes) for status, boxes in seen if boxes != seen[0][1]]
