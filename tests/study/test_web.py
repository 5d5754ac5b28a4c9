"""What a study says when a page cannot be made, and that texts which look like HTML are text on the staff page."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from playground.serving.origins import AllowedOrigins
from playground.study.stimuli import Study
from playground.study.store import Store
from playground.study.web.app import study_app
from playground.study.web.staff import staff_app
from tests.study.made import SHORT, make_study

HERE = AllowedOrigins.of("127.0.0.1")


def test_a_page_that_cannot_be_made_asks_again_by_itself_and_a_form_may_be_sent_again(
    study: Study, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> bool:
        raise OSError("the database is gone")

    monkeypatch.setattr(store, "paused", gone)
    client = TestClient(study_app(study, store, HERE), base_url="http://127.0.0.1", raise_server_exceptions=False)
    page = client.get("/")
    assert page.status_code == 503
    assert page.headers["refresh"] == "5"
    assert study.plan.spoken["waiting"] in page.text
    assert "database" not in page.text
    form = client.post("/", json={"action": "consent", "code": "", "key": "a-key-of-a-form", "token": ""})
    assert form.status_code == 503
    assert "refresh" not in form.headers


def test_what_stands_in_a_study_file_is_text_on_the_staffs_page(tmp_path: Path) -> None:
    study = make_study(tmp_path / "s", SHORT.replace('title = "', 'title = "<script>x</script>', 1))
    assert "<script>" in study.plan.title
    with Store.open("sqlite://", study) as store:
        client = TestClient(staff_app(study, store, "right-and-long", HERE), base_url="http://127.0.0.1")
        asked = client.get("/").text
        page = client.post("/login", data={"password": "right-and-long"}).text
    for html in (asked, page):
        assert "<script>x" not in html
        assert "&lt;script&gt;x" in html
    assert 'id="standing"' in page and 'id="standing"' not in asked
