"""Walks along the dials: by mouse, touch, key and number, snapping, following, and with other axes mixed in."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, WALK, Keep, Open
from tests.browser.person import alpha, done, reply, run, thumb_at

pytestmark = WALK


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
    expect(page.locator("#steered .strength")).to_have_text("alpha 1")
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
    box = page.locator("#alpha .dial-number")
    box.fill("4.5")
    box.press("Enter")
    expect(page.locator("#steered .strength")).to_contain_text("alpha 4.5")
    done(page)
    assert alpha(page) == 4.5


def test_where_the_reply_changes_is_marked_and_the_keys_go_there(open_page: Open) -> None:
    page = open_page()
    run(page)
    expect(page.locator("#alpha .dial-changes b")).to_have_count(1)
    assert page.locator("#alpha .dial-changes i").count() >= 2
    page.get_by_role("checkbox", name="Tokens").check()
    done(page)
    expect(page.locator("#holds")).to_contain_text("becomes")
    before, ticks = reply(page, "steered"), page.locator("#alpha .dial-changes i").count()
    page.get_by_role("slider", name="alpha").focus()
    page.keyboard.press(".")
    expect(page.locator("#steered .strength")).not_to_have_text("alpha 1")
    assert alpha(page) > 1
    done(page)
    assert reply(page, "steered") != before
    expect(page.locator("#alpha .dial-changes i")).not_to_have_count(ticks)


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
