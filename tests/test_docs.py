"""The pages say what is so: numbers are the cards', links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import axes_page

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_page_of_axes_says_what_the_cards_say() -> None:
    page = axes_page.PAGE.read_text(encoding="utf-8")
    assert axes_page.filled(page) == page, "run: python -m tools.axes_page"
    assert page.count("<!-- cards: ") == len(axes_page.BLOCKS)


@pytest.mark.parametrize(
    ("value", "written"), [(0.9, ".90"), (1.0, "1"), (0.0, "0"), (-0.25, "-.25"), (1.005, "1.00"), (12.5, "12.50")]
)
def test_numbers_are_written_without_a_zero_before_the_point(value: float, written: str) -> None:
    assert axes_page.number(value) == written


def anchors(page: Path) -> set[str]:
    """The names by which a page's headings are linked to, as GitHub and MkDocs both make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


def links(page: Path) -> Iterator[tuple[str, str]]:
    """The (file, anchor) of each link of a page that stays in the repository."""
    text = re.sub(r"^\s*```.*?^\s*```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in links(page):
        target = (page.parent / path) if path else page
        assert target.exists(), f"{page.name} links to {path}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {path}#{anchor}"
