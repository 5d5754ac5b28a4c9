"""A study's pages as HTML, from the template beside this file. Whatever a model or a person wrote is escaped there."""

import json
import re
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from playground.study.pages import Page
from playground.study.plan import StudyPlan
from playground.study.words import direction, say

_TOLD = ("saving", "unsaved")  # what the page's script says by itself


def waiting(plan: StudyPlan) -> str:
    """What stands on the page until the server has said who is there."""
    return f'<main class="study"><p class="soft">{escape(plan.spoken["waiting"])}</p></main>'


def page(shown: Page, plan: StudyPlan) -> str:
    """A whole page: its heading, its screen, and the foot with the way out."""
    words, screen = plan.spoken, shown.screen
    return _TEMPLATE.render(
        page=shown,
        screen=screen,
        kind=type(screen).__name__,
        plan=plan,
        words=words,
        say=partial(say, words),
        direction=direction(plan.language),
        data=json.dumps({"code": shown.code, "key": shown.key, "token": getattr(screen, "token", "")}),
        person=json.dumps({"name": shown.name, "own": shown.own, "address": shown.address}),
        told=json.dumps({name: words[name] for name in _TOLD}),
    )


def prose(text: str) -> Markup:
    """Paragraphs, lists of lines that begin with "- ", and **bold**; everything else stands as it is."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", text.strip())]
    made = [_list(block) if block.startswith("- ") else Markup("<p>{}</p>").format(line(block)) for block in blocks]
    return Markup("").join(one for block, one in zip(blocks, made, strict=True) if block)


def line(text: str) -> Markup:
    """A line with **bold**; everything else stands as it is."""
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", str(escape(" ".join(text.split())))))


def _list(block: str) -> Markup:
    items = re.split(r"\n\s*- ", f"\n{block}")[1:]
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(line(item)) for item in items))


_ENVIRONMENT = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
_ENVIRONMENT.filters.update(prose=prose, line=line)
_TEMPLATE = _ENVIRONMENT.get_template("study.html")
