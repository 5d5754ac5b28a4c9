"""Whole HTML documents: styles and scripts stand inside, so that one request brings a page that can be answered."""

import base64
import hashlib
from collections.abc import Mapping

from markupsafe import Markup
from starlette.responses import HTMLResponse

from playground.places import ASSETS
from playground.serving.previews import Preview, tags
from playground.templates import template

_DARK = "document.documentElement.classList.toggle('dark', matchMedia('(prefers-color-scheme: dark)').matches);"
_CONNECTION = (ASSETS / "connection.js").read_text(encoding="utf-8")


class Document:
    """One kind of page. Browsers run its own scripts only, whatever its text may hold, and keep no copy."""

    def __init__(self, style: str, script: str, preview: Preview, language: str = "en", direction: str = "ltr") -> None:
        """`style` and `script` name files among the assets."""
        read = [(ASSETS / name).read_text(encoding="utf-8") for name in ("palette.css", style, script)]
        self.preview = preview
        self.told = {
            "style": Markup("\n".join(read[:2])),
            "dark": Markup(_DARK),
            "connection": Markup(_CONNECTION),
            "script": Markup(read[2]),
            "title": preview.title,
            "language": language,
            "direction": direction,
        }
        hashes = " ".join(f"'sha256-{_digest(text)}'" for text in (_DARK, _CONNECTION, read[2]))
        self.policy = (
            f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'"
        )

    def response(
        self, body: str, lost: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> HTMLResponse:
        """A page with this body; `lost` is what it says while its server does not answer."""
        page = template("study/web/document.html").render(
            self.told, body=Markup(body), lost=lost, preview=tags(self.preview, "")
        )
        kept_out = {"Content-Security-Policy": self.policy, "X-Content-Type-Options": "nosniff"}
        return HTMLResponse(page, status, headers={**kept_out, "Cache-Control": "no-store", **(headers or {})})


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
