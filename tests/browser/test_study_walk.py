"""A walk through a whole study on a phone, reloaded half-way, by touch and by keyboard; and the staff's page.

Every screen of both is looked at by axe-core, in light and in dark.
"""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from playground.study import analysis, report, simulate
from playground.study import crowd as crowds
from playground.study.database import sqlite_url
from playground.study.records import Records
from playground.study.results import long_table, people_table
from playground.study.stimuli import Study
from playground.study.store import Store
from playground.study.words import Words
from tests.browser.conftest import SCREENSHOTS, _is_ours, patience
from tests.study.browser import Server
from tests.study.made import PLAN, make_study

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
WIDE = {"width": 1100, "height": 1000}
DOUBLE_MS = 500
"""Two presses that follow each other sooner are one: those of a double click. Nobody has looked at a page so soon."""
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    folder = tmp_path_factory.mktemp("study")
    return folder, make_study(folder)


@pytest.fixture
def database(tmp_path: Path) -> str:
    return sqlite_url(tmp_path / "study.sqlite")


@pytest.fixture
def served(built: tuple[Path, Study], database: str, tmp_path: Path) -> Iterator[Server]:
    """The study with its staff page on the port after its own."""
    server = Server(built[0], database, tmp_path / "log")
    server.command += ["--staff-port", str(server.port + 1), "--staff-token", "the-password"]
    with server:
        yield server


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Open]:
    """Open an address in a browser of its own. What it asked of others and what it complained of is checked."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def opened_at(address: str, **settings: Any) -> Page:
        context = chromium.new_context(**settings)
        context.set_default_timeout(patience())
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: None if _is_ours(request.url) else wrong.append(request.url))
        page.goto(address)
        return page

    yield opened_at
    for context in contexts:
        context.close()
    assert not wrong


def kept(page: Page, name: str) -> None:
    """Keep a screenshot for the eye: what is on the screen without scrolling."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"study-{name}.png", animations="disabled")


def kind(page: Page) -> str:
    """consent, instructions, pair, adjustment, single, questions or end."""
    main = page.locator("main.study")
    trial = main.locator("section.trial")
    if trial.count():
        return str(trial.get_attribute("class")).split()[-1]
    for sign, name in (("consent", "consent"), ("begin", "instructions"), ("questions", "questions")):
        if main.locator(f"[data-action={sign}]").count():
            return name
    return "end"


def token(page: Page) -> str:
    return str(page.locator("main.study").get_attribute("data-page"))


def goes_on(page: Page, act: Callable[[], object]) -> None:
    """Do something, wait for the next page, and look at it."""
    before = token(page)
    act()
    expect(page.locator("main.study")).not_to_have_attribute("data-page", before)
    page.wait_for_function(f"since => performance.now() - since > {DOUBLE_MS}", arg=page.evaluate("performance.now()"))


def fits_the_screen(page: Page) -> None:
    """Nothing sticks out sideways, and whatever is pressed is large enough for a finger and inside the screen."""
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # pyright: ignore
    for button in page.locator("main.study button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= page.viewport_size["width"]  # pyright: ignore


def answer(page: Page) -> None:
    """Answer whatever is shown, by touch."""
    match kind(page):
        case "pair":
            asked = re.search(r"choose Reply ([12])", page.locator(".reply").first.inner_text())
            side = page.get_by_role("group", name=f"Reply {asked[1] if asked else 1} is better")
            goes_on(page, side.get_by_role("button", name="clearly").tap)
        case "adjustment":
            slider = page.get_by_role("slider")
            slider.focus()
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowLeft")
            goes_on(page, page.get_by_role("button", name="I like this one best").tap)
        case "single":
            goes_on(page, page.get_by_role("button", name="just right").tap)
        case other:
            raise AssertionError(f"{other} cannot be answered")


def serious(page: Page) -> list[str]:
    """What axe-core finds wrong with what is shown, if it is serious."""
    return [
        f"{kind(page)}: {one['id']}: {[node['html'][:160] for node in one['nodes']]}"
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def log_in(staff: Page) -> None:
    staff.get_by_label("password").fill("the-password")
    staff.get_by_role("button", name="Log in").click()
    expect(staff.locator(".figure", has_text="Started")).to_be_visible(timeout=patience())


def test_a_whole_study_on_a_phone_with_a_reload_half_way(
    served: Server, built: tuple[Path, Study], database: str, visit: Open
) -> None:
    page = visit(f"{served.url}/?PROLIFIC_PID=walker&STUDY_ID=s&SESSION_ID=t", **PHONE)
    expect(page.get_by_role("button", name="I agree, begin")).to_be_visible(timeout=patience())
    fits_the_screen(page)
    kept(page, "phone-consent")
    goes_on(page, page.get_by_role("button", name="I agree, begin").tap)
    kept(page, "phone-instructions")
    fits_the_screen(page)
    goes_on(page, page.get_by_role("button", name="Begin", exact=True).tap)
    seen: set[str] = set()
    reloaded = answered = 0
    while kind(page) in ("pair", "adjustment", "single"):
        if kind(page) not in seen:
            seen.add(kind(page))
            fits_the_screen(page)
            kept(page, f"phone-{kind(page)}")
        if answered == 9:
            place, shown = page.locator(".place").inner_text(), page.locator("section.trial").inner_text()
            page.reload()
            expect(page.locator(".place")).to_have_text(place)
            assert page.locator("section.trial").inner_text() == shown
            reloaded += 1
        for secret in ("alpha", "strength", "extraversion", "stimul"):
            assert secret not in page.content().lower()
        answer(page)
        answered += 1
    assert seen == {"pair", "adjustment", "single"}
    assert reloaded == 1
    assert kind(page) == "questions"
    goes_on(page, page.get_by_role("button", name="Finish").tap)  # one is needed
    expect(page.get_by_role("alert")).to_contain_text("Please answer: How are you?")
    page.locator("label", has_text=re.compile(r"^5$")).tap()
    page.locator("textarea[name=remarks]").fill('<b>fine</b> "and" ☃')
    fits_the_screen(page)
    kept(page, "phone-questions")
    goes_on(page, page.get_by_role("button", name="Finish").tap)
    expect(page.locator(".code")).to_have_text("C-DONE")
    kept(page, "phone-end")
    assert (
        page.get_by_role("link", name="Hand in the code").get_attribute("href") == "https://pay.example.org/?cc=C-DONE"
    )
    page.go_back()
    page.goto(f"{served.url}/?PROLIFIC_PID=walker")
    expect(page.locator(".code")).to_have_text("C-DONE")
    with Records.open(database, built[1]) as records:
        (person,) = people_table(records, built[1]).to_dict("records")
        table = long_table(records, built[1])
    assert person["outcome"] == "completed"
    assert person["answered"] == person["trials"] == len(table)
    assert table.loc[table["check"] == "instructed", "correct"].all()
    assert person["q_remarks"] == '<b>fine</b> "and" ☃'
    assert table["shows"].max() == 2
    assert (table["client_s"] > 0).all()
    assert (table.loc[table["task"] == "adjustment", "moves"] >= 2).all()


def test_what_was_pressed_while_the_server_was_away_is_saved_when_it_is_back(served: Server, chromium: Browser) -> None:
    """What was pressed is sent again until the server is back, and the page goes on."""
    with chromium.new_context(**PHONE) as context:
        page = context.new_page()
        page.goto(served.url)
        expect(page.get_by_role("button", name="I agree, begin")).to_be_visible(timeout=patience())
        goes_on(page, page.get_by_role("button", name="I agree, begin").tap)
        goes_on(page, page.get_by_role("button", name="Begin", exact=True).tap)
        expect(page.locator(".place")).to_have_text("Practice 1 of 1")
        served.kill()
        page.get_by_role("button", name="both bad").tap()
        expect(page.locator(".saving.urgent")).to_contain_text("Not saved yet")
        kept(page, "phone-away")
        served.start()
        expect(page.locator(".place")).to_have_text("1 of 15", timeout=2 * patience())
        assert page.evaluate("sessionStorage.unsaved") == "null"


def test_a_browser_that_keeps_nothing_can_take_part(served: Server, visit: Open) -> None:
    page = visit("about:blank", **PHONE)
    page.add_init_script(
        "Storage.prototype.getItem = Storage.prototype.setItem = () => { throw new Error('refused'); }"
    )
    page.goto(f"{served.url}/?PROLIFIC_PID=private")
    expect(page.get_by_role("button", name="I agree, begin")).to_be_visible(timeout=patience())
    goes_on(page, page.get_by_role("button", name="I agree, begin").tap)
    goes_on(page, page.get_by_role("button", name="Begin", exact=True).tap)
    assert kind(page) == "pair"


def begin(page: Page) -> None:
    expect(page.get_by_role("button", name="I agree, begin")).to_be_visible(timeout=patience())
    goes_on(page, page.get_by_role("button", name="I agree, begin").tap)
    goes_on(page, page.get_by_role("button", name="Begin", exact=True).tap)


def withdraw(page: Page) -> None:
    page.get_by_text("Withdraw", exact=True).tap()
    goes_on(page, page.get_by_role("button", name="Delete my answers and leave").tap)


def test_only_the_browser_that_began_deletes_and_an_id_alone_opens_nothing(served: Server, visit: Open) -> None:
    address = f"{served.url}/?PROLIFIC_PID=walker&SESSION_ID=t"
    mine = visit(address, **PHONE)
    begin(mine)
    goes_on(mine, mine.get_by_role("button", name="both bad").tap)
    assert mine.url == address
    for query in ("?PROLIFIC_PID=walker", "?PROLIFIC_PID=walker&SESSION_ID=other"):
        stranger = visit(f"{served.url}/{query}", **PHONE)
        expect(stranger.get_by_role("heading", name="begun elsewhere")).to_be_visible(timeout=patience())
        assert stranger.get_by_text("Withdraw", exact=True).count() == 0
    other = visit(address, **PHONE)
    expect(other.locator(".place")).to_have_text("1 of 15")
    withdraw(other)
    expect(other.get_by_role("alert")).to_contain_text("browser they were begun in")
    mine.reload()
    expect(mine.locator(".place")).to_have_text("1 of 15")
    withdraw(mine)
    expect(mine.get_by_role("heading", name="You have withdrawn")).to_be_visible(timeout=patience())


@pytest.mark.parametrize("query", ["?PROLIFIC_PID=walker", "", "?PROLIFIC_PID={{%PROLIFIC_PID%}}"])
def test_a_browser_finds_its_way_back_without_a_session(served: Server, visit: Open, query: str) -> None:
    mine = visit(f"{served.url}/{query}", **PHONE)
    begin(mine)
    goes_on(mine, mine.get_by_role("button", name="both bad").tap)
    mine.reload()
    expect(mine.locator(".place")).to_have_text("1 of 15")
    if query.endswith("walker"):  # by the link as it was given, it shows the code that it kept
        mine.goto(f"{served.url}/{query}")
        expect(mine.locator(".place")).to_have_text("1 of 15")
    withdraw(mine)
    expect(mine.get_by_role("heading", name="You have withdrawn")).to_be_visible(timeout=patience())


def test_a_browser_that_keeps_nothing_can_withdraw_after_a_reload(served: Server, visit: Open) -> None:
    page = visit("about:blank", **PHONE)
    page.add_init_script(
        "Storage.prototype.getItem = Storage.prototype.setItem = () => { throw new Error('refused'); }"
    )
    page.goto(f"{served.url}/?PROLIFIC_PID=private")
    begin(page)
    page.reload()
    expect(page.locator(".place")).to_have_text("Practice 1 of 1")
    withdraw(page)
    expect(page.get_by_role("heading", name="You have withdrawn")).to_be_visible(timeout=patience())


def test_the_keyboard_alone_answers_and_takes_back_on_a_wide_screen(
    served: Server, built: tuple[Path, Study], database: str, visit: Open
) -> None:
    page = visit(f"{served.url}/?PROLIFIC_PID=typist", viewport={"width": 1280, "height": 800}, color_scheme="dark")
    consent = page.get_by_role("button", name="I agree, begin")
    expect(consent).to_be_visible(timeout=patience())
    consent.focus()
    goes_on(page, lambda: page.keyboard.press("Enter"))
    page.get_by_role("button", name="Begin", exact=True).focus()
    goes_on(page, lambda: page.keyboard.press("Enter"))
    assert kind(page) == "pair"
    kept(page, "wide-pair-dark")
    assert page.locator(".undo").count() == 0  # nothing to take back yet
    tops = page.evaluate("[...document.querySelectorAll('.side button')].map((one) => one.getBoundingClientRect().top)")
    assert len(set(tops)) == 1
    while "Practice" in page.locator(".place").inner_text() or kind(page) != "pair":
        goes_on(page, lambda: page.keyboard.press(keys(page)))
    first = page.locator("section.trial").inner_text()
    goes_on(page, lambda: page.keyboard.press("7"))
    goes_on(page, lambda: page.keyboard.press("Backspace"))
    assert page.locator("section.trial").inner_text() == first
    assert page.locator(".undo").count() == 0
    goes_on(page, lambda: page.keyboard.press("3"))
    with Records.open(database, built[1]) as records:
        (row,) = long_table(records, built[1]).to_dict("records")
    assert (row["choice"], row["degree"], row["undone"]) == ("left", -1, 1)


def test_a_double_click_is_one_answer(served: Server, visit: Open) -> None:
    page = visit(f"{served.url}/?PROLIFIC_PID=twice", **PHONE)
    begin(page)
    page.clock.install()
    page.clock.pause_at(int(page.evaluate("Date.now()")) + 1000)
    before = token(page)
    page.get_by_role("button", name="both bad").click()
    expect(page.locator("main.study")).not_to_have_attribute("data-page", before)
    after = token(page)
    page.evaluate("document.querySelector('.bar button').click()")
    assert token(page) == after and page.locator("button:disabled").count() == 0
    page.clock.run_for(DOUBLE_MS)
    page.evaluate("document.querySelector('.bar button').click()")
    expect(page.locator("main.study")).not_to_have_attribute("data-page", after)


def test_what_is_typed_outlives_a_way_back_and_a_reload(served: Server, visit: Open) -> None:
    page = visit(f"{served.url}/?PROLIFIC_PID=writer", **PHONE)
    begin(page)
    while kind(page) != "questions":
        answer(page)
    page.locator("label", has_text=re.compile(r"^5$")).tap()
    remarks = page.locator("textarea[name=remarks]")
    remarks.fill("a long thought")
    page.reload()
    expect(remarks).to_have_value("a long thought")
    goes_on(page, page.locator(".undo").tap)
    assert kind(page) != "questions"
    answer(page)
    expect(remarks).to_have_value("a long thought")
    expect(page.locator("input[name=mood][value='5']")).to_be_checked()
    goes_on(page, page.get_by_role("button", name="Finish").tap)
    assert "a long thought" not in str(page.evaluate("sessionStorage.getItem('typed')")), "others may use the tab"


def keys(page: Page) -> str:
    """A key that answers what is shown."""
    if kind(page) != "adjustment":
        return "1"
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="I like this one best").focus()
    return "Enter"


def test_staff_see_answers_come_in_pause_the_study_and_take_the_answers_away(served: Server, visit: Open) -> None:
    page = visit(f"{served.url}/?PROLIFIC_PID=worker", **PHONE)
    expect(page.get_by_role("button", name="I agree, begin")).to_be_visible(timeout=patience())
    goes_on(page, page.get_by_role("button", name="I agree, begin").tap)
    goes_on(page, page.get_by_role("button", name="Begin", exact=True).tap)
    while kind(page) != "adjustment" or "Practice" in page.locator(".place").inner_text():
        answer(page)
    staff = visit(f"http://127.0.0.1:{served.port + 1}/", viewport=WIDE)
    log_in(staff)
    expect(staff.locator(".figure", has_text="In progress").locator("b")).to_have_text("1")
    expect(staff.locator(".rates circle").first).to_be_visible(timeout=patience())
    kept(staff, "staff")
    with staff.expect_download() as download:
        staff.get_by_role("link", name="Download the answers").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        answers = pd.read_csv(archive.open("answers.csv"))
        assert {"people.csv", "dictionary.csv", "answers.parquet"} <= set(archive.namelist())
    assert (answers["task"] == "pair").any()
    staff.get_by_role("button", name="Pause").click()
    expect(staff.locator(".warning")).to_have_text("The study is paused.")
    page.reload()
    expect(page.get_by_role("heading", name="The study is paused")).to_be_visible(timeout=patience())
    kept(page, "phone-paused")
    staff.get_by_role("button", name="Go on").click()
    expect(staff.locator(".warning")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("slider")).to_be_visible(timeout=patience())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_screen(served: Server, visit: Open, scheme: str) -> None:
    look = PHONE | {"color_scheme": scheme, "reduced_motion": "reduce"}
    page = visit(f"{served.url}/?PROLIFIC_PID=walker", **look)
    expect(page.get_by_role("button", name="I agree, begin")).to_be_visible(timeout=patience())
    wrong, seen = serious(page), {"consent"}
    goes_on(page, page.get_by_role("button", name="I agree, begin").tap)
    wrong, seen = wrong + serious(page), seen | {kind(page)}
    goes_on(page, page.get_by_role("button", name="Begin", exact=True).tap)
    while kind(page) in ("pair", "adjustment", "single"):
        if kind(page) not in seen:
            seen.add(kind(page))
            page.get_by_text("Withdraw", exact=True).tap()
            wrong += serious(page)
        answer(page)
    goes_on(page, page.get_by_role("button", name="Finish").tap)  # one is needed, and is asked for
    wrong, seen = wrong + serious(page), seen | {kind(page)}
    page.locator("label", has_text=re.compile(r"^5$")).tap()
    goes_on(page, page.get_by_role("button", name="Finish").tap)
    wrong, seen = wrong + serious(page), seen | {kind(page)}
    assert seen == {"consent", "instructions", "pair", "adjustment", "single", "questions", "end"}
    page.goto(f"{served.url}/?code=nobody")
    expect(page.get_by_role("heading", name="This address belongs to nobody")).to_be_visible(timeout=patience())
    wrong += serious(page)
    staff = visit(f"http://127.0.0.1:{served.port + 1}/", **look)
    log_in(staff)
    expect(staff.locator(".rates circle").first).to_be_visible(timeout=patience())
    wrong += serious(staff)
    assert not wrong, "\n".join(wrong)


def test_axe_finds_nothing_serious_in_the_report(built: tuple[Path, Study], chromium: Browser, tmp_path: Path) -> None:
    study, clock = built[1], simulate.Clock(1.7e9)
    with Store.open("sqlite://", study, clock) as store:
        for _ in simulate.answer_all(store, clock, crowds.crowd(study.plan, careless=0.5), 6, seed=1):
            pass
        tables = long_table(store, study), people_table(store, study)
    found = analysis.analyse(*tables, study.plan.strengths)
    path = tmp_path / "report.html"
    path.write_text(report.page(found, study.plan.title, {"axis": "extraversion"}), encoding="utf-8")
    for scheme in ("light", "dark"):
        with chromium.new_context(**PHONE, color_scheme=scheme) as context:
            page = context.new_page()
            page.goto(path.as_uri())
            expect(page.locator(".js-plotly-plot .main-svg").first).to_be_attached(timeout=patience())
            assert not serious(page)


ARABIC = PLAN.replace('title = "A made study"', 'title = "دراسة عن الردود"\nlanguage = "ar"', 1).replace(
    "Describe your work.", "صف عملك.", 1
)


def answer_in(page: Page, said: Words) -> None:
    """Answer whatever is shown, by touch, in any language."""
    match kind(page):
        case "pair":
            asked = page.locator(".reply b").first
            side = "right" if asked.count() and asked.inner_text() == said["reply_right"] else "left"
            goes_on(page, page.locator(f'[data-choice="{side}"][data-degree$="2"]').tap)
        case "adjustment":
            page.get_by_role("slider").focus()
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowLeft")
            goes_on(page, page.get_by_role("button", name=said["liked"]).tap)
        case _:
            goes_on(page, page.get_by_role("button", name=said["right"]).tap)


def left_is_left(wide: Page) -> None:
    """Replies, buttons and keys count from the left, and a digit of any script is that digit."""
    lefts = [wide.locator(f".reply[data-side={side}]").bounding_box()["x"] for side in ("left", "right")]  # pyright: ignore
    assert lefts == sorted(lefts)
    places = [button.bounding_box()["x"] for button in wide.locator(".side button").all()]  # pyright: ignore
    assert places == sorted(places)
    kept(wide, "wide-arabic-pair")
    goes_on(
        wide,
        lambda: wide.evaluate(
            "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '٧', code: 'Digit7', bubbles: true }))"
        ),
    )


def test_an_arabic_study_runs_from_right_to_left_on_a_phone(tmp_path: Path, visit: Open) -> None:
    """Left stays left, whatever the script: what was chosen is told by its side, and keys count from the left."""
    study = make_study(tmp_path / "study", ARABIC)
    said = study.plan.spoken
    database = sqlite_url(tmp_path / "study.sqlite")
    with Server(tmp_path / "study", database, tmp_path / "log") as server:
        page = visit(server.url, **PHONE)
        expect(page.get_by_role("button", name=said["consent_yes"])).to_be_visible(timeout=patience())
        assert page.evaluate("[document.documentElement.dir, document.documentElement.lang]") == ["rtl", "ar"]
        wrong = serious(page)
        goes_on(page, page.get_by_role("button", name=said["consent_yes"]).tap)
        goes_on(page, page.get_by_role("button", name=said["begin"], exact=True).tap)
        seen: set[str] = set()
        while kind(page) in ("pair", "adjustment", "single"):
            if kind(page) not in seen:
                seen.add(kind(page))
                fits_the_screen(page)
                wrong += serious(page)
                kept(page, f"phone-arabic-{kind(page)}")
            answer_in(page, said)
        assert seen == {"pair", "adjustment", "single"}
        goes_on(page, page.get_by_role("button", name=said["finish"]).tap)
        expect(page.get_by_role("alert")).to_contain_text("How are you?")
        expect(page.get_by_role("alert")).to_contain_text("من فضلك")
        wrong += serious(page)
        page.locator("label", has_text=re.compile(r"^5$")).tap()
        goes_on(page, page.get_by_role("button", name=said["finish"]).tap)
        expect(page.locator(".code")).to_have_text("C-DONE")
        wrong += serious(page)
        wide = visit(server.url, viewport=WIDE)
        goes_on(wide, wide.get_by_role("button", name=said["consent_yes"]).click)
        goes_on(wide, wide.get_by_role("button", name=said["begin"], exact=True).click)
        left_is_left(wide)
    assert not wrong, "\n".join(wrong)
    with Records.open(database, study) as records:
        people, table = people_table(records, study), long_table(records, study)
    assert people["outcome"].to_list() == ["completed", ""]
    assert table.loc[table["check"] == "instructed", "correct"].all()
