"""`playground serve`: the OpenAI-compatible endpoint, without a page."""

import os
from typing import Annotated, Any

import typer

from playground.cli.progress import on_stderr


def _of(field: str, metavar: str) -> Any:
    """An option that goes before a setting of the environment; its sentence is the setting's."""
    from playground.serving.limits import PREFIX, ServerSettings

    told = ServerSettings.model_fields[field]
    default = f"[default: {PREFIX}{field.upper()} or {told.default}]"
    return typer.Option(f"--{field.replace('_', '-')}", metavar=metavar, help=f"{told.description} {default}")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    model: Annotated[str | None, _of("model", "NAME")] = None,
    dtype: Annotated[str | None, _of("dtype", "TYPE")] = None,
    device: Annotated[str | None, _of("device", "DEVICE")] = None,
    api_key_env: Annotated[str | None, _of("api_key_env", "VARIABLE")] = None,
    steering: Annotated[str | None, _of("steering", "AXIS=ALPHA,...")] = None,
    reply_tokens: Annotated[int | None, _of("reply_tokens", "TOKENS")] = None,
    origins: Annotated[str | None, _of("origins", "SITES")] = None,
) -> None:
    """Serve a model to OpenAI's clients: /v1/models and /v1/chat/completions, with steering; see docs/serve.md.

    Environment variables set its limits as for `app`, see docs/space.md.
    """
    from playground.api import server
    from playground.serving.limits import ServerSettings

    given = {
        "model": model, "dtype": dtype, "device": device, "api_key_env": api_key_env,
        "steering": steering, "reply_tokens": reply_tokens,
        "origins": origins,
    }  # fmt: skip
    hosting = ServerSettings.read(os.environ, **given)
    with on_stderr() as report:
        server.serve(hosting, host=host, port=port, report=report)
