"""Whether a request may talk to a page: what its Host and Origin say, and what only a browser can say. Pure.

A browser adds `Origin` to whatever could change something, and `Sec-Fetch-Site` to whatever goes over TLS or to this
very machine; no page's script can set either. Programs such as `gradio_client` and curl send neither, and are let in.
"""

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from playground.errors import InvalidInput

FOREIGN = "This page answers only requests of its own. Open its address in a window of its own."
"""What another site's request is told."""

_PORTS = {"http": 80, "https": 443}
_SITE = re.compile(r"(https?://)?(\*\.)?[a-z0-9.-]+(:(\d+|\*))?|https?:", re.IGNORECASE)


@dataclass(frozen=True)
class AllowedOrigins:
    """Who may talk to a page: the names it answers to (None: any), and the sites that may show it in a frame."""

    names: frozenset[str] | None = None
    frames: str = "'self'"

    @classmethod
    def of(cls, host: str, names: str = "auto", frames: str = "'self'") -> "AllowedOrigins":
        """Of a page that listens on `host` and answers to `names`, with commas between, besides this machine's own.

        `auto` is none where only this machine reaches it: whoever points a name of theirs at this machine would make
        their page one of its own. Where others reach it, it is any. Raises InvalidInput for a name that cannot be.
        """
        if names == "auto" and not is_local(host):
            return cls(None, frames)
        told = frozenset(_name(text) for text in names.replace(",", " ").split() if text != "auto")
        return cls(told | {normal(host)}, frames)

    def refusal(self, method: str, scheme: str, headers: Mapping[str, str]) -> str:
        """Why a request is refused, in one sentence; empty if it is not. `headers` go by lower-case names."""
        if not self._is_named(headers):
            name = authority(headers.get("host", ""))[0] or "no name"
            return f"This page does not answer to {name}. Its owner can allow it: PLAYGROUND_HOSTS={name}."
        return FOREIGN if is_foreign(method, scheme, headers) else ""

    def _is_named(self, headers: Mapping[str, str]) -> bool:
        if self.names is None or is_secure(headers):
            return True
        name, _ = authority(headers.get("host", ""))
        return name in self.names or is_loopback(name)


def callers(text: str) -> frozenset[str]:
    """The sites a setting names, with blanks or commas between; `*` is any. Raises InvalidInput for what is none."""
    told = text.replace(",", " ").split()
    if told == ["none"]:
        return frozenset()
    for site in told:
        if site != "*" and not _is_origin(site):
            raise InvalidInput(f"{site!r} is no site.", "Such as: https://chat.example.org, without a path.")
    return frozenset(told)


def _is_origin(text: str) -> bool:
    """Whether a text is an origin as browsers send it: a scheme, a host, and a port unless it is the usual one."""
    scheme, _, rest = text.partition("://")
    return scheme in _PORTS and text == text.lower() and bool(authority(rest)[0])


def frame_ancestors(sites: str) -> str:
    """The sites that may show a page in a frame, with blanks or commas between, as a policy's sources.

    The page itself always may, but for `none`; `*` is any site. Raises InvalidInput for what is no site.
    """
    told = sites.replace(",", " ").split()
    if told in (["none"], ["'none'"], ["*"]):
        return "*" if told == ["*"] else "'none'"
    others = [site.removesuffix("/") for site in told if site not in ("self", "'self'")]
    for site in others:
        if not _SITE.fullmatch(site):
            raise InvalidInput(f"{site!r} is no site that could frame the page.", "Such as: https://huggingface.co.")
    return " ".join(["'self'", *others])


def is_secure(headers: Mapping[str, str]) -> bool:
    """Whether a browser reached this page by TLS, or by a name of this machine.

    Who points a name of theirs at this machine has no certificate of what answers there, so the name was meant.
    """
    return "sec-fetch-site" in headers or headers.get("origin", "").startswith("https://")


def is_foreign(method: str, scheme: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser sends a request for another site's page; following a link to a page of ours is not that."""
    site = headers.get("sec-fetch-site", "")
    if site == "same-origin":
        return False  # whatever a proxy made of the host
    followed = method in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
    if site in ("same-site", "cross-site") and not followed:
        return True
    origin = headers.get("origin")
    return origin is not None and not _is_own(origin, scheme, headers)


def _is_own(origin: str, scheme: str, headers: Mapping[str, str]) -> bool:
    """Whether an origin is the address the request went to; a proxy may have kept that in X-Forwarded-Host.

    No other site's page can set that header: it would have to ask first, which is refused as any request of its.
    """
    scheme_told, _, rest = origin.partition("://")
    given = scheme_told.lower()
    if given not in _PORTS or (is_tls(scheme, headers) and given != "https"):
        return False
    asked = (headers.get("host", ""), headers.get("x-forwarded-host", "").partition(",")[0])
    wanted = _with_port(rest, given)
    return wanted is not None and wanted in [_with_port(host, given) for host in asked]


def is_tls(scheme: str, headers: Mapping[str, str]) -> bool:
    """Whether the browser talks TLS to whoever hands its requests on, as far as that is told."""
    forwarded = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return "https" in (scheme, forwarded) or headers.get("origin", "").startswith("https://")


def _with_port(text: str, scheme: str) -> tuple[str, int] | None:
    name, port = authority(text)
    return (name, port or _PORTS[scheme]) if name else None


def authority(text: str) -> tuple[str, int]:
    """The name and port of a Host header, in their plain form; no name if it is none, 0 where no port is told."""
    try:
        parts = urlsplit(f"//{text.strip()}")
        name, port = parts.hostname or "", parts.port or 0
    except ValueError:
        return "", 0
    if parts.netloc != text.strip() or parts.username is not None:
        return "", 0
    return normal(name), port


def _name(text: str) -> str:
    """A host's name that somebody wrote, maybe with a port or as a whole address."""
    name, _ = authority(text.partition("://")[2].partition("/")[0] or text)
    if not name:
        raise InvalidInput(f"{text!r} is no name of a host.", "Such as: play.example.org.")
    return name


def normal(name: str) -> str:
    """A host's name or address in the one form it is compared in."""
    name = name.strip().lower().rstrip(".").removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(name).compressed
    except ValueError:
        return name if name.replace("-", "").replace(".", "").replace("_", "").isalnum() else ""


def is_loopback(name: str) -> bool:
    """Whether a name means this machine by itself, so that nobody else can point it here."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def is_local(host: str) -> bool:
    """Whether only this machine reaches who listens on `host`."""
    name = normal(host)
    if is_loopback(name):
        return True
    try:
        found = socket.getaddrinfo(name or host, None)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)
