"""Presets: the shipped ones are sound, and a broken one says what is wrong and in which file."""

from pathlib import Path

import pytest

from playground import cards, presets
from playground.errors import InvalidInput
from playground.presets import Preset
from playground.settings import Request, Row, Sampling, Strength, conversation
from playground.ui import share
from tools import presets as looked


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
        ('title = "A"\nprompt = "B"\nself = 1', "self: extra inputs are not permitted"),
        ('title = "A"\nprompt = "B"\n[[more]]\naxis = "x"\nself = 1', "self: extra inputs are not permitted"),
        ('title = "A"\nprompt = "\\u200B"', "prompt: there is nothing to read in it"),
        ('title = "\\u3164 "\nprompt = "B"', "title: there is nothing to read in it"),
    ],
)
def test_a_broken_preset_names_its_file_and_its_fault(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"mine\.toml") as caught:
        presets.read(tmp_path / "mine.toml")
    assert says in caught.value.message
    assert caught.value.hint


def test_a_broken_preset_keeps_no_other_from_being_offered(tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_bytes(b'\xef\xbb\xbftitle = "A"\r\nprompt = "B"')
    for name, raw in {
        "deep": b"a = " + b"[" * 9999,
        "half": b'title = "\xff"',
        "none": b"",
        "large": b"#" * 2**23,
    }.items():
        (tmp_path / f"{name}.toml").write_bytes(raw)
    (tmp_path / "folder.toml").mkdir()
    assert [preset.title for preset in presets.read_all(tmp_path)] == ["A"]
    told = [error.message for error in presets.damaged(tmp_path)]
    assert len(told) == 5 and all(
        f"{name}.toml" in " ".join(told) for name in ("deep", "half", "none", "large", "folder")
    )
    assert presets.damaged() == ()


def test_a_file_that_is_no_text_or_is_missing_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "a.toml", tmp_path / "gone.toml"):
        with pytest.raises(InvalidInput, match=r"cannot be read|no file"):
            presets.read(path)


def test_presets_come_in_the_order_of_their_file_names(tmp_path: Path) -> None:
    for name in ("2", "1"):
        (tmp_path / f"{name}.toml").write_text(f'title = "{name}"\nprompt = "x"', encoding="utf-8")
    assert [preset.title for preset in presets.read_all(tmp_path)] == ["1", "2"]


def test_there_is_plenty_to_start_from_and_every_shipped_axis_is_among_it() -> None:
    shipped = presets.read_all()
    assert len(shipped) >= 10
    assert {card.name for card in cards.shipped().values()} <= {preset.axis for preset in shipped}


@pytest.mark.parametrize("preset", presets.read_all(), ids=lambda preset: preset.title)
def test_each_shipped_preset_can_be_asked_and_shared(preset: Preset, tmp_path: Path) -> None:
    strength = Strength(axis=preset.axis, alpha=preset.alpha, control=preset.control)
    row = Row(messages=conversation(preset.prompt, preset.system or None), strengths=(strength,), seed=preset.seed)
    Request(rows=(row,), sampling=Sampling(temperature=preset.temperature), max_new_tokens=preset.max_new_tokens)
    shared = share.decode(share.encode(preset))
    assert shared is not None
    assert shared.preset.model_copy(update={"title": preset.title}) == preset
    (tmp_path / "copy.toml").write_text(presets.to_toml(preset), encoding="utf-8")
    assert presets.read(tmp_path / "copy.toml") == preset


@pytest.mark.parametrize("preset", presets.read_all(), ids=lambda preset: preset.title)
def test_each_shipped_preset_stays_on_topic_and_whole_wherever_it_is_turned(preset: Preset) -> None:
    """By what the model said when it was last looked at; only what says so in its title may go too far."""
    axis = looked.CARDS[preset.axis]
    too_far = looked.goes_too_far(preset, axis)
    found = [one for (of, _), one in looked.known().items() if of == looked.identity(preset, axis)]
    assert found, "the preset or its axis has changed: run python -m tools.presets --write"
    for one in found:
        assert [reply["alpha"] for reply in one["replies"]] == [None, *looked.shown(preset, axis)]
        kept = [reply for reply in one["replies"] if not (too_far and reply["alpha"] == preset.alpha)]
        assert [reply for reply in kept if reply["warnings"]] == []
        assert min(reply["relevance"] for reply in kept) >= round(looked.LEAST_RELEVANT, 2)
    assert too_far == ("too far" in preset.title.lower())


def test_a_preset_that_is_changed_has_to_be_looked_at_anew() -> None:
    preset = presets.read_all()[0]
    axis = looked.CARDS[preset.axis]
    trained_anew = axis.model_copy(update={"files": {"another": "file"}})
    names = {
        looked.identity(preset, axis),
        looked.identity(preset.model_copy(update={"alpha": 0.9}), axis),
        looked.identity(preset.model_copy(update={"prompt": "Else?"}), axis),
        looked.identity(preset, trained_anew),
    }
    assert len(names) == 4
    assert looked.identity(preset.model_copy(update={"title": "Renamed"}), axis) in names


def test_what_was_saved_is_read_back_letter_by_letter(tmp_path: Path) -> None:
    odd = Preset(
        title='A "title" = \\ of\x7f\x01 its own\n',
        prompt="é 😀\r\n\t'''",
        alpha=1e-7,
        seed=2**62,
        updates=0,
        step_size=0.1,
        more=(Strength(axis="a.b c]", alpha=-1), Strength(axis="d", control=3, updates=2)),
    )
    (tmp_path / "odd.toml").write_text(presets.to_toml(odd), encoding="utf-8")
    assert presets.read(tmp_path / "odd.toml") == odd
