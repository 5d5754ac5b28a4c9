"""Folders and names: what is accepted, what is refused and why."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from playground import sources
from playground.errors import InvalidInput, ModelUnavailable
from playground.sources import hub
from tests.conftest import FolderOf

WEIGHTS = "model.safetensors"


def test_a_whole_folder_is_its_own_answer(copy: Path) -> None:
    assert sources.resolve(str(copy)) == copy


def truncate(folder: Path) -> None:
    with (folder / WEIGHTS).open("r+b") as file:
        file.truncate(1000 + (folder / WEIGHTS).stat().st_size // 2)


def shard(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-1-of-2.safetensors"}}')


def only_a_pickle(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    torch.save({}, folder / "pytorch_model.bin")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "config.json"),
    "broken config": (lambda f: (f / "config.json").write_text("{"), "config.json"),
    "config of nothing": (lambda f: (f / "config.json").write_text("[]"), "config.json"),
    "config without a family": (lambda f: (f / "config.json").write_text("{}"), "model_type"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "tokenizer"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "no safetensors"),
    "weights as a pickle only": (only_a_pickle, "pickles only"),
    "truncated weights": (truncate, "truncated"),
    "weights cut inside the header": (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:50]), "damaged"),
    "empty weights": (lambda f: (f / WEIGHTS).write_bytes(b""), "damaged"),
    "something else as weights": (lambda f: (f / WEIGHTS).write_bytes(b"<html>404 not found</html>"), "damaged"),
    "a header of nonsense": (lambda f: (f / WEIGHTS).write_bytes((2).to_bytes(8, "little") + b"[]"), "damaged"),
    "a missing shard": (shard, "missing"),
    "an index of nothing": (lambda f: (shard(f), (f / "model.safetensors.index.json").write_text("{}")), "no weights"),
}


@pytest.mark.parametrize(
    ("packing", "word"),
    [({"quant_method": "gptq", "bits": 4}, "gptq"), ({"quant_method": "bitsandbytes"}, "bitsandbytes"),
     ({"quant_method": "torchao"}, "torchao"), ({"quant_method": "fp8"}, "fp8"), ({}, "unknown"), ("x", "unknown")],
)  # fmt: skip
def test_packed_weights_are_refused_before_they_are_read(copy: Path, packing: object, word: str) -> None:
    pack(copy, packing)
    with pytest.raises(ModelUnavailable, match=f"packed by .*{word}.* cannot be steered") as told:
        sources.resolve(str(copy))
    assert "plain weights" in told.value.hint


def pack(folder: Path, packing: object) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": packing}), encoding="utf-8")


@pytest.mark.parametrize(("damage", "word"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_folder_is_refused_with_the_reason(copy: Path, damage: Callable[[Path], object], word: str) -> None:
    damage(copy)
    with pytest.raises(ModelUnavailable, match=word) as caught:
        sources.resolve(str(copy))
    assert caught.value.hint


@pytest.mark.parametrize("length", [128, 384, 640, 1152])
def test_a_header_whose_length_begins_as_a_pickle_does_is_a_header(copy: Path, length: int) -> None:
    """One safetensors file in 32 has such a length."""
    with_header_of(length, copy / WEIGHTS)
    assert (copy / WEIGHTS).read_bytes()[:1] == b"\x80"
    assert sources.resolve(str(copy)) == copy


def with_header_of(length: int, file: Path) -> None:
    """Write a weight file whose header is just that long; the format fills it up with spaces."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode().ljust(length)
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    assert list(load_file(file)) == ["a"]


def test_each_shard_may_have_such_a_header(copy: Path) -> None:
    shards = [f"model-{number}-of-2.safetensors" for number in (1, 2)]
    for shard_name in shards:
        with_header_of(128, copy / shard_name)
    (copy / WEIGHTS).unlink()
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict(zip("ab", shards, strict=True))}))
    assert sources.resolve(str(copy)) == copy


class Bomb:
    """Unpickling it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_in_disguise_is_refused_and_never_opened(copy: Path, tmp_path: Path, zipped: bool) -> None:
    torch.save(Bomb(tmp_path / "exploded"), copy / WEIGHTS, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelUnavailable, match="pickle"):
        sources.resolve(str(copy))
    assert not (tmp_path / "exploded").exists()


def test_a_file_is_no_folder_and_a_wrong_path_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InvalidInput, match="is a file"):
        sources.resolve(str(tmp_path / "model.safetensors"))
    with pytest.raises(ModelUnavailable, match="no folder"):
        sources.resolve(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", ["", " ", "nope", "tiny:nope", "what is this", "a/b@", "x" * 500])
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        sources.resolve(name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["smollm2", "tiny"])
def test_only_the_hub_has_revisions(name: str) -> None:
    with pytest.raises(InvalidInput, match="revision"):
        sources.resolve(name, revision="main")


def test_only_usable_models_are_listed(
    own_cache: Path, copy: Path, tiny_folder: FolderOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    truncate(copy)
    monkeypatch.setattr(hub, "downloaded", lambda: {"owner/whole": tiny_folder("qwen2"), "owner/half": copy})
    assert sources.installed() == [sources.Installed("owner/whole", tiny_folder("qwen2"))]


def test_dtype_auto_is_bfloat16_exactly_where_the_processor_is_fast_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": True})
    assert sources.pick_dtype("auto") is torch.bfloat16
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False})
    assert sources.pick_dtype("auto") is torch.float32
    assert sources.pick_dtype("float16") is torch.float16
    assert sources.pick_dtype("int8") is torch.int8
    with pytest.raises(InvalidInput, match="float64"):
        sources.pick_dtype("float64")
