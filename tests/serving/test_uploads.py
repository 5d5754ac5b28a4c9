"""Uploads: how much of them at a time, for how long, and where none are taken."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from playground.serving import uploads
from playground.study.database import sqlite_url
from tests.servers import PageServer
from tests.study.browser import Server
from tests.study.made import make_study

FILE = {"files": ("x.json", b"x" * 1000)}


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of a page, with what another process left there long ago."""
    folder = tmp_path_factory.mktemp("temporary") / "gradio"
    left = folder / "abc" / "left.bin"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"left")
    for path in (left, left.parent):
        os.utime(path, (1e9, 1e9))
    return folder


@pytest.fixture(scope="module")
def page(temporary: Path) -> Iterator[str]:
    home = temporary.parent
    settings = {"XDG_DATA_HOME": str(home / "data"), "GRADIO_TEMP_DIR": str(temporary)}
    with PageServer(home / "log", **settings) as page:
        yield page.url
        assert "Traceback" not in page.log.read_text()


def test_an_upload_lies_where_it_is_swept(page: str, temporary: Path) -> None:
    path = httpx.post(f"{page}/gradio_api/upload", files=FILE).raise_for_status().json()[0]
    assert Path(path).is_relative_to(temporary)
    assert Path(path).read_bytes() == b"x" * 1000
    assert not (temporary / "abc").exists()
    os.utime(path, (1e9, 1e9))
    assert httpx.post(f"{page}/gradio_api/upload", files={"files": ("y.json", b"y")}).status_code == 200
    assert not Path(path).exists()


def test_an_upload_that_leaves_no_room_is_refused_unread(page: str, temporary: Path) -> None:
    filled = temporary / "filled.bin"
    filled.parent.mkdir(exist_ok=True)
    with filled.open("wb") as file:
        file.truncate(uploads.MOST)  # takes no room on the disk
    asked = httpx.post(f"{page}/gradio_api/upload", files=FILE)
    filled.unlink()
    assert asked.status_code == 413
    assert "no room for this upload" in asked.text
    assert httpx.post(f"{page}/gradio_api/upload", files=FILE).status_code == 200


def test_an_upload_that_does_not_say_its_length_is_refused(page: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    asked = httpx.post(f"{page}/gradio_api/upload", content=iter([b"--x\r\n"]), headers=headers)
    assert asked.status_code == 411


@pytest.mark.parametrize(
    "path", ["/gradio_api/component_server", "/gradio_api/process_recording", "/gradio_api/call/say"]
)
def test_files_are_taken_in_one_place_only(page: str, path: str) -> None:
    asked = httpx.post(f"{page}{path}", files=FILE)
    assert (asked.status_code, asked.text) == (403, "This page takes no files.\n")


def test_a_study_and_a_public_page_take_none(tmp_path: Path) -> None:
    make_study(tmp_path / "study")
    with Server(tmp_path / "study", sqlite_url(tmp_path / "study.sqlite"), tmp_path / "log") as server:
        assert httpx.post(f"{server.url}/gradio_api/upload", files=FILE).status_code == 403
    with PageServer(tmp_path / "page.log", XDG_DATA_HOME=str(tmp_path), PLAYGROUND_PUBLIC="1") as page:
        assert httpx.post(f"{page.url}/gradio_api/upload", files=FILE).status_code == 403


def test_uploads_are_removed_after_an_hour_the_rest_after_a_day_and_what_is_left_is_counted(tmp_path: Path) -> None:
    uploads_taken = set()
    for name, age_s in (("old", 7200), ("new", 60), ("download", 7200), ("left", 90_000)):
        path = tmp_path / name / "file.bin"
        path.parent.mkdir()
        path.write_bytes(b"12345")
        for one in (path, path.parent):
            os.utime(one, (one.stat().st_mtime - age_s,) * 2)
        if name in ("old", "new"):
            uploads_taken.add(str(path))
    assert uploads.swept(tmp_path, uploads_taken) == 5 * 4096  # two files of five bytes, and three folders
    assert sorted(path.parent.name for path in tmp_path.glob("*/*")) == ["download", "new"]
    assert not (tmp_path / "left").exists()
    assert uploads.swept(tmp_path / "nowhere", ()) == 0
