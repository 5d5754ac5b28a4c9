"""Makes the Python reference's pages as MkDocs builds: one for each package or module of the library.

A module needs no entry anywhere: what lies in `playground/` and is no page and no command is a part of the library.
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "playground"

NOT_THE_LIBRARY = ("ui", "cli", "doctor", "migrations", "web")
"""Pages, commands and the history of tables: nobody imports them."""


def modules(folder: Path = PACKAGE) -> list[str]:
    """The dotted names of the library's modules, packages before what is in them."""
    found: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(("_", ".")) or path.stem.partition("_")[0] in NOT_THE_LIBRARY:
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if path.is_dir() and (path / "__init__.py").exists():
            found += [name, *modules(path)]
        elif path.suffix == ".py":
            found.append(name)
    return found


def pages() -> dict[str, str]:
    """The source of each page by its path below docs/: a top-level module alone, a package with all that is in it."""
    parts: dict[str, list[str]] = {"playground": ["playground"]}
    for name in modules():
        parts.setdefault(".".join(name.split(".")[:2]), []).append(name)
    return {
        f"reference/{top.removeprefix('playground.')}.md": f"# {top}\n\n" + "\n".join(f"::: {one}\n" for one in names)
        for top, names in parts.items()
    }


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the reference at the menu's end."""
    assert isinstance(config.nav, list)
    config.nav.append({"Python reference": list(pages())})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those that lie in docs/."""
    for path, content in pages().items():
        files.append(File.generated(config, path, content=content))
    return files
