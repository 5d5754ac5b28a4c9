"""Takes the pictures of README and tutorial from a page that is running: python -m tools.pictures [--only NAME]

Start the page first (`make app`). Chromium is Debian's, or the one that CHROMIUM names, or Playwright's own.
"""

import argparse
import io
import os
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"

DRAGGED = {"prompt": "What is the sea like in winter?", "axis": "positivity", "alpha": "1", "max_new_tokens": "48"}
TURNS = (1.0, -1.0, 1.0)
"""Where the hand goes on the dial; it rests at each for a while."""
STEP = 0.1
REST_S = 1.5
LONGEST_FRAME_MS = 160
"""A frame that the browser was long in drawing is shown no longer than this, so that a busy machine does not show."""
WIDTH, HEIGHT = 1200, 800


@contextmanager
def opened(url: str) -> Generator[Page]:
    """A browser window of the page, as it opens for a newcomer."""
    named = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        path = named if Path(named).exists() else None
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light").new_page()
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        page.goto(url)
        page.locator("#alpha input[type=range]").wait_for()
        page.get_by_role("button", name="Run", exact=True).wait_for()
        page.wait_for_timeout(3000)  # fonts and the curve
        yield page
        browser.close()


def asked(page: Page, alpha: float) -> None:
    """Type a strength and wait until all replies are written."""
    box = page.get_by_role("spinbutton", name="alpha, any number")
    box.fill(f"{alpha:g}")
    box.press("Enter")
    expect(page.locator("#steered .strength")).to_contain_text(f"{alpha:g}".replace("-", "−"))
    page.wait_for_timeout(300)
    written(page)


def run(page: Page) -> None:
    """Ask what the page shows, live."""
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_timeout(300)
    written(page)


def written(page: Page) -> None:
    """Wait until all replies are written."""
    expect(page.locator("#status .status")).to_have_class(re.compile("done"))


def shot(page: Page) -> Image.Image:
    """What the window shows."""
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def save(image: Image.Image, name: str) -> None:
    """Keep one picture."""
    image.save(FOLDER / f"{name}.webp", quality=80, method=6)


def path_of(turns: tuple[float, ...]) -> list[float]:
    """All strengths that the hand passes on its way."""
    there = [
        round(start + (end - start) * step / round(abs(end - start) / STEP), 2)
        for start, end in pairwise(turns)
        for step in range(1, round(abs(end - start) / STEP) + 1)
    ]
    return [turns[0], *there]


def thumb(page: Page, alpha: float) -> tuple[float, float]:
    """Where the dial's thumb stands at a strength, in the window."""
    box = page.locator("#alpha input[type=range]").bounding_box()
    assert box is not None
    size = 20
    return box["x"] + size / 2 + (box["width"] - size) * (alpha + 1) / 4, box["y"] + box["height"] / 2


def film(page: Page, seconds: float) -> Iterator[tuple[Image.Image, int]]:
    """At least one frame, and more until some seconds have gone: each with how long to show it, in ms."""
    until = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        image = shot(page)
        yield image, min(round(1000 * (time.monotonic() - began)), LONGEST_FRAME_MS)
        if time.monotonic() >= until:
            return


def drag(page: Page) -> None:
    """The dial dragged from end to end of what was tested, as an animation.

    Every strength is asked once before, so that the replies come as fast as on a machine that does nothing else.
    """
    page.goto(f"{page.url.partition('?')[0]}?{urlencode(DRAGGED)}")
    page.wait_for_timeout(3000)
    run(page)
    for alpha in sorted(set(path_of(TURNS))):
        asked(page, alpha)
    asked(page, TURNS[0])
    page.mouse.move(*thumb(page, TURNS[0]))
    page.mouse.down()
    frames = list(film(page, REST_S))
    for alpha in path_of(TURNS)[1:]:
        page.mouse.move(*thumb(page, alpha))
        frames += film(page, REST_S if alpha in TURNS else 0.15)
    page.mouse.up()
    animate(frames, FOLDER / "drag.webp")


def animate(frames: list[tuple[Image.Image, int]], path: Path) -> None:
    """Write frames with their times in ms as an animation, those that are alike as one."""
    images, durations = [frames[0][0]], [0]
    for image, ms in frames:
        if image.tobytes() != images[-1].tobytes():
            images.append(image)
            durations.append(0)
        durations[-1] += ms
    small = [image.resize((960, 960 * HEIGHT // WIDTH), Image.Resampling.LANCZOS) for image in images]
    small[0].save(path, save_all=True, append_images=small[1:], duration=durations, loop=0, quality=60, method=4)
    print(f"{len(images)} frames, {sum(durations) / 1000:.1f} s, {path.stat().st_size / 1e6:.2f} MB")


def play(page: Page) -> None:
    """The page as it opens."""
    save(shot(page), "play")


def tokens(page: Page) -> None:
    """The steered reply token by token."""
    run(page)
    page.get_by_role("checkbox", name="Tokens").check()
    page.locator(".ribbon .token").nth(2).hover()
    page.locator(".ribbon").first.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    save(shot(page), "tokens")


def breaking(page: Page) -> None:
    """What the page says where a reply falls apart."""
    run(page)
    asked(page, 3.0)
    save(shot(page), "breaking")


def curves(page: Page) -> None:
    """The measured curve of an axis."""
    page.get_by_role("tab", name="Curves", exact=True).click()
    page.locator("#charts .main-svg").first.wait_for()
    page.wait_for_timeout(2500)
    save(shot(page), "curves")


def axes(page: Page) -> None:
    """An axis's card, and the form that makes another."""
    page.get_by_role("tab", name="Axes", exact=True).click()
    page.wait_for_timeout(2500)
    save(shot(page), "axes")


PICTURES: dict[str, Callable[[Page], None]] = {
    "play": play, "tokens": tokens, "breaking": breaking, "curves": curves, "axes": axes, "drag": drag,
}  # fmt: skip


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--only", choices=list(PICTURES))
    given = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in [given.only] if given.only else PICTURES:
        with opened(given.url) as page:
            PICTURES[name](page)


if __name__ == "__main__":
    main()
