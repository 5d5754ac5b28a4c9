"""`playground axis instant`: what its options describe, and what it prints."""

import json
from pathlib import Path

import pytest

from playground import calibration, descriptions
from playground.cli.instant import Table, make, told
from playground.cli.options import Answering
from playground.errors import InvalidInput
from tests.conftest import FolderOf

PIRATE, CLERK = "a pirate", "a clerk"


def test_options_or_a_file_describe_it(tmp_path: Path) -> None:
    axis = told(PIRATE, CLERK, None, Table(name="arr", left="dull"))
    assert (axis.name, axis.poles.negative, axis.poles.positive) == ("arr", "dull", PIRATE)
    (tmp_path / "arr.toml").write_text(descriptions.to_toml(axis), "utf-8")
    assert told(None, None, tmp_path / "arr.toml", Table()) == axis
    assert told(None, None, tmp_path / "arr.toml", Table(right="wild")).poles.positive == "wild"


@pytest.mark.parametrize(
    ("positive", "negative", "file"),
    [(None, None, None), (PIRATE, None, None), (None, CLERK, Path("x.toml")), (PIRATE, CLERK, Path("x.toml"))],
)
def test_one_of_both_it_must_be(positive: str | None, negative: str | None, file: Path | None) -> None:
    with pytest.raises(InvalidInput, match="two descriptions"):
        told(positive, negative, file, Table())


def test_it_prints_what_was_found_and_writes_the_table(
    tiny_folder: FolderOf,
    tmp_path: Path,
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(calibration, "PROMPTS", calibration.PROMPTS[:3])
    monkeypatch.setattr(calibration, "TOKENS", 6)
    axis, out = told(PIRATE, CLERK, None, Table()), tmp_path / "new.toml"
    how = Answering(model=str(tiny_folder("llama")), dtype="float32")
    make(axis, out, how)
    text = capsys.readouterr().out
    assert "alpha 1, control 0: reward" in text and "new.toml=1" in text
    assert descriptions.read(out) == axis
    make(axis, None, how.model_copy(update={"as_json": True}))
    card = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert card["contrast"]["positive"] == PIRATE and card["poles"] == {"negative": CLERK, "positive": PIRATE}
    with pytest.raises(InvalidInput, match="already"):
        make(axis, out, how)
