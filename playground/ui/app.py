"""Opens the page in a browser: the look, the tabs, the server, and nothing else."""

import importlib.util
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup
from starlette.middleware import Middleware
from starlette.routing import Route

from playground import presets
from playground.api import app as api
from playground.api.keys import Keys
from playground.errors import InvalidInput
from playground.events import Progress
from playground.places import ASSETS
from playground.remote.opening import opened
from playground.serving.address import Address, check_port
from playground.serving.bodies import Bodies
from playground.serving.hosting import ServerSettings
from playground.serving.limits import PLACES, LimitedPlayer
from playground.serving.origins import callers, is_local
from playground.serving.previews import Preview
from playground.serving.running import PATIENCE_S
from playground.serving.server import app_arguments
from playground.templates import html
from playground.training.jobs import TrainingJobs
from playground.ui import constants, endpoints, guide, markup
from playground.ui.axes.page import AxesPage
from playground.ui.blocks import CheckedBlocks
from playground.ui.curves.page import CurvesPage
from playground.ui.play import pace, recordings
from playground.ui.play.page import PlayPage
from playground.ui.theme import theme

_STYLES = [ASSETS / "palette.css", ASSETS / "theme.css", ASSETS / "pages.css"]
# Gradio brings styles with its scripts. Until then the page's parts would stand elsewhere and move as they come. So its
# own head has them as well, with its width, and room for the masthead, which may come after what stands below.
_FIRST_PAINT = "".join(path.read_text(encoding="utf-8") for path in (ASSETS / "first_paint.css", *_STYLES))
_PREVIEW = Preview(
    "Alignment Playground",
    "Drag a slider and see how strongly a language model is aligned: one prompt, steered and unsteered, side by side.",
    ASSETS.parent / "docs" / "page.png",
    _FIRST_PAINT,
)
_OPEN = (
    "Warning: this page is open to the network. Whoever reaches this machine can use it, load folders, upload files, "
    "train and delete axes. Keep it to yourself with --host 127.0.0.1, or set PLAYGROUND_PUBLIC=1 to let strangers in."
)
_QUICK_CALLS = 40  # calls that are answered at once, whoever waits meanwhile
_SCRIPTS = [Markup((ASSETS / name).read_text(encoding="utf-8")) for name in ("page.js", "shown.js", "connection.js")]
_HEAD = html("ui/head.html", constants=constants.CONSTANTS, style=constants.style(), scripts=_SCRIPTS)


def build(hosted: LimitedPlayer, jobs: TrainingJobs | None = None, length: int = pace.SLOW) -> gr.Blocks:
    """The page of a player, ready to launch with `appearance()`; axes are made in the user's jobs unless given.

    `length` is how many tokens a reply may have unless the person or a preset says otherwise.
    """
    for error in presets.damaged():
        print(f"Left out a preset: {error}", flush=True)  # noqa: T201
    with CheckedBlocks(title="Alignment Playground", analytics_enabled=False, fill_width=True) as blocks:
        header = markup.header(hosted.name, hosted.hosting.space)
        gr.HTML(header, elem_id="masthead", padding=False, apply_default_css=False)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Play", id="play"):
                longest = hosted.hosting.max_new_tokens
                play = PlayPage(
                    hosted,
                    presets.read_all(),
                    hosted.hosting.model,
                    recordings.opening(hosted.dtype),
                    min(length, longest),
                    longest,
                )
            with gr.Tab("Curves", id="curves") as tab:
                curves = CurvesPage(hosted, play.widgets.dials.values(), play.widgets.boxes, play.widgets.axis.value)
            with gr.Tab("Axes", id="axes"):
                axes = AxesPage(hosted, [play.widgets.axis, curves.axis], jobs)
            with gr.Tab("Guide", id="guide"):
                guide.layout()
        play.widgets.train.visible = axes.may_add
        if axes.may_add:
            axes.train_by(play.widgets.train, play.widgets.boxes, tabs)
        endpoints.offer(hosted)
        play.greet(blocks)
        curves.greet(blocks, tab)
        axes.greet(blocks)
        blocks.unload(play.halt)
        blocks.unload(curves.left)
    return blocks.queue(max_size=hosted.hosting.queue)


def appearance(
    hosting: ServerSettings | None = None, host: str = "127.0.0.1", routes: Sequence[Route] = ()
) -> dict[str, Any]:
    """What `launch` must be told so that the page looks right, asks nothing of others and answers to none of them.

    `host` is the address it will listen on, `routes` are what is served beside the page.
    """
    hosting = hosting or ServerSettings()
    return {
        "theme": theme(),
        "css_paths": _STYLES,
        "head": _HEAD,
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "pwa": True,
        "favicon_path": ASSETS / "icon.png",
        "max_file_size": "1kb" if hosting.public else "200mb",
        "share": False,
        "mcp_server": hosting.mcp,
        "enable_monitoring": False,
        "show_error": True,
        "max_threads": _QUICK_CALLS + 2 * (PLACES + hosting.queue),  # a request keeps one while it waits, too
        "app_kwargs": app_arguments(
            hosting.access(host),
            _PREVIEW,
            Middleware(Bodies, uploads=not hosting.public),
            takes_files=not hosting.public,
            callers=callers(hosting.origins),
        )
        | {"routes": list(routes)},
    }


def serve(
    hosting: ServerSettings,
    host: str = "127.0.0.1",
    port: int = 7860,
    open_browser: bool = True,
    report: Callable[[Progress], None] | None = None,
) -> None:
    """Load a model and serve its page until interrupted; `report` hears how far a first fetch has come.

    Raises PlaygroundError if the model, the port or a package that was asked for cannot be had.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    own = f"alignment-playground-{getattr(os, 'getuid', int)()}"  # gradio's own is every gradio program's
    os.environ.setdefault("GRADIO_TEMP_DIR", str(Path(tempfile.gettempdir()) / own))
    check_port(host, port)  # before the model is loaded: that takes longer
    if hosting.mcp and importlib.util.find_spec("mcp") is None:  # gradio would go on without it and say nothing
        raise InvalidInput("PLAYGROUND_MCP needs the package mcp, which is not installed.", "Run: pip install 'mcp<2'.")
    keys = Keys.of(os.environ, hosting.api_key_env)
    with opened(hosting, report) as (engine, within):
        _serve(LimitedPlayer(engine, within), Address(host, port), keys, open_browser)


def _serve(hosted: LimitedPlayer, address: Address, keys: Keys, open_browser: bool) -> None:
    hosting, axes = hosted.hosting, sorted(hosted.axes)
    endpoint = api.build(hosted, keys)
    # A GPU that is lent call by call cannot be timed at the start.
    length = pace.SLOW if hosting.zero_gpu else pace.measured(hosted, axes)
    blocks = build(hosted, length=length)
    _, url, _ = blocks.launch(
        server_name=address.host, server_port=address.port, inbrowser=open_browser, quiet=True,
        prevent_thread_lock=True, **appearance(hosting, address.host, api.routes(endpoint)),
    )  # fmt: skip
    loaded = f"{hosted.name} with {', '.join(hosted.axes)}" if axes else f"{hosted.name}, no axis"
    print(f"Loaded {loaded}.\nThe page is at {url} (Ctrl-C stops it).", flush=True)  # noqa: T201
    if not (hosting.public or is_local(address.host)):
        print(_OPEN, flush=True)  # noqa: T201
    blocks.server.config.timeout_graceful_shutdown = PATIENCE_S
    blocks.block_thread()
    blocks.server.thread.join()  # a thread that serves while Python is torn down can keep that from ending
