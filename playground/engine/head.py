"""The head: hidden states to logits, in float32 whatever the dtype of the weights."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

from playground.engine.linear import Product, can_be_half, can_be_packed, half, packed


class Head:
    """Owns the output weights [V, D] and bias [V].

    Logits in bfloat16 stand an eighth apart: tokens would tie, and a reply's alpha interval shrink to nothing.
    """

    def __init__(self, weight: Float[Tensor, "V D"], bias: Float[Tensor, " V"] | None) -> None:
        self.weight = weight.detach()
        self.bias = None if bias is None else bias.detach().float()
        self.dtype = weight.dtype

    def __call__(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B V"]:
        """Hidden states [..., D], which may be merged or moved in float32 -> logits [..., V]."""
        asked, hidden = hidden.device, hidden.float().to(self.weight.device)
        if torch.is_grad_enabled() and hidden.requires_grad:
            with self.products():
                logits = linear(hidden, self._exact)
        else:
            logits = self._product(hidden)
        return (logits if self.bias is None else logits + self.bias).to(asked)

    @cached_property
    def _exact(self) -> Tensor:
        return self.weight.float()

    @cached_property
    def _product(self) -> Product:
        if self.dtype == torch.bfloat16 and can_be_half(self.weight):
            return half(self.weight)
        if self.dtype == torch.float32 and can_be_packed(self.weight):
            return packed(self.weight)
        return self._plain

    def _plain(self, hidden: Tensor) -> Tensor:
        with self.products():
            return linear(hidden, self._exact)

    @contextmanager
    def products(self) -> Generator[None]:
        """Let float32 matrix products multiply in bfloat16 (and add up in float32) where the weights are bfloat16.

        For the head that loses nothing, since weights and states were rounded already, and on a CPU it is three
        times as fast.
        """
        matmul: Any = torch.backends.mkldnn.matmul  # pyrefly: ignore[missing-attribute]
        before = matmul.fp32_precision
        if self.dtype == torch.bfloat16:
            matmul.fp32_precision = "bf16"
        try:
            yield
        finally:
            matmul.fp32_precision = before
