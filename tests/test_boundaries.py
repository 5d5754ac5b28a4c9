"""The layers are as drawn: imports go down only, light commands stay light, the table of packages is the contract."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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
        "import playground.cli.main",
        "import playground.cli.main; playground.cli.main.app(['--help'], standalone_mode=False)",
        "import playground.cli.main; playground.cli.main.app(['say', '--help'], standalone_mode=False)",
        "import playground.cli.main; playground.cli.main.app(['axes'], standalone_mode=False)",
        "import playground.cli.main; playground.cli.main.app(['model', 'list'], standalone_mode=False)",
        "import playground.ui.play.present",
    ],
)
def test_what_needs_no_model_loads_no_heavy_package(code: str) -> None:
    assert not loaded_by(code) & {"torch", "transformers", "gradio", "plotly"}


def test_the_engine_and_the_player_load_no_page() -> None:
    assert not loaded_by("import playground.player") & {"gradio", "plotly", "typer"}


def test_the_table_of_packages_is_the_contract_of_layers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text[text.index("## Packages") :], re.MULTILINE)
    assert [re.findall(r"\w+", room) for room in rooms] == [re.findall(r"\w+", layer) for layer in layers]


def test_the_commands_in_the_readme_are_the_real_ones() -> None:
    from playground.cli.main import app

    groups = {group.name: group.typer_instance for group in app.registered_groups}
    real = {command.name for command in app.registered_commands if not command.hidden} | {
        f"{name} {command.name}"
        for name, group in groups.items()
        if group is not None
        for command in group.registered_commands
    }
    table = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `playground ((?:(?:model|axis|study) )?[a-z]+)", table, re.MULTILINE))
    assert told == real


def test_transformers_is_imported_by_its_modules() -> None:
    """Its root names every model there is: a type checker that follows it reads 2600 files more, for ten seconds."""
    modules = [path for part in ("playground", "tools") for path in (ROOT / part).rglob("*.py")]
    rooted = re.compile(r"^\s*(from transformers import|import transformers$)", re.MULTILINE)
    assert [str(path) for path in modules if rooted.search(path.read_text(encoding="utf-8"))] == []


def test_the_tested_versions_lie_inside_the_allowed_ranges() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    allowed = [Requirement(line) for line in project["dependencies"]]
    allowed += [Requirement(line) for extra in project["optional-dependencies"].values() for line in extra]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert {need.name for need in allowed} <= set(tested)
    assert all(need.specifier.contains(tested[need.name]) for need in allowed)


def test_nothing_is_imported_that_only_one_system_has() -> None:
    only_posix = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
    modules = (ROOT / "playground").rglob("*.py")
    imports = re.compile(r"^\s*(?:import|from) (\w+)", re.MULTILINE)
    found = {path.name: only_posix & set(imports.findall(path.read_text(encoding="utf-8"))) for path in modules}
    assert {name: names for name, names in found.items() if names} == {}
