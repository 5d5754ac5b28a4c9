"""Blocks that take anything from anybody: what no page of ours can have sent is refused in a sentence."""

import inspect
from typing import Any

import gradio as gr

from playground.errors import PlaygroundError

_NOT_FROM_THE_PAGE = "These values do not fit what they are sent to. Load the page again."


class CheckedBlocks(gr.Blocks):
    """Blocks whose handlers are reached only by values that their components take.

    A program can call every handler of a page with any JSON. What does not fit is the caller's mistake, so it is
    answered and not logged; what goes wrong inside a handler is ours and is.
    """

    async def preprocess_data(self, block_fn: Any, *arguments: Any, **settings: Any) -> Any:
        """As in Blocks, but every refusal is a gr.Error that leaves no traceback."""
        if block_fn.fn is None:  # what only a browser's script answers
            raise gr.Error(_NOT_FROM_THE_PAGE, print_exception=False)
        if block_fn.api_visibility == "public":
            arguments = (_filled(block_fn.fn, arguments[0]), *arguments[1:])
        try:
            return await super().preprocess_data(block_fn, *arguments, **settings)  # pyrefly: ignore[bad-argument-type]
        except PlaygroundError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception as error:  # components refuse in any of the library's ways, some quoting all that was sent
            raise gr.Error(_NOT_FROM_THE_PAGE, print_exception=False) from error

    async def call_function(self, *arguments: Any, **settings: Any) -> Any:
        """As in Blocks, but what a handler refuses in a sentence leaves no traceback either."""
        try:
            return await super().call_function(*arguments, **settings)
        except PlaygroundError as error:
            raise gr.Error(str(error), print_exception=False) from None


def _filled(endpoint: Any, values: list[Any]) -> list[Any]:
    """The arguments of an endpoint, the last ones that were not sent at their defaults.

    A program that sends a list goes on working when an argument is added.
    """
    taken = [one for one in inspect.signature(endpoint).parameters.values() if one.annotation is not gr.Request]
    return [*values, *(one.default for one in taken[len(values) :] if one.default is not inspect.Parameter.empty)]
