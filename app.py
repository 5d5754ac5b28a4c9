"""Opens the page: `python app.py` here, and what a Space runs. The environment sets its limits; see docs/space.md."""

import importlib.util
import os
import sys
import tempfile

try:
    tempfile.gettempdir()
except FileNotFoundError:  # gradio would end in a traceback
    sys.exit("No temporary folder can be written. Mount one, and name it by TMPDIR.")

if not os.environ.get("GRADIO_SERVER_PORT", "7860").isdecimal():  # here, for gradio reads it when it is imported
    sys.exit(f"GRADIO_SERVER_PORT is no port: {os.environ['GRADIO_SERVER_PORT']!r}. Set it to a number such as 7860.")

if importlib.util.find_spec("spaces") is not None:
    import spaces  # noqa: F401 - before torch, for ZeroGPU  # pyrefly: ignore[missing-import]

from playground.cli.progress import print_anywhere
from playground.errors import PlaygroundError
from playground.serving.hosting import ServerSettings
from playground.ui.app import serve

if __name__ == "__main__":
    on_space = "SPACE_ID" in os.environ
    print_anywhere(as_json=False)
    try:
        serve(
            ServerSettings.read(os.environ),
            host=os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0" if on_space else "127.0.0.1"),
            port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
            open_browser=not on_space,
        )
    except PlaygroundError as error:
        sys.exit(str(error))
