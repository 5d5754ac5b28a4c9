"""What stands before every route of a page: refuses what other sites send, and puts the page's own headers on answers.

Gradio reflects any Origin with credentials, marks its cookies SameSite=None and sets no bounds to who may frame a page.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playground.serving.origins import FOREIGN, AllowedOrigins, is_tls


class Gate:
    """Lets through what `access` allows. For HTTP and websockets, whatever the route."""

    def __init__(self, app: ASGIApp, access: AllowedOrigins) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it unread."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers, scheme = Headers(scope=scope), scope["scheme"].replace("ws", "http")
        method = scope.get("method", "WEBSOCKET")
        reason = self.access.refusal(method, scheme, headers)
        if len(headers.getlist("origin")) > 1 or len(headers.getlist("host")) > 1:
            reason = FOREIGN
        told = _telling(send, self.access.frames, is_tls(scheme, headers))
        if reason:
            await refuse(scope, receive, told, 403, reason)
        else:
            await self.app(scope, receive, told)


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, reason: str, **headers: str) -> None:
    """Answer with one sentence, without reading further."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": reason})  # before it is accepted: a plain 403
        return
    await PlainTextResponse(f"{reason}\n", status, headers)(scope, receive, send)


def _telling(send: Send, frames: str, tls: bool) -> Send:
    """Send answers with the page's own headers: who may frame it, whom its cookies go to, and nobody to share with."""

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", []) if not pair[0].lower().startswith(b"access-control-")]
            message["headers"] = [
                (name, _cookie(value, tls) if name == b"set-cookie" else value) for name, value in kept
            ]
            MutableHeaders(scope=message).append("content-security-policy", f"frame-ancestors {frames}")
        await send(message)

    return told


def _cookie(value: bytes, tls: bool) -> bytes:
    """A cookie that no script reads, that goes to this page alone, and by TLS alone where the page came by it."""
    pair, *attributes = value.split(b"; ")
    kept = [one for one in attributes if one.lower().partition(b"=")[0] not in (b"samesite", b"httponly", b"secure")]
    safe = [b"Secure"] if tls or b"secure" in value.lower().split(b"; ") else []
    return b"; ".join([pair, *kept, *safe, b"HttpOnly", b"SameSite=Lax"])
