"""The number format of the weights: which one is fast on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.errors import InvalidInput

if TYPE_CHECKING:
    import torch

DTYPES = ("auto", "float32", "bfloat16", "float16", "int8")

_FAST_BFLOAT16_CPU = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")


def check_dtype(name: str) -> None:
    """Raise InvalidInput for any other word than those in DTYPES, before torch is imported."""
    if name not in DTYPES:
        raise InvalidInput(f"dtype: {name!r} is not known.", f"Choose one of {', '.join(DTYPES)}.")


def pick_dtype(name: str, device: str | torch.device = "cpu") -> torch.dtype:
    """The dtype to hold base weights in: `auto` is bfloat16 where `device` is fast at it, else float32.

    int8 is asked for by name only: it rounds weights, and pays for a few rows at a time.

    Raises InvalidInput for any other word than those in DTYPES.
    """
    import torch

    check_dtype(name)
    if name != "auto":
        return getattr(torch, name)
    return torch.bfloat16 if _is_fast_at_bfloat16(torch.device(device)) else torch.float32


def _is_fast_at_bfloat16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in _FAST_BFLOAT16_CPU)
    return False  # Apple's GPU and others: not measured, so the safe format
