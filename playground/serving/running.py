"""Running a server of our own: uvicorn, which says nothing of who asks, and leaves in time."""

import uvicorn
from starlette.types import ASGIApp

PATIENCE_S = 5
"""For answers that are under way when a server is stopped."""


def web_server(app: ASGIApp) -> uvicorn.Server:
    """A server without websockets that logs no address of anybody."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=PATIENCE_S,
        )
    )
