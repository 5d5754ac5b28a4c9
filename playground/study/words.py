"""What the pages of a study say by themselves, in the languages it ships and in a study's own words."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from playground.errors import InvalidInput

Words = Mapping[str, str]
"""Sentences by name, with places such as {question} to be filled."""

_FOLDER = Path(__file__).with_name("languages")
_PLACE = re.compile(r"\{\w*\}")
_RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "iw", "ps", "sd", "ug", "ur", "yi"})


class RefusedForm(InvalidInput):
    """A form that may not count: forged, another person's, out of its turn, or answered already.

    `word` names the sentence that tells people why, `values` what fills it; the message is the English one.
    """

    def __init__(self, word: str, **values: str) -> None:
        super().__init__(say(shipped("en"), word, **values))
        self.word, self.values = word, values


def languages() -> list[str]:
    """The languages there are words in."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


@cache
def shipped(language: str) -> Words:
    """All sentences in a language that is there."""
    return tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))


def in_language(language: str, own: Words) -> Words:
    """All sentences in a language: the study's own before those that are shipped, for that language or its base."""
    base = language.partition("-")[0]
    return {**(shipped(base) if base in languages() else {}), **own}


def check(language: str, own: Words) -> None:
    """Raise InvalidInput unless every sentence is there in this language, with the places that it needs."""
    english, spoken = shipped("en"), in_language(language, own)
    unknown = next((name for name in own if name not in english), None)
    if unknown is not None:
        raise InvalidInput(f"words: there is no sentence {unknown!r}.", f"They are: {', '.join(english)}.")
    missing = [name for name in english if not spoken.get(name, "").strip()]
    if missing:
        raise InvalidInput(
            f"language: {language!r} is not among {', '.join(languages())}, and [words] lacks {missing[0]!r}.",
            f"Give all {len(english)} sentences in [words], or choose one of these languages.",
        )
    for name, text in own.items():
        if set(_PLACE.findall(text)) != set(_PLACE.findall(english[name])):
            places = ", ".join(_PLACE.findall(english[name])) or "none"
            raise InvalidInput(f"words: {name} has other places than it needs.", f"They are: {places}.")


def say(words: Words, name: str, **values: object) -> str:
    """A sentence with its places filled."""
    return _PLACE.sub(lambda found: str(values.get(found[0][1:-1], found[0])), words[name])


def direction(language: str) -> str:
    """rtl for a language that is written from right to left, else ltr."""
    return "rtl" if language.partition("-")[0] in _RIGHT_TO_LEFT else "ltr"
