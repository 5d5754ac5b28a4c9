"""Which sites' pages may call the endpoint for programs from a browser (CORS): none, unless the owner names some."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PATH = "/v1/"
_BROWSERS_OWN = (b"origin", b"sec-fetch-")


class Cors:
    """An application whose endpoint for programs answers some sites' pages as if they were programs."""

    def __init__(self, app: ASGIApp, allowed: frozenset[str]) -> None:
        self.app, self.allowed = app, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a page's question whether it may call, and its calls; pass everything else on."""
        origin = Headers(scope=scope).getlist("origin") if scope["type"] == "http" else []
        named = len(origin) == 1 and ("*" in self.allowed or origin[0] in self.allowed)
        if not named or not scope["path"].startswith(_PATH):
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        shared = {"access-control-allow-origin": origin[0], "vary": "Origin"}
        if scope["method"] == "OPTIONS" and "access-control-request-method" in asked:
            shared["access-control-allow-methods"] = "GET, POST"
            shared["access-control-allow-headers"] = asked.get("access-control-request-headers", "")
            await Response(status_code=204, headers=shared)(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update({**shared, "access-control-expose-headers": "x-request-id"})
            await send(message)

        kept = [pair for pair in scope["headers"] if not pair[0].lower().startswith(_BROWSERS_OWN)]
        await self.app({**scope, "headers": kept}, receive, told)
