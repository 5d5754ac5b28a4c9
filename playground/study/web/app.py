"""Serves a study: one page for the people who take part, and one on another port for the staff.

Forms go straight to `study.visit` and come back as the next page; every call stands alone, so a queue, a session or a
second server process cannot lose any. No torch, no model, no address of anybody.
"""

import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from playground.serving.address import check_port
from playground.serving.limits import ServerSettings
from playground.serving.origins import AllowedOrigins, is_local
from playground.serving.passwords import check_token
from playground.serving.previews import Preview
from playground.serving.server import app_arguments
from playground.study import stimuli
from playground.study.copies import EVERY_S, Copies
from playground.study.database import located, told
from playground.study.stimuli import Study
from playground.study.store import Store
from playground.study.visit import Visits
from playground.study.web import screens
from playground.study.web.staff import staff_page
from playground.study.words import Words, shipped
from playground.ui.theme import ASSETS, CONNECTION, theme

_SCRIPT = (ASSETS / "study.js").read_text(encoding="utf-8")
_HEAD = (
    '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
    '<meta name="robots" content="noindex">'
)
_OPEN = (
    "Warning: the staff page is open to the network. Without TLS its password and the answers can be read on the way. "
    "Leave out --staff-host and reach it by an SSH tunnel, or put a proxy with TLS in front of it; see docs/studies.md."
)
_LONGEST_FORM = 1_000_000  # bytes; a long slider path and long answers come to a tenth of that
_BARE: dict[str, Any] = {"padding": False, "apply_default_css": False}
_ALONE: dict[str, Any] = {
    "queue": False,  # answered within its own request, so that it does not matter which server process gets the next
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_limit": None,
}


def build(study: Study, store: Store) -> gr.Blocks:
    """The page of a study, ready to launch with `appearance()`."""
    visits = Visits(study, store)

    def arrive(request: gr.Request) -> str:
        return screens.page(visits.arrive(request.query_params), study.plan)

    def act(event: gr.EventData, request: gr.Request) -> str:
        return screens.page(visits.act(event._data, request.query_params), study.plan)

    with gr.Blocks(title=study.plan.title, analytics_enabled=False) as blocks:
        page = gr.HTML(screens.waiting(study.plan), js_on_load=_SCRIPT, elem_id="page", **_BARE)
        blocks.load(arrive, None, page, **_ALONE)
        page.submit(act, None, page, **_ALONE)
    return blocks


def appearance(
    title: str = "Study", access: AllowedOrigins | None = None, words: Words | None = None
) -> dict[str, Any]:
    """What `launch` must be told so that the page looks right, says nothing and keeps nothing in the browser.

    `title` and a sentence are all that a link to it tells; `access` says who may talk to it, unless it is local;
    `words` are what it says, English unless given.
    """
    said = words or shipped("en")
    preview = Preview(title, said["preview"])
    lost = json.dumps(said["lost"]).replace("<", "\\u003c")
    served = app_arguments(access or AllowedOrigins.of("127.0.0.1"), preview)
    return {
        "theme": theme(),
        "css_paths": [ASSETS / "palette.css", ASSETS / "study.css"],
        "head": f"{_HEAD}<script>window.playgroundLost = {lost}</script>{CONNECTION}",
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "pwa": False,
        "share": False,
        "mcp_server": False,
        "enable_monitoring": False,
        "show_error": False,
        "max_file_size": "1kb",
        "app_kwargs": {
            "openapi_url": None,
            "docs_url": None,
            "redoc_url": None,
            "max_body_size": _LONGEST_FORM,
            **served,
        },
        "quiet": True,
    }


def serve(
    folder: Path,
    database: str,
    host: str = "127.0.0.1",
    port: int = 7870,
    staff_port: int | None = None,
    staff_token: str = "",
    copy_to: str = "",
    staff_host: str = "127.0.0.1",
) -> None:
    """Serve a built study until interrupted.

    Raises PlaygroundError if the folder, database or a port cannot be had, or the staff token is soon guessed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if staff_token:
        check_token(staff_token)
    hosting = ServerSettings.read(os.environ)
    study = stimuli.load(folder)
    check_port(host, port)
    if staff_port is not None:
        check_port(staff_host, staff_port)
    with Store.open(database, study) as store, tempfile.TemporaryDirectory() as scratch:
        copies = _copies(study, store, database, copy_to) if copy_to else None
        os.environ["GRADIO_TEMP_DIR"] = scratch  # what the staff download lies nowhere afterwards
        if staff_port is not None:
            token = staff_token or secrets.token_urlsafe(12)
            _, url, _ = staff_page(study, store, Path(scratch)).launch(
                server_name=staff_host,
                server_port=staff_port,
                prevent_thread_lock=True,
                auth=("staff", token),
                auth_message="The user is staff; the password was printed when the study was opened.",
                **appearance(f"Staff: {study.plan.title}", hosting.access(staff_host)),
            )
            _say(f"The staff page is at {url}: user staff, password {'as given' if staff_token else token}.")
            if not is_local(staff_host):
                _say(_OPEN)
        for name in study.plan.codes.missing():
            _say(f"The completion code {name} is not set: people will see none. Set the environment variable {name}.")
        blocks = build(study, store)
        look = appearance(study.plan.title, hosting.access(host), study.plan.spoken)
        _, url, _ = blocks.launch(server_name=host, server_port=port, prevent_thread_lock=True, **look)
        _say(f"{study.plan.title}: {len(study.stimuli)} replies. Try them at {url}?preview=1, which never counts.")
        _say(f"Answers are kept in {told(located(database))}.")
        _say(f"The study is at {url} (Ctrl-C stops it).")
        blocks.block_thread()
        if copies is not None:
            copies.close()


def _copies(study: Study, store: Store, database: str, dataset: str) -> Copies:
    from huggingface_hub import HfApi

    copies = Copies(study, store, database, dataset, HfApi())
    copies.start()
    _say(f"Copies go to the private dataset {dataset} every {EVERY_S / 60:g} minutes.")
    return copies


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201
