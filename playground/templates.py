"""HTML is made from Jinja2 templates, which lie beside the modules that fill them. Whatever they are told is escaped.

A template is named by its path below this package, such as `study/web/study.html`. Only `Markup` goes in as it is.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, auto_reload=False
)


def template(name: str) -> Template:
    """A template, read and compiled once in a process."""
    return _ENVIRONMENT.get_template(name)


def macros(name: str) -> Any:
    """The macros of a template as functions; what they make is `Markup`."""
    return template(name).module


def html(name: str, **told: Any) -> Markup:
    """A template filled with what it is told."""
    return Markup(template(name).render(told))
