"""What counts as text, and what names a folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground import texts


@pytest.mark.parametrize(
    "text", ["", " \t\n", "\u200b", "\ufeff\u2060\u00ad", "\u3000\u2028", "\u3164", "\u2800", "\ufe0f"]
)
def test_what_nobody_can_see_is_blank(text: str) -> None:
    assert texts.is_blank(text)


@pytest.mark.parametrize("text", ["a", "0", ".", "\u200bé", "你", "😀", "👍🏽", "नी", "e\u0301"])
def test_what_can_be_seen_is_not(text: str) -> None:
    assert not texts.is_blank(text)


@pytest.mark.parametrize(
    ("name", "folder"), [("calm", "calm"), ("größe", "größe"), ("спокойствие", "спокойствие"), ("冷静", "冷静")]
)
def test_a_plain_name_is_its_folder(name: str, folder: str) -> None:
    assert texts.folder_name(name) == folder


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=6, unique=True))
def test_names_have_folders_of_their_own(names: list[str]) -> None:
    found = [texts.folder_name(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(0 < len(folder.encode()) < 100 for folder in found)
    assert not any(letter in folder for folder in found for letter in "/\\.\0")


def test_names_that_differ_in_case_or_signs_do_not_meet() -> None:
    names = ["calm", "Calm", "calm!", "calm?", "größe", "grüße", "GRÖSSE", "😀", "🙃", "x" * 300, "x" * 301]
    assert len({texts.folder_name(name).casefold() for name in names}) == len(names)


def test_half_a_character_can_be_printed() -> None:
    assert texts.writable("a\ud83d\udcff") == "a\\ud83d\\udcff"
