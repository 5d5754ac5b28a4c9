"""How much of this machine's memory is free."""

import math
import os
import re
from pathlib import Path


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
