"""What can go wrong through no fault of the code: each error carries one plain sentence and a way out.

The page, the command line and the Python API all show the same two lines. A bug is any other exception.
"""

from pydantic import ValidationError

from playground.texts import writable

_SHOWN = 80


class PlaygroundError(Exception):
    """A mistake in the input or the surroundings, told in one sentence with a hint how to go on."""

    def __init__(self, message: str, hint: str = "", field: str = "") -> None:
        """`field` is the setting that is wrong, where it is one."""
        super().__init__(message)
        self.field = writable(field)
        self.message = writable(message)
        self.hint = writable(hint)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidInput(PlaygroundError):
    """A value the user gave cannot be used: a strength, a prompt, a number, a file's content."""


class ModelUnavailable(PlaygroundError):
    """Base weights cannot be had: not there, not fetched, damaged, or of a family that does not fit."""


class AxisMismatch(PlaygroundError):
    """An axis is unknown, damaged, or was trained on another base model."""


class AxisDamaged(AxisMismatch):
    """An axis's folder is damaged: its card, its weights or its judge cannot be used with any base model."""


class Busy(PlaygroundError):
    """As many requests as fit are being answered."""


def shown(value: object) -> str:
    """A value as a message quotes it: never more of it than a person reads."""
    return _short(_repr(value))


def invalid_input(error: ValidationError) -> InvalidInput:
    """Turn pydantic's first complaint into one plain sentence."""
    first = error.errors()[0]
    where = _short(".".join(str(part) for part in first["loc"])) or error.title
    what = first["msg"].removeprefix("Value error, ")
    value = first.get("input")
    got = f" (got {shown(value)})" if isinstance(value, str | int | float | bool | None) else ""
    field = str(next(iter(first["loc"]), ""))
    return InvalidInput(f"{where}: {what[:1].lower()}{what[1:]}{got}.", f"Correct {where} and try again.", field)


def _repr(value: object) -> str:
    """A value as Python writes it; a whole number too long for that by its length."""
    try:
        return repr(value[: _SHOWN + 1] if isinstance(value, str) else value)
    except ValueError:
        return "a number of thousands of digits"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."
