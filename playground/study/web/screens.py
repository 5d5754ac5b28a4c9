"""A study's screens as HTML, from the template beside this file."""

import json
import re
from functools import partial

from markupsafe import Markup, escape

from playground.study.pages import Page
from playground.study.plan import StudyPlan
from playground.study.words import direction, say
from playground.templates import html

_TOLD = ("saving", "unsaved")  # what the page's script says by itself


def waiting(plan: StudyPlan) -> Markup:
    """What stands on a page that could not be made, until it is asked for again."""
    return Markup('<main class="study"><p class="soft">{}</p></main>').format(plan.spoken["waiting"])


def page(shown: Page, plan: StudyPlan) -> Markup:
    """A whole page: its heading, its screen, and the foot with the way out."""
    words, screen = plan.spoken, shown.screen
    return html(
        "study/web/study.html",
        page=shown,
        screen=screen,
        kind=type(screen).__name__,
        plan=plan,
        words=words,
        prose=prose,
        line=line,
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
