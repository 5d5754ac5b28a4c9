"""The pages say what is so: numbers are the cards', links lead somewhere, examples call what there is."""

import ast
import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.api.chat import ChatRequest
from playground.ui.endpoints import Endpoints
from tools import axes_page, reference

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


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "architecture.md", "train.md"])
def test_files_that_are_named_are_there(name: str) -> None:
    named = re.findall(
        r"`((?:playground|tests|tools|assets|presets|docs)/[\w./-]*)`", (ROOT / "docs" / name).read_text()
    )
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def examples(name: str, language: str) -> list[str]:
    """The blocks of code of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs" / name).read_text(), re.DOTALL | re.MULTILINE)


def test_what_the_python_examples_import_is_there() -> None:
    imported = [
        (node.module, name.name)
        for example in examples("python.md", "python")
        for node in ast.walk(ast.parse(example))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    ]
    assert len(imported) > 10
    for module, name in imported:
        assert hasattr(importlib.import_module(str(module)), name), f"{module} has no {name}"


ENDPOINTS = {
    name: [one for one in inspect.signature(method).parameters if one not in ("self", "who")]
    for name, method in inspect.getmembers(Endpoints, inspect.isfunction)
    if not name.startswith("_")
}
"""Each endpoint's arguments, in order."""


def test_the_http_page_names_the_endpoints_and_their_arguments() -> None:
    text = " ".join((ROOT / "docs" / "http.md").read_text().split())
    assert set(re.findall(r"^\| `/(\w+)` \|", (ROOT / "docs" / "http.md").read_text(), re.MULTILINE)) == set(ENDPOINTS)
    told = dict(re.findall(r"of `/(\w+)` (?:are )?([\w, ]+)[.;]", text))
    assert told == {name: ", ".join(arguments) for name, arguments in ENDPOINTS.items() if arguments}


def test_the_http_examples_call_them_as_they_are() -> None:
    calls = [
        node
        for example in examples("http.md", "python")
        for node in ast.walk(ast.parse(example))
        if isinstance(node, ast.Call) and any(keyword.arg == "api_name" for keyword in node.keywords)
    ]
    assert len(calls) == len(ENDPOINTS)
    for call in calls:
        given = {str(keyword.arg): keyword.value for keyword in call.keywords}
        arguments = ENDPOINTS[ast.literal_eval(given.pop("api_name")).removeprefix("/")]
        assert set(given) <= set(arguments[len(call.args) :])
    for name, data in re.findall(r"/call/(\w+) .*?-d '(\{.*?\})'", "\n".join(examples("http.md", "sh")), re.DOTALL):
        assert len(json.loads(data)["data"]) == len(ENDPOINTS[name])


def test_the_endpoint_page_names_its_parameters_and_its_examples_can_be_asked() -> None:
    page = (ROOT / "docs" / "serve.md").read_text()
    table = page[page.index("## Parameters") : page.index("## What to know")]
    told = {name for row in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert told == set(ChatRequest.model_fields) - {"model", "steering"}
    (asked,) = re.findall(r"-d '(\{.*?\n\})'", page, re.DOTALL)
    assert ChatRequest(**json.loads(asked)).steering
    for call in [node for one in examples("serve.md", "python") for node in ast.walk(ast.parse(one))]:
        if isinstance(call, ast.Call) and (given := {str(keyword.arg) for keyword in call.keywords}) >= {"messages"}:
            assert given - {"extra_body"} <= set(ChatRequest.model_fields)


def test_the_reference_tells_of_the_whole_library() -> None:
    told = "".join(reference.pages().values())
    for module in ("playground", "playground.settings", "playground.player", "playground.study.plan"):
        assert f"::: {module}\n" in told
    assert "playground.ui" not in told and "playground.cli.main" not in told
