"""Setting up: which build of PyTorch a machine gets, and what an installed wheel carries with it."""

import importlib.util
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent

CPU, CUDA = (
    {"install": [{"metadata": {"requires_dist": [*needs, "filelock"]}}]}
    for needs in ([], ['nvidia-cublas; platform_system == "Linux"', "triton==3.7"])
)


@pytest.fixture
def chooser() -> ModuleType:
    spec = importlib.util.spec_from_file_location("choose_torch", ROOT / "tools" / "choose_torch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


WANTED = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
FROM_PYTORCH = f"{WANTED}+cpu --find-links https://download.pytorch.org/whl/cpu/torch/"


@pytest.mark.parametrize(
    ("system", "gpu", "index", "pytorch_org", "expected"),
    [
        ("Linux", False, CPU, None, WANTED),
        ("Linux", False, CUDA, CPU, FROM_PYTORCH),
        ("Linux", False, CUDA, None, WANTED),
        ("Linux", False, None, CPU, FROM_PYTORCH),
        ("Linux", True, CUDA, CPU, WANTED),
        ("Darwin", False, CPU, CPU, WANTED),
    ],
    ids=["index has a CPU build", "index has CUDA", "nothing else reachable", "index has none", "GPU", "macOS"],
)
def test_cuda_stays_off_machines_without_a_gpu(
    chooser: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, system: str, gpu: bool,
    index: object, pytorch_org: object, expected: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi" if gpu else None)
    monkeypatch.setattr(chooser, "_installed", lambda: None)
    monkeypatch.setattr(chooser, "_plan", lambda *need: pytorch_org if "--find-links" in need else index)
    chooser.main()
    assert capsys.readouterr().out.strip() == expected


def test_a_build_somebody_chose_stays(
    chooser: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chooser, "_installed", lambda: f"{WANTED.removeprefix('torch==')}+cu130")
    chooser.main()
    assert capsys.readouterr().out.strip() == f"{WANTED}+cu130"


def test_nothing_here_needs_cuda() -> None:
    from importlib.metadata import distributions

    names = {distribution.metadata["Name"].lower() for distribution in distributions()}
    if shutil.which("nvidia-smi") is None:
        assert not {name for name in names if name.startswith("nvidia-")}


def test_a_wheel_would_carry_axes_and_presets(tmp_path: Path) -> None:
    """`places` finds what ships in a checkout; in a wheel it looks in `_data`, which the build settings must fill."""
    import tomllib

    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    carried = build["targets"]["wheel"]["force-include"]
    package = tmp_path / "playground"
    shutil.copytree(ROOT / "playground", package, ignore=shutil.ignore_patterns("__pycache__"))
    for source, target in carried.items():
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / source, tmp_path / target)
    code = "from playground import places; print(places.AXES); print(places.PRESETS)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    axes, presets = (Path(line) for line in ran.stdout.splitlines())
    assert (axes, presets) == (package / "_data" / "assets" / "axes", package / "_data" / "presets")
    assert list(presets.glob("*.toml"))
