"""The Guide: what the sliders mean, for newcomers. Its text is `assets/guide/guide.md`, a file anybody can edit."""

import re
from typing import NamedTuple

import gradio as gr
from markupsafe import Markup

import playground
from playground.places import ASSETS
from playground.ui import markup

FOLDER = ASSETS / "guide"


class GuideSection(NamedTuple):
    """A stretch of the guide: text as Markdown, or a picture as SVG."""

    kind: str
    content: str


def parts(text: str) -> list[GuideSection]:
    """The guide cut at its pictures, which stand on lines of their own: `![what it shows](file.svg)`.

    A picture is put into the page itself, so that its colours follow light and dark; the words are its label.
    """
    found: list[GuideSection] = []
    pieces = re.split(r"^!\[(.+?)\]\(([\w-]+\.svg)\)$", text, flags=re.MULTILINE)
    for index in range(0, len(pieces), 3):
        if pieces[index].strip():
            found.append(GuideSection("text", pieces[index].strip()))
        if index + 2 < len(pieces):
            label, file = pieces[index + 1 : index + 3]
            picture = (FOLDER / file).read_text(encoding="utf-8")
            found.append(GuideSection("picture", picture.replace('role="img"', f'role="img" aria-label="{label}"', 1)))
    return found


def layout() -> None:
    """Place the guide inside the present Blocks."""
    text = (FOLDER / "guide.md").read_text(encoding="utf-8").replace("VERSION", playground.__version__)
    with gr.Column(elem_id="guide"):
        for part in parts(text):
            if part.kind == "text":
                gr.Markdown(part.content, elem_classes="reading", container=False)
            else:
                gr.HTML(markup.picture(Markup(part.content)), padding=False, apply_default_css=False)
