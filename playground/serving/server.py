"""What every server of ours has in common, as arguments of gradio's app."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from playground.serving.cors import Cors
from playground.serving.gate import Gate
from playground.serving.origins import AllowedOrigins
from playground.serving.passwords import LoginThrottle
from playground.serving.previews import Preview, Previews
from playground.serving.uploads import Uploads, sweeping


def app_arguments(
    access: AllowedOrigins,
    preview: Preview,
    *limits: Middleware,
    takes_files: bool = False,
    callers: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """What `launch` is told as `app_kwargs`: who may talk to the page, what it takes, and what a link to it looks like.

    Gradio puts middleware of its own outside of what it is given, and that answers for other sites; so the gate is put
    around all of it as the server starts; `callers` are the sites whose pages may call /v1. `limits` and previews stand
    inside, where HTML is not yet compressed.
    """
    folder = Path(get_upload_folder())

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncGenerator[None]:
        taken = app.get_blocks().upload_file_set
        files = Uploads(app.middleware_stack, folder if takes_files else None, taken)
        app.middleware_stack = Cors(Gate(LoginThrottle(files), access), callers)
        async with sweeping(folder, taken):
            yield

    return {"lifespan": lifespan, "middleware": [*limits, Middleware(Previews, preview=preview)]}
