"""What stands before the endpoint's routes: an id for each request, the API key, and a count of the answers."""

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playground.api import failures
from playground.api.keys import Keys
from playground.api.metrics import Metrics

OPEN = ("/health", "/ready")
"""Paths that ask for no key."""

_ID = re.compile(r"[\x21-\x7e]{1,200}")


class Entrance:
    """An endpoint behind its API keys; without any it is open."""

    def __init__(self, app: ASGIApp, keys: Keys, metrics: Metrics) -> None:
        self.app, self.keys, self.metrics = app, keys, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the request's own id, or one made for it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        own = given if _ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        status = "none"  # the client went away unanswered

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                MutableHeaders(scope=message)["x-request-id"] = own
            await send(message)

        try:
            if scope["path"] in OPEN or self.keys.fit(headers.get("authorization", "")):
                await self.app(scope, receive, told)
            else:
                refused = failures.told(failures.NoKey("There is no API key, or a wrong one.", _HOW))
                await refused.response({"www-authenticate": "Bearer"})(scope, receive, told)
        finally:
            path = getattr(scope.get("route"), "path", "none")
            self.metrics.requests.labels(path, status).inc()


_HOW = "Send it as: Authorization: Bearer KEY."
