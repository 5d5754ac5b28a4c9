"""Kernels that answer in another layout: the same values, laid out in memory as no code may expect them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

Layout = Callable[[Tensor], Tensor]

_PROMISED = {"contiguous", "reshape", "flatten", "empty"}
"""Functions that say how what they return is laid out."""


def transposed(values: Tensor) -> Tensor:
    """The same values with the last dimension the slowest in memory."""
    return values.movedim(-1, 0).clone(memory_format=torch.contiguous_format).movedim(0, -1)


def scattered(values: Tensor) -> Tensor:
    """The same values as every second number of a larger tensor, whose others are nan."""
    wide = values.new_full((*values.shape, 2), torch.nan)
    wide[..., 0] = values
    return wide[..., 0]


LAYOUTS: dict[str, Layout] = {"transposed": transposed, "scattered": scattered}


class Kernels(TorchFunctionMode):
    """While it is entered, whatever makes a new tensor of floats with two dimensions or more uses `layout` for it."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.changed: set[str] = set()
        """The names of functions whose results were laid out anew."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if func.__name__ in _PROMISED:
            return found
        given = {_storage(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}

        def lay_out(tensor: Tensor) -> Tensor:
            if _storage(tensor) in given or tensor.ndim < 2 or not tensor.is_floating_point():
                return tensor
            laid = self.layout(tensor)
            if laid.stride() != tensor.stride():
                self.changed.add(func.__name__)
            return laid

        return tree_map_only(Tensor, lay_out, found)


def _storage(tensor: Tensor) -> int | None:
    return None if tensor.is_mkldnn else tensor.untyped_storage().data_ptr()
