"""Opens the page in a browser: the look, the tabs, the server, and nothing else."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from playground import presets
from playground.events import Progress
from playground.ui import markup
from playground.ui.address import check_port
from playground.ui.play import PlayPage, Plays
from playground.ui.theme import ASSETS, theme

if TYPE_CHECKING:
    from playground.player import Player

_HEAD = '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'


def build(player: "Player | Plays") -> gr.Blocks:
    """The page of a player, ready to launch with `appearance()`."""
    with gr.Blocks(title="Alignment Playground", analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(markup.header(player.name), elem_id="masthead", padding=False, apply_default_css=False)
        page = PlayPage(player, presets.read_all())
        blocks.unload(page.halt)
    return blocks.queue(max_size=64)


def appearance() -> dict[str, Any]:
    """What `launch` must be told so that the page looks right and asks nothing of the outside."""
    return {
        "theme": theme(),
        "css_paths": [ASSETS / "palette.css", ASSETS / "theme.css"],
        "js": (ASSETS / "page.js").read_text(encoding="utf-8"),
        "head": _HEAD,
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "pwa": False,
        "share": False,
        "mcp_server": False,
        "enable_monitoring": False,
        "show_error": True,
    }


def serve(
    model: str = "smollm2",
    dtype: str = "auto",
    host: str = "127.0.0.1",
    port: int = 7860,
    open_browser: bool = True,
    report: Callable[[Progress], None] | None = None,
) -> None:
    """Load a model and serve its page until interrupted; `report` hears how far a first fetch has come.

    Raises PlaygroundError if the model or the port cannot be had.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    check_port(host, port)  # before the model is loaded: that takes longer
    from playground.player import Player  # loads torch

    player = Player.open(model, dtype, report)
    blocks = build(player)
    _, url, _ = blocks.launch(
        server_name=host, server_port=port, inbrowser=open_browser, quiet=True, prevent_thread_lock=True, **appearance()
    )
    loaded = f"{player.name} with {', '.join(player.axes)}" if player.axes else f"{player.name}, no axis"
    print(f"Loaded {loaded}.\nThe page is at {url} (Ctrl-C stops it).", flush=True)  # noqa: T201
    blocks.block_thread()
