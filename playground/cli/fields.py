"""Options of commands made from the fields of settings: name, kind, default and help stand there and nowhere else."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import typer
from pydantic.fields import FieldInfo

from playground.fields import bare, default_of, grid_of, told_of
from playground.settings import Settings

S = TypeVar("S", bound=Settings)

_FIRST = 2  # of a command's own arguments that help tells before the others: what is asked, and along which axis


def with_fields(*models: type[Settings], repeated: Sequence[type[Settings]] = ()) -> Callable[..., Any]:
    """Give a command an option for each field of these settings that has a default, in place of its argument `given`.

    The command takes what was given as one mapping by field name. Fields that it names as arguments of its own are left
    to it. Those of `repeated` settings are texts, any number of each, none unless given.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(command, eval_str=True).parameters
        options = {
            name: _option(name, field, many=model in repeated)
            for model in (*repeated, *models)
            for name, field in model.model_fields.items()
            if name not in own and not field.is_required()
        }
        kept = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for name, one in own.items() if name != "given"]
        parameters = [*kept[:_FIRST], *options.values(), *kept[_FIRST:]]

        @functools.wraps(command)
        def run(**arguments: Any) -> Any:
            given = {name: arguments.pop(name) for name in options}
            return command(**arguments, given=given)

        run.__signature__ = inspect.Signature(parameters)  # pyrefly: ignore[missing-attribute]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate


def only(given: Mapping[str, Any], model: type[Settings]) -> dict[str, Any]:
    """What was given of these settings."""
    return {name: value for name, value in given.items() if name in model.model_fields}


def of(given: Mapping[str, Any], model: type[S]) -> S:
    """These settings as they were given."""
    return model(**only(given, model))


def _option(name: str, field: FieldInfo, many: bool) -> inspect.Parameter:
    is_grid = grid_of(field) is not None
    metavar = "[AXIS=]VALUE" if many else "GRID" if is_grid else told_of(field, "metavar")
    called = told_of(field, "option") or name.replace("_", "-")
    told = typer.Option(f"--{called}", help=field.description, metavar=metavar)
    kind = Annotated[list[str] | None if many else str if is_grid else bare(field.annotation), told]  # pyrefly: ignore[invalid-annotation]
    default = None if many else default_of(field)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
