"""A slider is named by its method and by the registry, and everywhere else asked for."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import third_slider
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with a third slider: a field in the registry, a module, and a name in the methods."""
    house = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "playground", house / "playground", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("assets", "presets", "docs", "tests"):
        (house / name).symlink_to(ROOT / name)
    (house / "playground/engine/methods/bend.py").write_text(third_slider.BEND, encoding="utf-8")
    settings = ("    @property\n    def amounts(self)", f"{third_slider.FIELD}\n    @property\n    def amounts(self)")
    listed = ("SteeringVector)\n", "SteeringVector, Bend)\n")
    imported = ("METHODS: tuple", "from playground.engine.methods.bend import Bend\n\nMETHODS: tuple")
    for path, changes in {"settings.py": [settings], "engine/methods/__init__.py": [listed, imported]}.items():
        text = (house / "playground" / path).read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) == 1
            text = text.replace(old, new)
        (house / "playground" / path).write_text(text, encoding="utf-8")
    return house


def _run(house: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(house), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *command], cwd=house, env=env, capture_output=True, text=True, check=False)


def test_a_third_slider_is_in_every_room(house: Path, tiny_folder: FolderOf, tmp_path: Path) -> None:
    axis = make_tiny_axis(tmp_path / "axis", tiny_folder("llama"))
    ran = _run(house, "-m", "tests.third_slider", str(tiny_folder("llama")), str(axis))
    assert ran.returncode == 0, ran.stderr[-3000:]


def test_a_third_slider_is_an_option_of_generate(house: Path, tiny_folder: FolderOf, tmp_path: Path) -> None:
    axis = make_tiny_axis(tmp_path / "axis", tiny_folder("llama"))
    options = ["--axis", str(axis), "--bend", "0", "--bend", "1", "--max-new-tokens", "6", "--json"]
    model = ["--model", str(tiny_folder("llama")), "--dtype", "float32"]
    ran = _run(house, "-m", "playground", "generate", "Hello.", *options, *model)
    assert ran.returncode == 0, ran.stderr[-3000:]
    ends = [event for event in map(json.loads, ran.stdout.splitlines()) if event["event"] == "finished"]
    assert [(end["alpha"], end["bend"]) for end in ends] == [(0.0, 0.0), (0.0, 1.0)]
    assert ends[0]["text"] != ends[1]["text"]


AT_HOME = (
    "settings.py",
    "engine/methods/",
    "training/",  # makes axes of the two that are trained
    "bench/",  # measures these methods
    "engine/next_token.py",  # torch calls a factor alpha
    "study/fits.py",  # Krippendorff's
)
"""Where a slider's name may stand in code."""


def test_no_other_room_names_a_slider() -> None:
    named = {"alpha", "control", "alphas", "controls"}
    found: list[str] = []
    for path in (ROOT / "playground").rglob("*.py"):
        where = path.relative_to(ROOT / "playground").as_posix()
        if where.startswith(AT_HOME):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [getattr(node, field, None) for field in ("id", "attr", "arg", "value")]
            if any(isinstance(name, str) and name in named for name in names):
                found.append(f"{where}:{getattr(node, 'lineno', '?')}")
    assert found == []
    scripts = re.compile(r"\b(alphas?|controls?)\b")
    for path in (ROOT / "assets").glob("*.js"):
        code = re.sub(r"//[^\n]*|/\*.*?\*/|'[^'\n]* [^'\n]*'", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not scripts.findall(code), path.name
