"""Walks through the page as a person would take them, in a real browser, with a tiny model behind it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from playground import presets
from tests.browser.conftest import Open

pytestmark = pytest.mark.browser

Keep = Callable[[Page, str], None]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
expect.set_options(timeout=60_000)


def run(page: Page) -> None:
    page.get_by_role("button", name="Run", exact=True).click()
    done(page)


def done(page: Page) -> None:
    expect(page.locator("#status .status")).to_have_class(re.compile("done"))


def alpha(page: Page) -> float:
    return float(page.locator("#alpha input[type=number]").input_value())


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
    expect(page.locator("#holds")).to_contain_text("This reply holds")
    expect(page.locator("#plot .point")).to_have_count(5)
    keep(page, "light")


def test_equal_strengths_read_equal(open_page: Open) -> None:
    page = open_page()
    run(page)
    assert alpha(page) == 1
    cards = page.locator("#strip .card")
    assert cards.nth(1).locator(".text").inner_text() == reply(page, "base")
    assert cards.nth(3).locator(".text").inner_text() == reply(page, "steered")


def test_dragging_by_mouse_moves_the_line_at_once_and_answers_on_release(open_page: Open, keep: Keep) -> None:
    page = open_page()
    run(page)
    line = page.locator("#you .you")
    before = line.bounding_box()
    page.mouse.move(*thumb_at(page, 1))
    page.mouse.down()
    page.mouse.move(*thumb_at(page, 1.6), steps=6)
    assert alpha(page) == pytest.approx(1.6, abs=0.05)
    after = line.bounding_box()
    assert before is not None
    assert after is not None
    assert after["x"] > before["x"] + 20
    page.mouse.move(*thumb_at(page, 1.8), steps=3)
    page.mouse.up()
    assert alpha(page) == pytest.approx(1.8, abs=0.05)
    expect(page.locator("#steered .strength")).to_contain_text(f"alpha {alpha(page):g}")
    done(page)
    expect(page.locator("#steered .beyond")).to_be_visible()
    keep(page, "beyond-the-safe-range")


def test_the_dial_snaps_to_0_and_1_and_a_double_click_returns_to_0(open_page: Open) -> None:
    page = open_page()
    for near, home in ((1.02, 1), (0.02, 0), (-0.02, 0)):
        page.mouse.move(*thumb_at(page, near))
        page.mouse.down()
        page.mouse.up()
        assert alpha(page) == home
    page.mouse.click(*thumb_at(page, 2))
    assert alpha(page) == pytest.approx(2, abs=0.03)
    page.mouse.dblclick(*thumb_at(page, 2))
    assert alpha(page) == 0


def test_the_dial_by_keyboard(open_page: Open) -> None:
    page = open_page()
    run(page)
    page.get_by_role("slider", name="alpha").focus()
    for key, value in (("ArrowRight", 1.05), ("Shift+ArrowRight", 1.3), ("ArrowLeft", 1.25), ("0", 0), ("End", 3)):
        page.keyboard.press(key)
        assert alpha(page) == value
    page.keyboard.press("0")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#steered .strength")).to_contain_text("alpha −0.05")
    done(page)
    expect(page.locator("#steered .pane")).to_have_class(re.compile("negative"))
    expect(page.get_by_role("slider", name="alpha")).to_be_focused()


def test_the_number_box_goes_beyond_the_slider(open_page: Open) -> None:
    page = open_page()
    run(page)
    box = page.locator("#alpha input[type=number]")
    box.fill("4.5")
    box.press("Enter")
    expect(page.locator("#steered .strength")).to_contain_text("alpha 4.5")
    done(page)
    assert alpha(page) == 4.5


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


def test_the_next_change_is_a_change(open_page: Open) -> None:
    page = open_page()
    run(page)
    before = reply(page, "steered")
    page.get_by_role("button", name="next change").click()
    expect(page.locator("#steered .strength")).not_to_contain_text("alpha 1 ·")
    done(page)
    assert reply(page, "steered") != before


def test_stop_keeps_what_is_written(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("spinbutton", name="length").fill("400")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#status .status")).to_have_class(re.compile("writing"))
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_be_enabled()
    stop.click()
    expect(page.locator("#status")).to_contain_text(re.compile(r"Stopped at \d+ tokens"))
    expect(stop).to_be_disabled()
    assert reply(page, "steered")


def test_a_newer_strength_overtakes_the_one_being_written(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("spinbutton", name="length").fill("200")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#status .status")).to_have_class(re.compile("writing"))
    page.get_by_role("slider", name="alpha").focus()
    page.keyboard.press("0")
    expect(page.locator("#steered .strength")).to_contain_text("alpha 0 ·")
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
    assert "alpha 1 ·" in strength(one)
    assert "alpha −1 ·" in strength(two)
    assert reply(one, "base") != reply(two, "base")
    alone = open_page()
    run(alone)
    assert reply(alone, "steered") == reply(one, "steered")


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


def test_a_mistake_is_one_sentence_and_a_way_out(open_page: Open, keep: Keep) -> None:
    page = open_page()
    prompt = page.get_by_role("textbox", name="Prompt")
    for text, says in (("", "The prompt is empty"), ("long " * 3000, "context")):
        prompt.fill(text)
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.locator("#status .failed")).to_contain_text(says)
    keep(page, "mistake")
    expect(page.locator("#status")).to_have_attribute("aria-live", "polite")
    prompt.fill("Hello.")
    run(page)
    page.get_by_role("spinbutton", name="length").fill("-3")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#status .failed")).to_contain_text("max_new_tokens")


def test_nothing_jumps_while_it_is_written(open_page: Open) -> None:
    page = open_page()
    places = ("#base .pane", "#steered .pane", "#strip .strip", "#plot")
    still = [page.locator(place).bounding_box() for place in places]
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#status .status")).to_have_class(re.compile("writing"))
    assert [page.locator(place).bounding_box() for place in places] == still
    done(page)
    assert [page.locator(place).bounding_box() for place in places] == still


def test_a_phone_has_the_dials_under_the_thumb(open_page: Open, keep: Keep) -> None:
    page = open_page(**PHONE)
    run(page)
    keep(page, "phone")
    dials, steered, base = (page.locator(place).bounding_box() for place in ("#dials", "#steered", "#base"))
    assert dials is not None
    assert steered is not None
    assert base is not None
    assert dials["y"] + dials["height"] == pytest.approx(844, abs=1)
    assert steered["y"] < base["y"]
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


def test_reduced_motion_is_respected(open_page: Open) -> None:
    page = open_page(reduced_motion="reduce")
    page.get_by_role("spinbutton", name="length").fill("300")
    page.get_by_role("button", name="Run", exact=True).click()
    caret = page.locator(".caret").first
    caret.wait_for()
    assert caret.evaluate("e => getComputedStyle(e).animationName") == "none"
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#status")).to_contain_text("Stopped")


def test_a_model_without_an_axis_answers_as_it_came(open_page: Open, bare_url: str) -> None:
    page = open_page(at=bare_url)
    expect(page.locator("#steered")).to_contain_text("playground axis invent")
    expect(page.locator("#alpha input[type=range]")).to_be_disabled()
    run(page)
    assert reply(page, "base")


def test_the_steered_pane_follows_while_the_dial_is_held(open_page: Open) -> None:
    page = open_page()
    run(page)
    before = reply(page, "steered")
    page.mouse.move(*thumb_at(page, 1))
    page.mouse.down()
    page.mouse.move(*thumb_at(page, 1.6), steps=4)
    expect(page.locator("#steered .strength")).to_contain_text(f"alpha {alpha(page):g}")
    done(page)
    assert reply(page, "steered") != before, "it is still held"
    page.mouse.move(*thumb_at(page, 1), steps=4)
    expect(page.locator("#steered .strength")).to_contain_text("alpha 1 ·")
    done(page)
    page.mouse.up()
    assert reply(page, "steered") == before
    assert alpha(page) == 1


def test_dragging_by_touch(open_page: Open) -> None:
    page = open_page(**PHONE)
    run(page)
    x, y = thumb_at(page, 1)
    touch = page.context.new_cdp_session(page)
    for kind, dx in (("touchStart", 0), *(("touchMove", step) for step in range(8, 49, 8)), ("touchEnd", None)):
        points = [] if dx is None else [{"x": x + dx, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert alpha(page) > 1.3
    expect(page.locator("#steered .strength")).to_contain_text(f"alpha {alpha(page):g}")
    done(page)


def test_where_the_reply_changes_is_marked_and_the_keys_go_there(open_page: Open) -> None:
    page = open_page()
    run(page)
    expect(page.locator("#alpha .dial-changes b")).to_have_count(1)
    assert page.locator("#alpha .dial-changes i").count() >= 2
    expect(page.locator("#holds")).to_contain_text("becomes")
    before, ticks = reply(page, "steered"), page.locator("#alpha .dial-changes i").count()
    page.get_by_role("slider", name="alpha").focus()
    page.keyboard.press(".")
    expect(page.locator("#steered .strength")).not_to_contain_text("alpha 1 ·")
    assert alpha(page) > 1
    done(page)
    assert reply(page, "steered") != before
    expect(page.locator("#alpha .dial-changes i")).not_to_have_count(ticks)


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


def test_a_link_opens_to_the_same_in_another_browser_and_after_loading_again(open_page: Open) -> None:
    one = open_page()
    one.get_by_role("textbox", name="Prompt").fill("Which way, & why? 1+1 #é")
    one.get_by_role("slider", name="alpha").focus()
    one.keyboard.press("ArrowRight")
    run(one)
    expect(one).to_have_url(re.compile("alpha=1.05"))
    text = reply(one, "steered")
    two = open_page(one.url[one.url.index("?") :])
    again = one.context.new_page()
    again.goto(one.url)
    for page in (two, again):
        done(page)
        assert reply(page, "steered") == text
        assert alpha(page) == 1.05
        assert page.get_by_role("textbox", name="Prompt").input_value() == "Which way, & why? 1+1 #é"


def test_a_link_that_cannot_be_opened_says_why(open_page: Open) -> None:
    page = open_page("?prompt=Hi&alpha=much")
    expect(page.locator("#status .failed")).to_contain_text("This link cannot be opened")
    page = open_page("?prompt=Hi&axis=gone")
    expect(page.locator("#status .failed")).to_contain_text("'gone'")
    run(page)


def test_what_is_shown_can_be_taken_along(open_page: Open, tmp_path: Path) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    run(page)
    page.get_by_text("Share", exact=True).click()
    for button, says in (
        ("Copy link", "?prompt="),
        ("Copy as command", "playground say"),
        ("Copy as Python", "import"),
    ):
        page.get_by_role("button", name=button).click()
        expect(page.locator(".reuse [role=status]")).to_contain_text("copied")
        assert says in page.evaluate("navigator.clipboard.readText()")
    for button, name in (("Save as preset", "preset.toml"), ("Save as JSON", "comparison.json")):
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        download.value.save_as(tmp_path / name)
    assert presets.read(tmp_path / "preset.toml").prompt == page.get_by_role("textbox", name="Prompt").input_value()
    [example] = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))["examples"]
    assert example["output_text_a"].strip() == reply(page, "steered").strip()
    page.keyboard.press("Escape")
    expect(page.locator(".reuse .menu")).to_be_hidden()
    page.get_by_role("button", name="copy the base reply").click()
    assert page.evaluate("navigator.clipboard.readText()").strip() == reply(page, "base").strip()


def test_tokens_by_pointer_and_by_key(open_page: Open, keep: Keep) -> None:
    page = open_page()
    run(page)
    text = reply(page, "steered")
    page.get_by_role("checkbox", name="Look at the tokens").check()
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
    page.get_by_role("checkbox", name="Look at the tokens").uncheck()
    expect(tokens).to_have_count(0)


def test_another_axis_is_mixed_in(open_page: Open, recorded_url: str, keep: Keep) -> None:
    page = open_page(at=recorded_url)
    run(page)
    before, base = reply(page, "steered"), reply(page, "base")
    page.get_by_text("Mix in other axes").click()
    page.get_by_role("slider", name="alpha of noise").fill("1")
    expect(page).to_have_url(re.compile("more=noise"))
    done(page)
    assert reply(page, "steered") != before
    assert reply(page, "base") == base
    keep(page, "mixer")


def test_the_strip_takes_other_strengths(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="Advanced").click()
    field = page.get_by_role("textbox", name="Strengths side by side")
    field.fill("0, 1, 2")
    field.press("Enter")
    done(page)
    expect(page.locator("#strip .card")).to_have_count(3)
    field.fill("0, 1")
    field.press("Enter")
    expect(page.locator("#status .failed")).to_contain_text("3 to 7")


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
