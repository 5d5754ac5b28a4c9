"""What works on this machine and what does not, each with its fix. Looks and tries; repairs nothing."""

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from playground import cards, places, presets, sources
from playground.errors import PlaygroundError
from playground.events import Token
from playground.places import cache_directory
from playground.settings import Request, Row, conversation
from playground.sources.memory import free_on

if TYPE_CHECKING:
    import torch

    from playground.engine.language_model import LanguageModel
    from playground.player import Player

_PACKAGES = ("torch", "transformers", "gradio", "plotly", "safetensors")
_GIGABYTE = 1e9
_ROW_TOKENS = 256
"""A row as it is counted: a prompt and a reply together."""
_MEMORY_NEEDED, _DISK_NEEDED = 3 * _GIGABYTE, 1 * _GIGABYTE


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """One thing that was looked at: whether it works, what was seen, and what would mend it."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def examine(model: str, dtype: str, device: str = "auto") -> list[DoctorCheck]:
    """Look at the machine, then load `model` and say a few tokens, unless that would need a download.

    What fails becomes a finding; nothing is raised.
    """
    looks: list[Callable[[], DoctorCheck]] = [_python, _packages, _memory, _disk, _processor, _axes, _presets, _cache]
    return [*(_attempt(look) for look in looks), *_model(model, dtype, device)]


def _attempt(look: Callable[[], DoctorCheck]) -> DoctorCheck:
    try:
        return look()
    except PlaygroundError as error:
        return DoctorCheck(look.__name__.removeprefix("_"), False, error.message, error.hint)
    except Exception as error:  # whatever is broken here is just what doctor is asked to tell
        return DoctorCheck(
            look.__name__.removeprefix("_"), False, f"{type(error).__name__}: {error}", "Run: make install"
        )


def _python() -> DoctorCheck:
    return DoctorCheck("python", True, f"{platform.python_version()} at {sys.executable}, {platform.platform()}")


def _packages() -> DoctorCheck:
    installed = {name: _version(name) for name in _PACKAGES}
    seen = ", ".join(f"{name} {version or 'missing'}" for name, version in installed.items())
    return DoctorCheck("packages", all(installed.values()), seen, "Run: make install")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _memory() -> DoctorCheck:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return DoctorCheck(
        "memory",
        total >= _MEMORY_NEEDED,
        f"{total / _GIGABYTE:.1f} GB in all",
        f"Use a machine with {_MEMORY_NEEDED / _GIGABYTE:.0f} GB or more, or: --model tiny",
    )


def _disk() -> DoctorCheck:
    folder = cache_directory()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    detail = f"{free / _GIGABYTE:.1f} GB free for {cache_directory()}" + ("" if writable else ", which is not writable")
    fix = "Free some space, or set XDG_CACHE_HOME to a folder on another disk that you may write to."
    return DoctorCheck("disk", writable and free >= _DISK_NEEDED, detail, fix)


def _processor() -> DoctorCheck:
    import torch

    device, more = sources.pick_device(), ""
    if device == "cuda":
        seen = torch.cuda.get_device_name()
    elif device == "mps":
        seen = "an Apple GPU"
    else:
        seen = f"{platform.machine()}, {torch.get_num_threads()} threads, no GPU in use"
        more = ", int8 answers one row faster and less exactly"
    fast = str(sources.pick_dtype("auto", device)).removeprefix("torch.")
    return DoctorCheck("processor", True, f"{seen}; dtype auto is {fast}{more}")


def _axes() -> DoctorCheck:
    names = [card.name for card in cards.shipped().values()]
    if damaged := list(cards.damaged(cards.all_folders()).values()):
        return DoctorCheck("axes", False, " ".join(error.message for error in damaged), damaged[0].hint)
    fix = "Restore the folder assets/axes, or make an axis: playground axis invent --help"
    return DoctorCheck("axes", bool(names), ", ".join(names) or "none shipped", fix)


def _cache() -> DoctorCheck:
    found = sources.cached()
    wrong = {name: damage for name, damage in found.items() if damage}
    if wrong:
        fetch = " and ".join(f"playground model fetch {name}" for name in wrong)
        return DoctorCheck("cache", False, " ".join(wrong.values()), f"Run: {fetch}")
    return DoctorCheck("cache", True, f"{' and '.join(found)}, whole by SHA-256" if found else "no models yet")


def _presets() -> DoctorCheck:
    count, damaged = len(presets.read_all()), presets.damaged()
    detail = " ".join(error.message for error in damaged) or f"{count} to start from"
    fix = f"{damaged[0].hint} Or restore the folder {places.PRESETS}." if damaged else f"Restore {places.PRESETS}."
    return DoctorCheck("presets", bool(count) and not damaged, detail, fix)


def _model(name: str, dtype: str, device: str) -> Iterator[DoctorCheck]:
    try:
        from playground.player import Player

        if not sources.is_here(name):
            yield DoctorCheck("model", False, f"{name} is not on this machine.", f"Run: playground model fetch {name}")
            return
        start = time.perf_counter()
        player = Player.open(name, dtype, device=device)
        loaded = time.perf_counter() - start
        yield DoctorCheck("model", True, f"{player.name}, loaded in {loaded:.1f} s")
        checks = player.model.checks
        yield DoctorCheck("fit", bool(checks), ", ".join(f"{check.name} off by {check.error:.1g}" for check in checks))
        yield from _room(player.model)
        # What only shows beside the model: weights of another shape, or with no finite numbers.
        yield from (
            DoctorCheck("axis", False, error.message, error.hint)
            for folder, error in player.damaged.items()
            if folder not in cards.damaged([folder])
        )
        yield DoctorCheck("reply", True, _reply(player))
    except PlaygroundError as error:
        yield DoctorCheck("model", False, error.message, error.hint)
    except Exception as error:  # see _attempt
        yield DoctorCheck("model", False, f"{type(error).__name__}: {error}", "Run: make install")


def _room(model: "LanguageModel") -> Iterator[DoctorCheck]:
    """On each device of this machine: what the weights take there, and how many rows there is room for beside them."""
    from playground.engine.scheduler import kv_budget

    for device, free in _devices():
        is_here = (device.type, device.index or 0) == (model.device.type, model.device.index or 0)
        dtype = model.dtype if is_here else sources.pick_dtype("auto", device)
        weights, rounded = _weight_bytes(model, device, dtype, is_here)
        kv_bytes = model.kv_bytes // model.dtype.itemsize * dtype.itemsize
        memory = free + (weights if is_here else 0)  # they are loaded there, and so not free
        rows = rows_within(kv_budget(max(0.0, memory - weights), device), kv_bytes)
        yield DoctorCheck(
            f"room on {device}",
            rows > 0 or not is_here,
            f"{weights / _GIGABYTE:.2f} GB of weights in {str(dtype).removeprefix('torch.')}{rounded}, {kv_bytes} "
            f"bytes a token and stream; of {memory / _GIGABYTE:.1f} GB that leaves "
            + (f"{rows} rows of {_ROW_TOKENS} tokens in two streams" if rows else "no room for a row"),
            "Take a smaller model, another --device, or --dtype bfloat16.",
        )


def _weight_bytes(
    model: "LanguageModel", device: "torch.device", dtype: "torch.dtype", is_here: bool
) -> tuple[int, str]:
    """What a model's weights take on a device, and whether most are rounded there."""
    import torch

    from playground.engine.linear import can_be_packed, held_bytes, is_plain

    weights = list(model.model.parameters())
    if is_here and not all(map(is_plain, weights)):
        return sum(map(held_bytes, weights)), ", most rounded to fewer bits"
    # A processor's own layout of the weights is a copy.
    copies = 2 if device.type == "cpu" and can_be_packed(torch.zeros(1, dtype=dtype)) else 1
    return copies * dtype.itemsize * sum(weight.numel() for weight in weights), ""


def rows_within(budget: int, kv_bytes: int) -> int:
    """How many rows of _ROW_TOKENS tokens in two streams can run at once within so many bytes of keys and values."""
    return budget // (2 * _ROW_TOKENS * kv_bytes)


def _devices() -> "Iterator[tuple[torch.device, float]]":
    """What torch can compute on here, and the bytes that are free there."""
    import torch

    devices = [torch.device("cpu")]
    devices += [torch.device("cuda", n) for n in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)]
    devices += [torch.device("mps")] if torch.backends.mps.is_available() else []
    for device in devices:
        yield device, free_on(device)


def _reply(player: "Player") -> str:
    start = time.perf_counter()
    request = Request(rows=(Row(messages=conversation("Say hello.")),), max_new_tokens=16)
    arrivals = [time.perf_counter() for event in player.run(request) if isinstance(event, Token)]
    seconds = arrivals[-1] - arrivals[0]
    rate = f", then {(len(arrivals) - 1) / seconds:.0f} tokens a second" if len(arrivals) > 1 else ""
    return f"first token after {arrivals[0] - start:.2f} s{rate}"
