"""The staff's page: how the study stands, who is flagged, what is liked so far, pause, and the answers to take away."""

import secrets
import tempfile
import time
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pandas as pd
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from playground.serving.gate import Gate
from playground.serving.origins import AllowedOrigins
from playground.serving.passwords import LoginThrottle
from playground.serving.previews import Preview
from playground.study import export, results
from playground.study.records import Records, StudyCounts
from playground.study.stimuli import Study
from playground.study.store import Store
from playground.study.web.app import AROUND, alive
from playground.study.web.documents import Document
from playground.study.words import shipped
from playground.templates import html

COOKIE = "staff"
"""The cookie of who gave the right password; it is worth nothing to another process."""

Endpoint = Callable[[Request], Awaitable[Response]]

_SHOWN = {
    "person": "Participant",
    "flags": "Flags",
    "answered": "Answered",
    "trials": "Of",
    "checks_failed": "Attention checks failed",
    "repeats_differ": "Inconsistent repeats",
    "too_fast": "Too fast",
    "hidden": "Left the page",
    "left_share": "Chose left",
}


class StaffPages:
    """The pages of one study's staff, behind one password."""

    def __init__(self, study: Study, store: Store, password: str) -> None:
        self.study, self.store, self.password = study, store, password
        self.cookie = secrets.token_urlsafe(32)
        title = f"Staff: {study.plan.title}"
        self.document = Document("staff.css", "staff.js", Preview(title, "A study's staff."))
        self.lost = shipped("en")["lost"]

    def open(self, request: Request) -> Response:
        """The page, or the question for its password."""
        if not self._is_staff(request):
            return self._asked("")
        told = {"title": self.study.plan.title, "standing": self._standing()}
        return self.document.response(html("study/web/staff.html", **told), self.lost)

    async def log_in(self, request: Request) -> Response:
        """Whoever knows the password is told its cookie."""
        given = parse_qs((await request.body()).decode("utf-8", "replace")).get("password", [""])[0]
        if not secrets.compare_digest(given.encode(), self.password.encode()):
            return self._asked("This is not the password.")
        answer = RedirectResponse("./", 303)
        answer.set_cookie(COOKIE, self.cookie, httponly=True, samesite="lax")
        return answer

    def standing(self, _: Request) -> Response:
        """The part of the page that changes while people answer."""
        return HTMLResponse(self._standing(), headers={"Cache-Control": "no-store"})

    def pause(self, request: Request) -> Response:
        """Let nobody in, or go on, as the pressed button says."""
        self.store.pause(request.query_params.get("paused") == "1")
        return RedirectResponse("./", 303)

    def take(self, _: Request) -> Response:
        """All answers in one file, of which nothing is left lying here."""
        with tempfile.TemporaryDirectory() as scratch:
            path = archive(self.study, self.store, Path(scratch))
            told = {"Content-Disposition": f'attachment; filename="{path.name}"', "Cache-Control": "no-store"}
            return Response(path.read_bytes(), media_type="application/zip", headers=told)

    def only_staff(self, endpoint: Callable[[Request], Response]) -> Endpoint:
        """An endpoint that answers nobody else."""

        async def guarded(request: Request) -> Response:
            if not self._is_staff(request):
                return PlainTextResponse("Give the password first.\n", 401)
            return await run_in_threadpool(endpoint, request)

        return guarded

    def _is_staff(self, request: Request) -> bool:
        return secrets.compare_digest(request.cookies.get(COOKIE, "").encode(), self.cookie.encode())

    def _asked(self, wrong: str) -> Response:
        body = html("study/web/login.html", title=self.study.plan.title, wrong=wrong)
        return self.document.response(body, self.lost, 400 if wrong else 200)

    def _standing(self) -> Markup:
        """How the study stands now."""
        tables = results.long_table(self.store, self.study), results.people_table(self.store, self.study)
        table, people = results.main_data(*tables)
        standing = self.store.progress()
        won = {one.id: results.liked(results.of_condition(table, one.id)) for one in self.study.plan.compared}
        return html(
            "study/web/standing.html",
            standing=standing,
            counts=_counts(standing),
            hours=self.study.plan.recruiting.hours_away,
            won={name: rates for name, rates in won.items() if rates},
            heads=list(_SHOWN.values()),
            flagged=_flagged(people),
        )


def staff_app(study: Study, store: Store, password: str, access: AllowedOrigins) -> ASGIApp:
    """The server of a study's staff; `access` says who may talk to it."""
    pages = StaffPages(study, store, password)
    routes = [
        Route("/", pages.open, methods=["GET"]),
        Route("/login", pages.log_in, methods=["POST"]),
        Route("/standing", pages.only_staff(pages.standing), methods=["GET"]),
        Route("/pause", pages.only_staff(pages.pause), methods=["POST"]),
        Route("/answers.zip", pages.only_staff(pages.take), methods=["GET"]),
        Route("/alive", alive),
    ]
    return Gate(LoginThrottle(Starlette(routes=routes, middleware=AROUND)), access)


def archive(study: Study, records: Records, scratch: Path) -> Path:
    """All that `playground study export` writes, in one file below `scratch`."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    path = folder / f"{study.plan.name}-{time.strftime('%Y%m%d-%H%M')}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in export.write(study, records, folder / "files"):
            archive.write(file, file.name)
    return path


def _counts(standing: StudyCounts) -> dict[str, int]:
    """The counts, one after another."""
    return {
        "Started": standing.consented,
        "In progress": standing.consented - standing.finished - standing.abandoned,
        "Completed": standing.finished - standing.failed - standing.screened,
        "Failed checks": standing.failed,
        "Screened out": standing.screened,
        "Dropped out": standing.abandoned,
        "Withdrew": standing.withdrawn,
        "Declined": standing.declined,
        "Pilot": standing.pilots,
        "Answers": standing.answers,
    }


def _flagged(people: pd.DataFrame) -> list[list[str]]:
    """What is shown of each person with a flag."""
    rows = people.loc[people["flags"] != "", list(_SHOWN)].to_dict("records")
    return [[_cell(str(name), value) for name, value in row.items()] for row in rows]


def _cell(name: str, value: Any) -> str:
    if name == "left_share":
        return "" if pd.isna(value) else f"{value:.0%}"
    return str(value).replace(" ", ", ").replace("_", " ")
