"""Who may talk to a page: every server, every kind of route, by HTTP; and the rules on their own."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from playground.errors import InvalidInput
from playground.serving.hosting import ServerSettings
from playground.serving.origins import AllowedOrigins, authority, frame_ancestors, is_foreign, is_local
from playground.study.database import sqlite_url
from tests.ports import free_port
from tests.servers import PageServer
from tests.study.browser import Server
from tests.study.made import make_study

PAGES = ("play", "study", "staff")
TOKEN = "right-and-long"
ROUTES = (
    ("GET", "/"),
    ("GET", "/config"),
    ("GET", "/gradio_api/info"),
    ("GET", "/gradio_api/app_id"),
    ("GET", "/gradio_api/queue/data?session_hash=s"),
    ("GET", "/theme.css"),
    ("GET", "/logout"),
    ("GET", "/alive"),
    ("GET", "/standing"),
    ("GET", "/answers.zip"),
    ("POST", "/"),
    ("POST", "/pause?paused=1"),
    ("GET", "/nothing-here"),
    ("POST", "/login"),
    ("POST", "/gradio_api/queue/join"),
    ("POST", "/gradio_api/run/predict"),
    ("POST", "/gradio_api/call/say"),
    ("POST", "/gradio_api/upload"),
    ("POST", "/gradio_api/cancel"),
    ("DELETE", "/"),
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The addresses of a playground's page, a study's page and its staff's page."""
    home = tmp_path_factory.mktemp("origins")
    make_study(home / "study")
    port = free_port()
    options = ("--staff-port", str(port), "--staff-token", TOKEN)
    with ExitStack() as stack:
        page = stack.enter_context(PageServer(home / "page.log", XDG_DATA_HOME=str(home / "data")))
        study = stack.enter_context(
            Server(home / "study", sqlite_url(home / "study.sqlite"), home / "study.log", *options)
        )
        yield {"play": page.url, "study": study.url, "staff": f"http://127.0.0.1:{port}"}
        for log in (page.log, study.log):
            assert "Traceback" not in log.read_text()


def port_of(url: str) -> str:
    return url.rpartition(":")[2]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://evil.example:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://localhost:{port}",
        "http://127.0.0.1.evil.example:{port}",
        "http://evil.example@127.0.0.1:{port}",
        "http://127.0.0.1:{port}/",
        "null",
        "file://",
        "chrome-extension://abcdef",
        "127.0.0.1:{port}",
        "",
    ],
)
def test_what_another_site_sends_is_refused_on_every_route(servers: dict[str, str], page: str, origin: str) -> None:
    with httpx.Client(base_url=servers[page], timeout=60) as client:
        for method, path in ROUTES:
            asked = client.request(method, path, headers={"Origin": origin.format(port=port_of(servers[page]))})
            assert asked.status_code == 403, (method, path)
            assert asked.text.count(".") == 2
            assert not [name for name in asked.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("page", PAGES)
def test_another_site_that_asks_first_is_told_nothing(servers: dict[str, str], page: str) -> None:
    asked = httpx.options(
        f"{servers[page]}/gradio_api/queue/join",
        headers={
            "Origin": "https://evil.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-forwarded-host,content-type",
        },
    )
    assert asked.status_code == 403
    assert not [name for name in asked.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("page", PAGES)
def test_a_website_that_embeds_a_file_of_ours_is_refused_and_a_link_is_followed(
    servers: dict[str, str], page: str
) -> None:
    embeds = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert httpx.get(f"{servers[page]}/logout", headers=embeds).status_code == 403
    follows = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert httpx.get(servers[page], headers=follows).status_code == 200
    assert httpx.post(f"{servers[page]}/login", headers=follows).status_code == 403


@pytest.mark.parametrize("page", PAGES)
def test_a_socket_of_another_site_is_refused(servers: dict[str, str], page: str) -> None:
    port = port_of(servers[page])
    with socket.create_connection(("127.0.0.1", int(port)), timeout=60) as line:
        line.sendall(
            f"GET /gradio_api/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: https://evil.example\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert line.recv(100).split()[1] == b"403"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "127.0.0.1:{port}", "Origin": "http://127.0.0.1:{port}"},
        {"Host": "LOCALHOST:{port}", "Origin": "http://localhost:{port}"},
        {"Host": "localhost.:{port}", "Origin": "http://localhost:{port}"},
        {"Host": "[::1]:{port}", "Origin": "http://[0:0:0:0:0:0:0:1]:{port}"},
        {"Host": "localhost:8000", "Origin": "http://localhost:8000"},
        {"Host": "study.localhost", "Origin": "http://study.localhost:80"},
        {"Host": "study.example.org", "Origin": "https://study.example.org"},
        {"Host": "study.example.org:443", "Origin": "https://study.example.org", "X-Forwarded-Proto": "https"},
        {"X-Forwarded-Host": "study.example.org", "Origin": "https://study.example.org", "X-Forwarded-Proto": "https"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://study.example.org"},
        {"Host": "study.example.org", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_what_a_page_of_ours_sends_is_answered(servers: dict[str, str], page: str, headers: dict[str, str]) -> None:
    told = {name: value.format(port=port_of(servers[page])) for name, value in headers.items()}
    answer = httpx.get(f"{servers[page]}{'/theme.css' if page == 'play' else '/alive'}", headers=told)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:{port}"},
        {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
        {"Host": "EVIL.example.:{port}"},
        {"Host": "localhost.evil.example:{port}"},
        {"Host": "127.0.0.1.nip.io:{port}"},
        {"Host": "192.168.1.7:{port}"},
        {"Host": "0.0.0.0:{port}"},
        {"Host": "127.0.0.1@evil.example:{port}"},
        {"Host": "evil.example", "X-Forwarded-Host": "127.0.0.1:{port}"},
        {"Host": "evil.example", "X-Forwarded-Proto": "https"},
        {"Host": ""},
    ],
)
def test_a_page_of_this_machine_answers_to_no_name_of_others(
    servers: dict[str, str], page: str, headers: dict[str, str]
) -> None:
    told = {name: value.format(port=port_of(servers[page])) for name, value in headers.items()}
    for method, path in ROUTES:
        asked = httpx.request(method, f"{servers[page]}{path}", headers=told)
        assert asked.status_code == 403, (method, path)
        assert "PLAYGROUND_HOSTS" in asked.text


def test_names_can_be_added_and_an_open_page_answers_to_any() -> None:
    def refused(access: AllowedOrigins, host: str) -> bool:
        return bool(access.refusal("GET", "http", {"host": host}))

    given = ServerSettings.read({"PLAYGROUND_HOSTS": "Play.example.org, https://other.example.org:8443/"}).access(
        "127.0.0.1"
    )
    assert not refused(given, "play.example.org")
    assert not refused(given, "other.example.org:8443")
    assert not refused(given, "127.0.0.1:7860")
    assert refused(given, "example.org")
    assert not refused(ServerSettings().access("0.0.0.0"), "my-machine.lan:7860")
    named = ServerSettings(hosts="my-machine.lan").access("0.0.0.0")
    assert not refused(named, "my-machine.lan:7860")
    assert refused(named, "evil.example")
    with pytest.raises(InvalidInput, match="no name of a host"):
        ServerSettings.read({"PLAYGROUND_HOSTS": "play.example.org, ???"})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.3.2.1", "LOCALHOST"])
def test_what_only_this_machine_reaches_is_local(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "no-such-name.invalid"])
def test_what_others_reach_is_not(host: str) -> None:
    assert not is_local(host)


def test_a_page_by_tls_is_not_the_same_page_without() -> None:
    headers = {"host": "a.example", "origin": "http://a.example"}
    assert not is_foreign("POST", "http", headers)
    assert is_foreign("POST", "https", headers)
    assert is_foreign("POST", "http", headers | {"x-forwarded-proto": "https"})
    assert not is_foreign("POST", "https", headers | {"origin": "https://a.example"})
    assert is_foreign("POST", "http", headers | {"origin": "http://["})


def test_an_address_has_one_form() -> None:
    assert authority("Example.ORG.:80") == ("example.org", 80)
    assert authority("[0:0::1]:7860") == ("::1", 7860)
    assert authority("[::1]") == ("::1", 0)
    for none in ("", "a b", "a/b", "u@a", "a:b", "a:99999", "[::1", "a?b", "a#b"):
        assert authority(none) == ("", 0), none


@pytest.mark.parametrize("page", PAGES)
def test_only_the_page_itself_frames_it_unless_told(servers: dict[str, str], page: str) -> None:
    for path in ("/", "/config", "/theme.css", "/nothing-here"):
        assert "frame-ancestors 'self'" in httpx.get(servers[page] + path).headers["content-security-policy"]


def test_who_may_frame_a_page_is_told() -> None:
    def frames(**environment: str) -> str:
        return ServerSettings.read(environment).access("127.0.0.1").frames

    assert frames() == "'self'"
    assert frames(SPACE_ID="me/mine") == "'self' https://huggingface.co"
    assert frames(SPACE_ID="me/mine", PLAYGROUND_FRAMES="none") == "'none'"
    assert frames(PLAYGROUND_FRAMES="https://a.example,https://*.b.example:8443/") == (
        "'self' https://a.example https://*.b.example:8443"
    )
    assert frame_ancestors("*") == "*"
    for wrong in ("https://a.example; script-src *", "https://a.example\r\nX: y", "javascript:alert(1)", "a/b"):
        if wrong.split() != [wrong] or not wrong.isprintable():
            with pytest.raises(InvalidInput, match="no site"):
                ServerSettings.read({"PLAYGROUND_FRAMES": wrong})


def test_a_page_that_is_open_to_the_network_says_what_others_can_do(tmp_path: Path) -> None:
    with PageServer(tmp_path / "log", "--host", "0.0.0.0", XDG_DATA_HOME=str(tmp_path)) as page:
        assert httpx.get(page.url, headers={"Host": "my-machine.lan"}).status_code == 200
        foreign = {"Host": "my-machine.lan", "Origin": "http://evil.example"}
        assert httpx.get(page.url, headers=foreign).status_code == 403
    said = page.log.read_text()
    for danger in ("open to the network", "load folders", "train", "delete", "--host 127.0.0.1"):
        assert danger in said
