"""Options that mean the same in several commands."""

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import Field
from typer.core import TyperCommand

from playground.errors import InvalidInput
from playground.fields import told_of
from playground.settings import Placement

DEFAULT_MODEL = "smollm2"


class Answering(Placement):
    """Which model answers, how it is held, and for whom what it says is printed."""

    model: str = Field(
        default=DEFAULT_MODEL,
        description="smollm2, tiny, a folder, a GGUF file, or a Hub id owner/name[@revision].",
        json_schema_extra={"metavar": "NAME"},
    )
    as_json: bool = Field(
        default=False,
        description="Print JSON for programs instead of text for people.",
        json_schema_extra={"option": "json"},
    )


def _shared(name: str) -> Any:
    field = Answering.model_fields[name]
    called, metavar = told_of(field, "option") or name, told_of(field, "metavar")
    return typer.Option(f"--{called}", metavar=metavar, help=field.description)


Model = Annotated[str, _shared("model")]
Dtype = Annotated[str, _shared("dtype")]
Device = Annotated[str, _shared("device")]
Json = Annotated[bool, _shared("as_json")]

Cluster = Annotated[
    str,
    typer.Option(
        "--ray", metavar="ADDRESS", help="A Ray cluster that works, such as auto; local starts one; none works here."
    ),
]

_OPTION = re.compile(r"--?[A-Za-z][A-Za-z0-9-]*(?==|$)")


class PromptCommand(TyperCommand):
    """A command whose prompt may begin with a dash: only what looks like an option is taken for one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put such a prompt behind all options. Raises InvalidInput for an option that there is not."""
        options = [one for one in self.get_params(ctx) if one.param_type_name == "option"]
        valued = {name for one in options if not getattr(one, "is_flag", False) for name in one.opts}
        names = {name for one in options for name in (*one.opts, *one.secondary_opts)}
        return super().parse_args(ctx, _prompts_last(args, names, valued))


def _prompts_last(arguments: list[str], names: set[str], valued: set[str]) -> list[str]:
    kept: list[str] = []
    prompts: list[str] = []
    rest = iter(arguments)
    for one in rest:
        if one == "--":
            prompts += rest
        elif one.startswith("-") and not _OPTION.match(one):
            prompts.append(one)
        else:
            kept += _with_value(one, rest, names, valued)
    return [*kept, "--", *prompts] if prompts else kept


def _with_value(one: str, rest: Iterator[str], names: set[str], valued: set[str]) -> list[str]:
    """An option with its value, or an argument."""
    name = one.partition("=")[0]
    if one.startswith("-") and name not in names:
        near = get_close_matches(name, names, 1)
        raise InvalidInput(
            f"There is no option {name}{f'; did you mean {near[0]}?' if near else '.'}",
            "See --help; a prompt that begins with a dash goes last, after --.",
        )
    return [one, *([next(rest, "")] if one in valued else [])]


def encoder_folder(name: str | None, find: Callable[[str], Path]) -> Path | None:
    """The folder of a sentence encoder; None for none, however it is written."""
    return None if name is None or name.casefold() == "none" else find(name)
