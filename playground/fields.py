"""What a field of settings is to whoever offers it elsewhere: its plain type and its default. Options of commands and
arguments of endpoints are made from it."""

import functools
import operator
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin

from pydantic.fields import FieldInfo


def bare(annotation: Any) -> Any:
    """A field's type without its bounds, which the settings themselves check; a tuple of any length is a list."""
    if get_origin(annotation) is UnionType or NoneType in get_args(annotation):
        return functools.reduce(operator.or_, map(bare, get_args(annotation)))
    if get_origin(annotation) is tuple:
        return list[bare(get_args(annotation)[0])]  # pyrefly: ignore[invalid-annotation]
    return bare(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def told_of(field: FieldInfo, what: str) -> str | None:
    """What a field tells beside its bounds: the `option` it is called as, the `metavar` of it, a `grid` as text."""
    extra = field.json_schema_extra
    return str(extra[what]) if isinstance(extra, dict) and what in extra else None


def grid_of(field: FieldInfo) -> str | None:
    """The default of a field that takes strengths as text; None for every other field."""
    return told_of(field, "grid")


def default_of(field: FieldInfo) -> Any:
    """A field's default as its plain type has it."""
    if (grid := grid_of(field)) is not None:
        return grid
    return list(field.default) if isinstance(field.default, tuple) else field.default
