"""Presets: the shipped ones are sound, and a broken one says what is wrong and in which file."""

from pathlib import Path

import pytest

from playground import presets
from playground.errors import InvalidInput


def test_the_shipped_presets_can_all_be_read() -> None:
    shipped = presets.read_all()
    assert len(shipped) >= 5
    assert len({preset.title for preset in shipped}) == len(shipped)
    assert all(preset.axis for preset in shipped)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title = ", "not valid TOML"),
        ('title = "A"', "prompt"),
        ('title = "A"\nprompt = "B"\nalfa = 1', "alfa"),
        ('title = "A"\nprompt = "B"\nalpha = nan', "alpha"),
        ('title = "A"\nprompt = "B"\nmax_new_tokens = -1', "max_new_tokens"),
    ],
)
def test_a_broken_preset_names_its_file_and_its_fault(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"mine\.toml") as caught:
        presets.read_all(tmp_path)
    assert says in caught.value.message
    assert caught.value.hint


def test_a_file_that_is_no_text_or_is_missing_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "a.toml", tmp_path / "gone.toml"):
        with pytest.raises(InvalidInput, match="cannot be read"):
            presets.read(path)


def test_presets_come_in_the_order_of_their_file_names(tmp_path: Path) -> None:
    for name in ("2", "1"):
        (tmp_path / f"{name}.toml").write_text(f'title = "{name}"\nprompt = "x"', encoding="utf-8")
    assert [preset.title for preset in presets.read_all(tmp_path)] == ["1", "2"]
