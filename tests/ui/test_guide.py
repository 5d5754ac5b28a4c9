"""The guide's pictures are there, described, and harmless; its text says what is so."""

import re

import playground
from playground.places import ASSETS
from playground.ui import guide, markup


def test_text_and_pictures_come_in_their_order() -> None:
    found = guide.parts((guide.FOLDER / "guide.md").read_text(encoding="utf-8"))
    assert [part.kind for part in found] == ["text", "picture"] * 3 + ["text"]
    assert found[0].content.startswith("# ")


def test_each_picture_is_drawn_in_the_pages_colours_and_has_words() -> None:
    pictures = [part.content for part in guide.parts((guide.FOLDER / "guide.md").read_text(encoding="utf-8"))]
    pictures = [picture for picture in pictures if picture.startswith("<svg")]
    assert len(pictures) == len(list(guide.FOLDER.glob("*.svg"))) == 3
    for picture in pictures:
        assert re.search(r'role="img" aria-label="[^"]{20,}"', picture)
        assert not re.search(r"<script|href=|url\(['\"]?http|\son\w+=", picture)
        own = re.sub(r"var\(--[\w-]+, #[0-9a-f]+\)", "", picture)
        assert not re.search(r"#[0-9a-f]{3,8}\b(?!\))", own), "colours are the palette's, so that dark is dark"
        used = set(re.findall(r"var\((--[\w-]+)", picture))
        known = "".join((ASSETS / name).read_text(encoding="utf-8") for name in ("palette.css", "theme.css"))
        assert used and all(f"{name}:" in known for name in used)


def test_it_says_how_to_cite_this_version() -> None:
    text = (guide.FOLDER / "guide.md").read_text(encoding="utf-8")
    assert "version = {VERSION}" in text
    assert "2503.04346" in text and "2406.05954" in text
    assert playground.__version__


def test_only_a_space_has_a_link_to_duplicate_it() -> None:
    link = "https://huggingface.co/spaces/somebody/alignment?duplicate=true"
    assert link in markup.header("a model", "somebody/alignment")
    assert "huggingface.co" not in markup.header("a model")
