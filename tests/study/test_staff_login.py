"""The staff's password: which one is taken, how slowly wrong ones are answered, and whom its cookie goes to."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from playground.errors import InvalidInput
from playground.serving.passwords import check_token, network
from playground.study.database import sqlite_url
from tests.ports import free_port
from tests.study.browser import ROOT, Server

TOKEN = "right-and-long"
BY_TLS = {"Host": "staff.example.org", "Origin": "https://staff.example.org", "X-Forwarded-Proto": "https"}


@contextmanager
def staff_page(folder: Path, home: Path) -> Iterator[str]:
    """The address of a staff's page, where nobody has tried a password yet."""
    port = free_port()
    options = ("--staff-port", str(port), "--staff-token", TOKEN)
    with Server(folder, sqlite_url(home / "study.sqlite"), home / "log", *options) as server:
        yield f"http://127.0.0.1:{port}"
        assert TOKEN not in server.log.read_text()
        assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def staff(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with staff_page(folder, tmp_path_factory.mktemp("staff")) as url:
        yield url


def log_in(url: str, password: str, **headers: str) -> httpx.Response:
    return httpx.post(f"{url}/login", data={"username": "staff", "password": password}, headers=headers, timeout=60)


def test_wrong_passwords_are_answered_later_and_later_and_the_right_one_is_taken(folder: Path, tmp_path: Path) -> None:
    took = []
    with staff_page(folder, tmp_path) as staff:
        for number in range(6):
            began = time.monotonic()
            # As from behind a proxy, another address each time.
            assert log_in(staff, f"wrong-{number}", **{"X-Forwarded-For": f"203.0.113.{number}"}).status_code == 400
            took.append(time.monotonic() - began)
        assert log_in(staff, TOKEN).status_code == 303
    for took_s, held_s in zip(took, (0.25, 0.5, 1, 2, 4, 4), strict=True):
        assert took_s >= held_s


def test_many_passwords_at_once_are_not_even_looked_at(staff: str) -> None:
    for number in range(3):
        log_in(staff, f"wrong-{number}")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: log_in(staff, f"guess-{number}"), range(20)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert len(refused) + sum(answer.status_code == 400 for answer in answers) == 20
    for answer in refused:
        assert "Try again in a few seconds." in answer.text
        assert answer.headers["retry-after"] == "4"
    assert log_in(staff, TOKEN).status_code == 303


def test_the_cookie_goes_to_this_page_alone(staff: str) -> None:
    form = {"username": "staff", "password": TOKEN}
    for headers, secure in (({}, False), (BY_TLS, True)):
        answer = httpx.post(f"{staff}/login", data=form, headers=headers)
        cookies = [cookie.lower() for cookie in answer.headers.get_list("set-cookie")]
        assert len(cookies) == 1
        for cookie in cookies:
            assert "; samesite=lax" in cookie
            assert "samesite=none" not in cookie
            assert cookie.count("; httponly") == 1
        assert all("; secure" in cookie for cookie in cookies) == secure


def test_another_site_of_the_same_domain_gets_nothing_with_the_staffs_cookies(staff: str) -> None:
    with httpx.Client(base_url=staff, headers=BY_TLS) as client:
        client.post("/login", data={"username": "staff", "password": TOKEN})
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)
        assert client.get("/standing", headers={"Cookie": cookies}).status_code == 200
        foreign = {"Origin": "https://blog.example.org", "Cookie": cookies}
        for path in ("/", "/standing", "/answers.zip"):
            assert client.get(path, headers=foreign).status_code == 403
        for path in ("/pause?paused=1", "/login"):
            asked = client.post(path, data={"password": TOKEN}, headers=foreign)
            assert asked.status_code == 403
            assert "access-control-allow-origin" not in asked.headers


@pytest.mark.parametrize(
    "token", ["a", "password", "12345678901234", "abcdefghijklmnop", "aaaaaaaaaaaaaaaa", "passwordpassword", " " * 20]
)
def test_a_token_that_is_soon_guessed_is_refused(token: str) -> None:
    with pytest.raises(InvalidInput, match="soon guessed"):
        check_token(token)


@pytest.mark.parametrize("token", [TOKEN, "the-password", "jg3_Qx0dkBsG9w-K", "größer als gedacht"])
def test_a_token_that_is_not_is_taken(token: str) -> None:
    check_token(token)


def test_the_server_does_not_start_with_a_weak_token(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "playground", "study", "serve", str(folder), "--staff-port", "7871"]
    command += ["--staff-token", "a", "--database", sqlite_url(tmp_path / "study.sqlite")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 2
    assert "at least 12 characters" in ran.stderr
    assert not (tmp_path / "study.sqlite").exists()


def test_an_address_is_a_network_where_one_has_many() -> None:
    assert network({"client": ("203.0.113.7", 1)}) == "203.0.113.7"
    assert network({"client": ("2001:db8::1", 1)}) == network({"client": ("2001:db8::ffff", 1)}) == "2001:db8::/64"
    assert network({"client": None}) == network({}) == ""


def test_the_staffs_page_stays_on_this_machine_unless_told(folder: Path, tmp_path: Path) -> None:
    port = free_port()
    database, options = sqlite_url(tmp_path / "study.sqlite"), ("--host", "0.0.0.0", "--staff-port", str(port))
    with Server(folder, database, tmp_path / "log", *options) as server:
        assert f"http://127.0.0.1:{port}/" in server.log.read_text()
        assert "open to the network" not in server.log.read_text()
    with Server(folder, database, tmp_path / "log", *options, "--staff-host", "0.0.0.0") as server:
        assert "Warning: the staff page is open to the network. Without TLS" in server.log.read_text()
