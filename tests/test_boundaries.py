"""The layers are as drawn: imports go down only, light commands stay light, the README's tree is the real one."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOT_OURS = {"artifacts", "build", "dist", "__pycache__"}


def loaded_by(code: str) -> set[str]:
    """The top-level packages a fresh Python has loaded after running `code`."""
    report = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(ran.stdout.splitlines()[-1].split())


def test_imports_go_down_only() -> None:
    ran = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import playground",
        "import playground.cards, playground.errors, playground.events, playground.places, playground.settings",
        "import playground.sources",
        "import playground.cli",
        "import playground.cli; playground.cli.app(['--help'], standalone_mode=False)",
        "import playground.cli; playground.cli.app(['say', '--help'], standalone_mode=False)",
        "import playground.cli; playground.cli.app(['axes'], standalone_mode=False)",
        "import playground.cli; playground.cli.app(['model', 'list'], standalone_mode=False)",
        "import playground.ui.present",
    ],
)
def test_what_needs_no_model_loads_no_heavy_package(code: str) -> None:
    assert not loaded_by(code) & {"torch", "transformers", "gradio", "plotly"}


def test_the_engine_and_the_player_load_no_page() -> None:
    assert not loaded_by("import playground.player") & {"gradio", "plotly", "typer"}


def drawn() -> dict[str, str]:
    """The README's tree: path -> what it says about it. Two spaces of indent are one folder."""
    tree = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert tree is not None
    paths: dict[str, str] = {}
    folders: list[str] = []
    for line in tree[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, _, text = line.strip().partition(" ")
        folders = [*folders[:depth], name]
        paths["".join(folders)] = text.strip()
    return paths


def test_the_tree_in_the_readme_is_the_real_one() -> None:
    top = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
    folders = {f"{path.name}/" for path in top if path.name not in NOT_OURS and not path.name.endswith(".egg-info")}
    modules = {
        path.relative_to(ROOT).as_posix()
        for part in ("playground", "tools")
        for path in (ROOT / part).rglob("*.py")
        if path.name != "__init__.py"
    }
    packages = {
        f"{path.parent.relative_to(ROOT).as_posix()}/"
        for part in ("playground", "tools")
        for path in (ROOT / part).rglob("__init__.py")
    }
    files = {name for name in ("app.py", "Makefile") if (ROOT / name).is_file()}
    assert set(drawn()) == folders | files | modules | packages


def test_every_room_says_what_it_is_for() -> None:
    assert all(drawn().values())


def test_the_commands_in_the_readme_are_the_real_ones() -> None:
    from playground.cli import app

    groups = {group.name: group.typer_instance for group in app.registered_groups}
    real = {command.name for command in app.registered_commands} | {
        f"{name} {command.name}"
        for name, group in groups.items()
        if group is not None
        for command in group.registered_commands
    }
    table = (ROOT / "README.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `playground ((?:(?:model|axis|study) )?[a-z]+)", table, re.MULTILINE))
    assert told == real


def test_the_tested_versions_lie_inside_the_allowed_ranges() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    allowed = [Requirement(line) for line in project["dependencies"]]
    allowed += [Requirement(line) for extra in project["optional-dependencies"].values() for line in extra]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert {need.name for need in allowed} <= set(tested)
    assert all(need.specifier.contains(tested[need.name]) for need in allowed)
