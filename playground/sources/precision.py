"""Where the weights are held and in which numbers: which device, and which format is fast on it."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

from playground.errors import InvalidInput

if TYPE_CHECKING:
    import torch

DTYPES = ("auto", "float32", "bfloat16", "float16", "int8", "int4")

_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,3})?|mps|split")
_FAST_BFLOAT16_CPU = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")


def check_placement(dtype: str, device: str) -> None:
    """Raise InvalidInput for words that mean nothing, before torch is imported."""
    if dtype not in DTYPES:
        raise InvalidInput(f"dtype: {dtype!r} is not known.", f"Choose one of {', '.join(DTYPES)}.")
    if not _DEVICE.fullmatch(device):
        raise InvalidInput(f"device: {device!r} is not known.", "Choose auto, cpu, cuda, cuda:N, mps or split.")


def pick_device(name: str = "auto") -> str:
    """The device to hold base weights on: `auto` is a GPU where there is one, Apple's included, else the CPU.

    Raises InvalidInput for any other word than settings.Placement names, and for a device that is not here.
    """
    import torch

    check_placement("auto", name)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = name.partition(":")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind in ("cuda", "split") and not gpus:
        raise InvalidInput("torch finds no CUDA GPU on this machine.", "Take --device cpu, or install torch for CUDA.")
    if number and int(number) >= gpus:
        raise InvalidInput(f"There is no {name}; the GPUs here are 0 to {gpus - 1}.", f"Take --device cuda:{gpus - 1}.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise InvalidInput("torch finds no Apple GPU on this machine.", "Take --device cpu.")
    return name


def pick_dtype(name: str, device: str | torch.device = "cpu") -> torch.dtype:
    """The dtype to hold base weights in: `auto` is bfloat16 where `device` is fast at it, else float32.

    int8 and int4 are asked for by name only: they round weights, and pay for a few rows at a time.

    Raises InvalidInput for any other word than those in DTYPES, and for a device that does not know the format.
    """
    import torch

    check_placement(name, "auto")
    if name != "auto":
        _check_packed(name, str(device))
        return getattr(torch, name)
    return (
        torch.bfloat16 if _is_fast_at_bfloat16(torch.device("cuda" if device == "split" else device)) else torch.float32
    )


def _check_packed(dtype: str, device: str) -> None:
    """Raise InvalidInput where no kernel reads weights of a rounded format."""
    kinds = {"int8": ("cpu", "cuda"), "int4": ("cuda",)}.get(dtype)
    kind = device.partition(":")[0]
    if kinds is not None and kind not in kinds:
        raise InvalidInput(
            f"{dtype} works on {' and '.join(kinds)}, not on {kind}.",
            "Take --dtype int8." if dtype == "int4" and kind == "cpu" else "Take --dtype auto.",
        )
    if kinds is not None and kind == "cuda" and find_spec("torchao") is None:
        raise InvalidInput(
            f"For {dtype} on a GPU, the package torchao is needed.",
            "Run: pip install 'alignment-playground[quantize]', or take --dtype auto.",
        )


def _is_fast_at_bfloat16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in _FAST_BFLOAT16_CPU)
    return False  # Apple's GPU and others: not measured, so the safe format
