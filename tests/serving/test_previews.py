"""What a link to a page looks like where it is shared: of the page's own making, with nothing of Gradio's."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest

from playground.serving.previews import Preview, tags
from playground.study.database import sqlite_url
from tests.ports import free_port
from tests.servers import PageServer
from tests.study.browser import Server
from tests.study.made import make_study


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("previews")
    with PageServer(home / "log", XDG_DATA_HOME=str(home)) as server:
        yield server.url


def told(html: str) -> dict[str, list[str]]:
    """What the head tells, by name; several values where a name stands several times."""
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<meta[^>]*>", html):
        name = re.search(r'(?:property|name)="([^"]+)"', tag)
        value = re.search(r'content="([^"]*)"', tag)
        if name and value:
            found.setdefault(name[1], []).append(unescape(value[1]))
    return found


def advert(html: str) -> list[str]:
    """What Gradio says of itself to whoever looks at the page or shares it."""
    tags = [tag for tag in re.findall(r"<meta[^>]*>", html) if "gradio" in tag.lower()]
    return tags + re.findall(r"click to try out|built with gradio", html, re.IGNORECASE)


def test_a_page_tells_its_title_a_sentence_and_a_picture(page: str) -> None:
    html = httpx.get(page, headers={"Accept-Encoding": "br, gzip"}).text
    head = told(html)
    assert head["og:title"] == head["twitter:title"] == ["Alignment Playground"]
    assert head["og:description"] == head["twitter:description"] == head["description"]
    assert "language model" in head["og:description"][0]
    assert head["og:image"] == head["twitter:image"] == [f"{page}/preview.png"]
    assert head["twitter:card"] == ["summary_large_image"]
    assert "og:url" not in head
    assert not advert(html)
    picture = httpx.get(head["og:image"][0])
    assert picture.content.startswith(b"\x89PNG")
    assert picture.headers["content-type"] == "image/png"
    assert len(httpx.get(page).content) == len(httpx.get(page, headers={"Accept-Encoding": "identity"}).content)


def test_behind_a_proxy_the_picture_is_where_the_browser_asked(page: str) -> None:
    for headers in ({"Host": "localhost:8443"}, {"X-Forwarded-Host": "localhost:8443"}):
        html = httpx.get(page, headers=headers | {"X-Forwarded-Proto": "https"}).text
        assert told(html)["og:image"] == ["https://localhost:8443/preview.png"]


def test_a_study_tells_its_title_and_nothing_of_its_conditions(tmp_path: Path) -> None:
    make_study(tmp_path / "study")
    port = free_port()
    database, options = sqlite_url(tmp_path / "study.sqlite"), ("--staff-port", str(port))
    with Server(tmp_path / "study", database, tmp_path / "log", *options) as server:
        html, staff = httpx.get(server.url).text, httpx.get(f"http://127.0.0.1:{port}").text
        assert httpx.get(f"{server.url}/preview.png").status_code == 404
    assert told(html)["og:title"] == ["A made study"]
    assert told(staff)["og:title"] == ["Staff: A made study"]
    for shown in (html, staff):
        assert "og:image" not in told(shown)
        assert not advert(shown)


def test_what_is_told_is_text() -> None:
    html = tags(Preview('"><script>', "a & b"), 'https://a.example"')
    assert "<script>" not in html
    assert told(html)["og:title"] == ['"><script>']
    assert 'example"' not in html.replace('example&quot;"', "")
