"""Prints the pip arguments that install the right PyTorch here: no CUDA packages on a Linux machine without a GPU.

Runs before anything is installed, with nothing but Python and pip. `make install TORCH="..."` goes past it.
"""

import importlib.metadata
import json
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

CPU_WHEELS = "https://download.pytorch.org/whl/cpu/torch/"
CUDA_PACKAGES = re.compile(r"(nvidia|cuda|triton)\b", re.IGNORECASE)


def main() -> None:
    """Print one line for pip's command line."""
    wanted = _wanted()
    installed = _installed()
    if installed and installed.split("+")[0] == wanted.removeprefix("torch=="):
        print(f"torch=={installed}")  # whatever build somebody chose stays
    elif not _wants_cpu_build() or _brings_cuda(_plan(wanted)) is False:
        print(wanted)  # what the configured package index offers is right as it is
    else:
        from_pytorch = [f"{wanted}+cpu", "--find-links", CPU_WHEELS]
        # Where that page cannot be reached, the index's own build works too; it is only larger.
        print(*(from_pytorch if _plan(*from_pytorch) else [wanted]))


def _wanted() -> str:
    constraints = Path(__file__).parent.parent / "constraints.txt"
    lines = constraints.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch=="))


def _installed() -> str | None:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def _wants_cpu_build() -> bool:
    """Only Linux wheels come with CUDA inside, and only a machine with NVIDIA's driver has a use for that."""
    return platform.system() == "Linux" and shutil.which("nvidia-smi") is None


def _plan(*requirement: str) -> dict[str, object] | None:
    """pip's own account of what it would install, without installing it; None where it finds nothing."""
    ask = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
    impatient = ["--retries", "1", "--timeout", "15", "--disable-pip-version-check", "--no-input"]
    command = [*ask, *impatient, "--report", "-", *requirement]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    return json.loads(answer.stdout) if answer.returncode == 0 else None


def _brings_cuda(plan: dict[str, object] | None) -> bool | None:
    """Whether the planned build asks for CUDA packages; None without a plan."""
    if plan is None:
        return None
    needs = [need for item in plan["install"] for need in item["metadata"].get("requires_dist", [])]  # type: ignore[index, union-attr]
    return any(CUDA_PACKAGES.match(need) for need in needs)


if __name__ == "__main__":
    main()
