"""Opens the page: `python app.py` here, and what a Space runs."""

import sys

from playground.errors import PlaygroundError
from playground.ui.app import serve

if __name__ == "__main__":
    try:
        serve()
    except PlaygroundError as error:
        sys.exit(str(error))
