"""How much memory is free on this machine and on its devices."""

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def free_on(device: "torch.device") -> float:
    """Bytes that are free on a device, of a processor those of the machine; infinity where that cannot be told."""
    import torch

    if device.type == "cuda":
        try:
            return float(torch.cuda.mem_get_info(device)[0])
        except RuntimeError:  # a GPU that is lent call by call is not there between them
            return math.inf
    if device.type == "mps":
        return float(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    return free_memory()


def free_memory() -> float:
    """Bytes that nobody needs; all there are where the system tells no more, and infinity where it tells nothing."""
    try:
        told = Path("/proc/meminfo").read_text(encoding="ascii")
        return 1024.0 * int(re.findall(r"MemAvailable: *(\d+)", told)[0])
    except OSError:
        pass
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows
        return math.inf
