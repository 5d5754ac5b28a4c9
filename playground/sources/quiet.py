"""Silence for transformers' own progress bars, where the playground reports progress itself."""

from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def no_bars() -> Generator[None]:
    """Hide the bars inside the block and leave the setting as it was found."""
    from transformers.utils import logging

    was_showing = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_showing:
            logging.enable_progress_bar()
