"""The endpoint's routes, alone or beside a page."""

import json
import time
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from playground.api import failures
from playground.api.answer import CompletionResponse
from playground.api.chat import ChatRequest
from playground.api.completion import ChatCompletion, CompletionBuilder
from playground.api.engine import EngineRoutes
from playground.api.entrance import Entrance
from playground.api.keys import Keys
from playground.api.metrics import Metrics
from playground.api.models import Models
from playground.errors import Busy, PlaygroundError
from playground.remote.http import BATCHES, DESCRIPTION, EVENTS, PIECES
from playground.serving.bodies import Bodies
from playground.serving.limits import LimitedPlayer

_PATHS = ("/v1/{rest:path}", "/health", "/ready", "/metrics")
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": failures.ErrorBody, "description": told}
    for status, told in (
        (400, "A parameter is wrong; `param` names it."),
        (401, "The API key is missing or wrong."),
        (404, "There is no such model."),
        (429, "As many requests as fit are being answered."),
    )
}
_RETRY_S = "2"
"""Seconds after which whoever found no room may ask again."""
_SCHEMAS = "#/components/schemas/"


class Endpoint:
    """What the routes answer, by one player within its limits."""

    def __init__(self, player: LimitedPlayer, metrics: Metrics) -> None:
        self.player, self.metrics = player, metrics
        self.models = Models(player)
        self.started = int(time.time())

    async def list_models(self) -> Response:
        """The base model, and each axis at alpha 1; any other steering may stand behind the @ of an id."""
        return JSONResponse({"object": "list", "data": [self._model(name) for name in self.models.ids()]})

    async def retrieve_model(self, model: str) -> Response:
        """One model, by an id with any steering."""
        self.models.strengths(model)
        return JSONResponse(self._model(model))

    async def chat(self, http: Request) -> Response:
        """Replies to a conversation, whole or as server-sent events."""
        asked = ChatRequest(**_object(await http.body()))
        settings = self.player.hosting
        settings.check_rows(asked.n)
        strengths = self.models.strengths(asked.model, asked.steering)
        request = asked.request(strengths, min(settings.reply_tokens, settings.max_new_tokens))
        events = self.player.run(request, self.player.caller(http))
        return CompletionResponse(events, CompletionBuilder(asked, self.player.piece), self.metrics)

    async def health(self) -> Response:
        """Whether the server runs."""
        return JSONResponse({"status": "ok"})

    async def ready(self) -> Response:
        """Whether there is room for one more request."""
        full = self.player.in_use().requests_waiting >= self.player.hosting.queue
        return JSONResponse({"status": "full" if full else "ok"}, 503 if full else 200)

    async def numbers(self) -> Response:
        """What Prometheus reads."""
        return Response(self.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self.started, "owned_by": "alignment-playground"}


def build(player: LimitedPlayer, keys: Keys) -> ASGIApp:
    """The endpoint as an application. Raises InvalidInput or AxisMismatch for a default steering that cannot be."""
    metrics = Metrics(player)
    endpoint = Endpoint(player, metrics)
    # No pages of documentation: those of FastAPI are drawn by scripts from elsewhere.
    app = FastAPI(title="Alignment Playground", openapi_url="/v1/openapi.json", docs_url=None, redoc_url=None)
    app.add_api_route("/v1/models", endpoint.list_models, methods=["GET"])
    app.add_api_route("/v1/models/{model:path}", endpoint.retrieve_model, methods=["GET"], responses=_REFUSALS)
    app.add_api_route(
        "/v1/chat/completions", endpoint.chat, methods=["POST"], response_model=ChatCompletion, responses=_REFUSALS,
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {
            "schema": {"$ref": f"{_SCHEMAS}ChatRequest"},
        }}}},
    )  # fmt: skip
    engine = EngineRoutes(player, metrics)
    app.add_api_route(DESCRIPTION, engine.describe, methods=["GET"])
    app.add_api_route(PIECES, engine.pieces, methods=["GET"])
    app.add_api_route(EVENTS, engine.events, methods=["POST"])
    app.add_api_route(BATCHES, engine.batches, methods=["POST"])
    app.add_api_route("/health", endpoint.health, methods=["GET"])
    app.add_api_route("/ready", endpoint.ready, methods=["GET"])
    app.add_api_route("/metrics", endpoint.numbers, methods=["GET"])
    app.add_exception_handler(PlaygroundError, _refused)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(Exception, _broken)
    _describe(app)
    return Entrance(Bodies(app), keys, metrics)


def routes(app: ASGIApp) -> list[Route]:
    """The endpoint's paths on another application, before whatever that has at them."""
    return [Route(path, app) for path in _PATHS]


def _object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body. Raises HTTPException for anything else."""
    try:
        given = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise HTTPException(400, 'The body is no JSON object such as {"model": "...", "messages": [...]}')
    return given


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, PlaygroundError)
    busy = {"retry-after": _RETRY_S} if isinstance(error, Busy) else None
    return failures.told(error).response(busy)


async def _unknown(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return failures.refused(error.status_code, f"{error.detail}.").response(error.headers)


async def _broken(_: Request, __: Exception) -> Response:
    return failures.broken().response()


def _describe(app: FastAPI) -> None:
    """Add what the body of a chat request may hold to the description, which FastAPI finds by itself otherwise."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        told = described()
        schema = ChatRequest.model_json_schema(ref_template=f"{_SCHEMAS}{{model}}")
        told["components"]["schemas"] |= {**schema.pop("$defs"), "ChatRequest": schema}
        return told

    app.openapi = openapi  # pyrefly: ignore[method-assign]
