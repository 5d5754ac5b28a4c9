"""What a study's server answers the people who take part: whole pages, and the next screen for each form.

Forms go straight to `study.visit`; every call stands alone, so a session or a second server process cannot lose any.
No torch, no model, no address of anybody.
"""

import json
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from playground.serving.bodies import Bodies
from playground.serving.gate import Gate
from playground.serving.origins import AllowedOrigins
from playground.serving.previews import Preview
from playground.serving.uploads import Uploads
from playground.study.stimuli import Study
from playground.study.store import Store
from playground.study.visit import Visits
from playground.study.web import screens
from playground.study.web.documents import Document
from playground.study.words import direction

AROUND = [
    Middleware(Uploads, folder=None, taken=()),
    Middleware(Bodies),
    Middleware(GZipMiddleware, minimum_size=500),
]
"""What stands before the routes of people and staff: no files, no long or deep bodies, short answers."""


class StudyPages:
    """The pages of one study."""

    def __init__(self, study: Study, store: Store) -> None:
        self.plan, self.visits = study.plan, Visits(study, store)
        said = self.plan.spoken
        preview = Preview(self.plan.title, said["preview"])
        self.document = Document("study.css", "study.js", preview, self.plan.language, direction(self.plan.language))

    def arrive(self, request: Request) -> Response:
        """The page of whoever opens or reloads the study's address."""
        shown = self.visits.arrive(request.query_params) if request.method == "GET" else None
        body = screens.page(shown, self.plan) if shown else screens.waiting(self.plan)
        return self.document.response(body, self.plan.spoken["lost"])

    async def act(self, request: Request) -> Response:
        """The next screen, once what a form says is saved."""
        try:
            form = json.loads(await request.body())
        except ValueError:
            form = None  # no form at all, which is told as such
        shown = await run_in_threadpool(self.visits.act, form, request.query_params)
        return HTMLResponse(screens.page(shown, self.plan), headers={"Cache-Control": "no-store"})

    async def failed(self, request: Request, _: Exception) -> Response:
        """What a page says that could not be made: it asks again by itself."""
        again = {"Refresh": "5"} if request.method == "GET" else {}
        return self.document.response(screens.waiting(self.plan), self.plan.spoken["lost"], 503, again)


async def alive(_: Request) -> Response:
    """Says that the server answers."""
    return JSONResponse({})


def study_app(study: Study, store: Store, access: AllowedOrigins) -> ASGIApp:
    """The server of a study's participants; `access` says who may talk to it."""
    pages = StudyPages(study, store)
    routes = [
        Route("/", pages.arrive, methods=["GET"]),
        Route("/", pages.act, methods=["POST"]),
        Route("/alive", alive),
    ]
    handlers: dict[Any, Any] = {Exception: pages.failed}
    return Gate(Starlette(routes=routes, middleware=AROUND, exception_handlers=handlers), access)
