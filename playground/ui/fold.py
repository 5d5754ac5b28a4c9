"""A fold: a heading that shows and hides what stands below it, which is on the page all the time.

Gradio's own accordion makes what it holds only when it is first opened; a component with settings of its own that is
told of an update before that, be it an empty one, loses them.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from playground.places import ASSETS

_TEMPLATE = (ASSETS / "fold.html").read_text(encoding="utf-8")
_SCRIPT = (ASSETS / "fold.js").read_text(encoding="utf-8")


class Fold(gr.HTML):
    """The heading of a fold; its value says whether it is open."""

    def __init__(self, value: bool = False, **settings: Any) -> None:
        settings = {"title": "", "padding": False, "apply_default_css": False, **settings}
        super().__init__(value, html_template=_TEMPLATE, js_on_load=_SCRIPT, **settings)

    def api_info(self) -> dict[str, Any]:
        """What a client sends: whether it is open."""
        return {"type": "boolean"}


@contextmanager
def fold(title: str, name: str, opened: bool = False) -> Generator[Fold]:
    """Place a fold; what is placed inside is what it hides."""
    with gr.Column(elem_id=name, elem_classes="fold"):
        heading = Fold(opened, title=title)
        with gr.Column(elem_classes="folded"):
            yield heading
