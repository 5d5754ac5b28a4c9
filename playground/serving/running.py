"""Running a server of our own: uvicorn, which says nothing of who asks, and leaves in time."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

PATIENCE_S = 3
"""For answers that are under way when a server is stopped."""


def web_server(app: ASGIApp, proxy_headers: bool = True) -> uvicorn.Server:
    """A server without websockets that logs no address of anybody.

    `proxy_headers` lets a proxy on this machine say who asks; without, whoever counts proxies by a setting of their own
    hears who has really connected.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=PATIENCE_S,
            proxy_headers=proxy_headers,
        )
    )


@contextmanager
def running_beside(server: uvicorn.Server, line: socket.socket) -> Generator[None]:
    """Run a server on a thread of its own, for the length of a `with`."""
    thread = threading.Thread(target=server.run, args=([line],), name="server", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(2 * PATIENCE_S)
