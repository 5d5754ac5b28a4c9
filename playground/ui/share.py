"""A link that carries settings and nothing else: no reply, no server's state, so it opens to the same anywhere.

Pure: a preset and the model's name to a query string and back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from playground.errors import InvalidInput
from playground.presets import Preset
from playground.settings import SLIDERS, Strength, changed

LONGEST = 8000
"""Letters of a query string that browsers and servers carry whole."""

ALWAYS = ("prompt", "axis", *SLIDERS, "temperature", "seed", "max_new_tokens")
"""Told even at their defaults, which another version may have changed."""

MAYBE = tuple(name for name in Preset.model_fields if name not in (*ALWAYS, "title", "more"))
"""Told where they are not at their defaults."""

_LATER = ("target",)
_MIXED = (*(name for name in Strength.model_fields if name not in ("axis", *_LATER)), *_LATER)
"""What a mixed axis tells, in this order; new fields come last, so that older links stay as they were."""


@dataclass(frozen=True)
class Shared:
    """What a link says: the settings, and the model they were chosen on (empty if it does not say)."""

    preset: Preset
    model: str = ""


def encode(preset: Preset, model: str = "") -> str:
    """The query string of some settings, without the question mark. Raises InvalidInput when it gets too long."""
    told = [(name, _plain(getattr(preset, name))) for name in ALWAYS]
    told += [(name, _plain(getattr(preset, name))) for name in changed(preset, MAYBE)]
    if preset.more:
        told.append(("more", ";".join(_mixed(strength) for strength in preset.more)))
    query = urlencode([*told, *([("model", model)] if model else [])])
    if len(query) > LONGEST:
        raise InvalidInput("The prompt is too long for a link.", "Save it as a preset instead, and send the file.")
    return query


def decode(query: str | Mapping[str, str]) -> Shared | None:
    """The settings a query string holds; None where it names no prompt, so is no shared link.

    Names it does not know are others' business. Raises InvalidInput for a value that cannot be.
    """
    if not isinstance(query, str):
        query = urlencode(query)
    if len(query) > LONGEST:
        raise InvalidInput("This link is too long.", "Ask for it again; it may have been glued to another text.")
    given = dict(parse_qsl(query.removeprefix("?"), keep_blank_values=True))
    if not given.get("prompt", "").strip():
        return None
    values: dict[str, Any] = {name: value for name, value in given.items() if name in Preset.model_fields}
    try:
        more = tuple(_unmixed(text) for text in given.get("more", "").split(";") if text)
        return Shared(Preset(**values | {"title": "Shared", "more": more}), given.get("model", ""))
    except InvalidInput as error:
        raise InvalidInput(f"This link cannot be opened: {error.message}", "Ask for it again.") from None


def axes_of(preset: Preset) -> list[str]:
    """The axes a preset names."""
    return [name for name in (preset.axis, *(strength.axis for strength in preset.more)) if name]


def _plain(value: str | float | None) -> str:
    return "" if value is None else value if isinstance(value, str) else repr(value).removesuffix(".0")


def _mixed(strength: Strength) -> str:
    """`axis,alpha,control,updates,step_size,...`; what is empty at the end is left out."""
    told = {*SLIDERS, *changed(strength, _MIXED)}
    values = [quote(_plain(getattr(strength, name)), safe="") if name in told else "" for name in _MIXED]
    return ",".join([quote(strength.axis, safe=""), *values]).rstrip(",")


def _unmixed(text: str) -> Strength:
    axis, *told = text.split(",")
    values: dict[str, Any] = dict(zip(_MIXED, map(unquote, told), strict=False))
    return Strength(axis=unquote(axis), **{name: value for name, value in values.items() if value})
