"""`playground serve`: the OpenAI-compatible endpoint, without a page."""

import os
from typing import Annotated, Any

import typer

from playground.cli.progress import on_stderr


def setting(field: str, metavar: str) -> Any:
    """An option that goes before a setting of the environment; its sentence is the setting's."""
    from playground.serving.hosting import PREFIX, ServerSettings

    told = ServerSettings.model_fields[field]
    default = f"[default: {PREFIX}{field.upper()} or {told.default}]"
    return typer.Option(f"--{field.replace('_', '-')}", metavar=metavar, help=f"{told.description} {default}")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    model: Annotated[str | None, setting("model", "NAME")] = None,
    dtype: Annotated[str | None, setting("dtype", "TYPE")] = None,
    device: Annotated[str | None, setting("device", "DEVICE")] = None,
    api_key_env: Annotated[str | None, setting("api_key_env", "VARIABLE")] = None,
    steering: Annotated[str | None, setting("steering", "AXIS=ALPHA,...")] = None,
    reply_tokens: Annotated[int | None, setting("reply_tokens", "TOKENS")] = None,
    origins: Annotated[str | None, setting("origins", "SITES")] = None,
    engine: Annotated[str | None, setting("engine", "URL")] = None,
    replicas: Annotated[int | None, setting("replicas", "NUMBER")] = None,
    most_replicas: Annotated[int | None, setting("most_replicas", "NUMBER")] = None,
    ray_address: Annotated[str | None, setting("ray_address", "ADDRESS")] = None,
    engine_key_env: Annotated[str | None, setting("engine_key_env", "VARIABLE")] = None,
) -> None:
    """Serve a model to OpenAI's clients: /v1/models and /v1/chat/completions, with steering; see docs/serve.md.

    Environment variables set its limits as for `app`, see docs/space.md.
    """
    from playground.api import server
    from playground.serving.hosting import ServerSettings

    given = {
        "model": model, "dtype": dtype, "device": device, "api_key_env": api_key_env,
        "steering": steering, "reply_tokens": reply_tokens,
        "origins": origins, "engine": engine, "engine_key_env": engine_key_env,
        "replicas": replicas, "most_replicas": most_replicas, "ray_address": ray_address,
    }  # fmt: skip
    hosting = ServerSettings.read(os.environ, **given)
    with on_stderr() as report:
        server.serve(hosting, host=host, port=port, report=report)
