"""What a link to a page looks like where it is shared: title, description and picture in the head of its HTML.

Gradio's own template advertises Gradio there, and tells the address `{url}`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playground.serving.origins import authority, is_tls
from playground.templates import html

PICTURE = "/preview.png"
"""Where a page serves its picture."""

_TOLD = re.compile(rb'\s*<meta\s+(?:property="og:|name="(?:twitter:|description"))[^>]*>')
_HEAD = re.compile(rb"<head>(?:\s*<meta charset=[^>]*>)?")


@dataclass(frozen=True)
class Preview:
    """What is told of a page: its title, a sentence, and a picture if it has one."""

    title: str
    description: str
    picture: Path | None = None
    style: str = ""
    """Rules that must hold at the first paint: what Gradio is told as css comes later, and what is there would move."""


class Previews:
    """Serves the picture, and replaces what the HTML of a page tells about itself."""

    def __init__(self, app: ASGIApp, preview: Preview) -> None:
        self.app, self.preview = app, preview

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but the picture; HTML comes back with another head."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == PICTURE and self.preview.picture is not None and scope["method"] in ("GET", "HEAD"):
            await FileResponse(self.preview.picture, media_type="image/png")(scope, receive, send)
        else:
            await self.app(scope, receive, _Rewritten(send, tags(self.preview, _address(scope))).send)


class _Rewritten:
    """Sends an answer on: HTML once it is whole and rewritten, anything else as it comes."""

    def __init__(self, send: Send, told: str) -> None:
        self.pass_on, self.told = send, told
        self.start: Message | None = None
        self.body = b""

    async def send(self, message: Message) -> None:
        """Take one message of the answer."""
        if message["type"] == "http.response.start" and _is_page(message):
            self.start = message
        elif self.start is None or message["type"] != "http.response.body":
            await self.pass_on(message)
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._whole(self.start)

    async def _whole(self, start: Message) -> None:
        body = _HEAD.sub(lambda found: found[0] + self.told.encode(), _TOLD.sub(b"", self.body), count=1)
        headers = MutableHeaders(scope=start)
        if self.body:  # an answer to HEAD has none
            headers["content-length"] = str(len(body))
        await self.pass_on(start)
        await self.pass_on({"type": "http.response.body", "body": body})


def _is_page(message: Message) -> bool:
    headers = Headers(raw=message.get("headers", []))
    return headers.get("content-type", "").startswith("text/html") and "content-encoding" not in headers


def _address(scope: Scope) -> str:
    """Where the page was asked for, as far as that can be told: scheme, name and port."""
    request = Request(scope)
    host = request.headers.get("x-forwarded-host", "").partition(",")[0].strip() or request.headers.get("host", "")
    scheme = "https" if is_tls(scope["scheme"], request.headers) else "http"
    return f"{scheme}://{host}{scope.get('root_path', '')}" if authority(host)[0] else ""


def tags(preview: Preview, address: str) -> Markup:
    """The HTML that tells a page's preview, and its first style; the picture needs the page's `address`.

    No og:url: previews would be made from that address, without the settings that a shared link carries.
    """
    told = {
        "name description": preview.description,
        "property og:type": "website",
        "property og:title": preview.title,
        "property og:description": preview.description,
        "name twitter:card": "summary",
        "name twitter:title": preview.title,
        "name twitter:description": preview.description,
    }
    if address and preview.picture is not None:
        told |= {
            "name twitter:card": "summary_large_image",
            "property og:image": f"{address}{PICTURE}",
            "name twitter:image": f"{address}{PICTURE}",
        }
    pairs = [(*key.split(" "), value) for key, value in told.items()]
    return html("serving/previews.html", pairs=pairs, style=Markup(preview.style))
