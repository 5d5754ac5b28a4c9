"""Which device is taken, and what is said of one that is not here."""

from typing import Any

import pytest
import torch

from playground import sources
from playground.errors import InvalidInput
from playground.settings import Placement


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine with so many CUDA GPUs, and maybe an Apple one."""

    def make(gpus: int = 0, apple: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: apple)

    return make


@pytest.mark.parametrize(
    ("gpus", "apple", "auto"), [(0, False, "cpu"), (2, False, "cuda"), (0, True, "mps"), (1, True, "cuda")]
)
def test_auto_is_a_gpu_where_there_is_one(machine: Any, gpus: int, apple: bool, auto: str) -> None:
    machine(gpus, apple)
    assert sources.pick_device() == auto
    assert sources.pick_device("cpu") == "cpu"


def test_a_gpu_may_be_named(machine: Any) -> None:
    machine(2)
    assert [sources.pick_device(name) for name in ("cuda", "cuda:0", "cuda:1")] == ["cuda", "cuda:0", "cuda:1"]
    with pytest.raises(InvalidInput, match="no cuda:2; the GPUs here are 0 to 1") as told:
        sources.pick_device("cuda:2")
    assert "--device cuda:1" in told.value.hint


@pytest.mark.parametrize(
    ("name", "finds"), [("cuda", "no CUDA"), ("cuda:0", "no CUDA"), ("split", "no CUDA"), ("mps", "no Apple")]
)
def test_a_device_that_is_not_here_is_refused_with_one_that_is(machine: Any, name: str, finds: str) -> None:
    machine()
    with pytest.raises(InvalidInput, match=finds) as told:
        sources.pick_device(name)
    assert "--device cpu" in told.value.hint


@pytest.mark.parametrize("name", ["", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:0000", "cpu:1", "mps "])
def test_other_words_are_refused_before_torch_is_asked(machine: Any, name: str) -> None:
    machine(9, apple=True)
    with pytest.raises(InvalidInput, match="is not known"):
        sources.check_placement("auto", name)
    with pytest.raises(InvalidInput, match="is not known"):
        sources.pick_device(name)


@pytest.mark.parametrize(
    ("dtype", "device", "finds", "fix"),
    [
        ("int4", "cpu", "int4 works on cuda, not on cpu", "int8"),
        ("int8", "mps", "int8 works on cpu and cuda, not on mps", "auto"),
        ("int8", "split", "not on split", "auto"),
        ("int4", "cuda:1", "torchao is needed", "quantize"),
        ("int8", "cuda", "torchao is needed", "quantize"),
    ],
)
def test_a_rounded_format_is_refused_where_nothing_reads_it(
    dtype: str, device: str, finds: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playground.sources.precision.find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=finds) as told:
        sources.pick_dtype(dtype, device)
    assert fix in told.value.hint
    assert sources.pick_dtype("int8", "cpu") == torch.int8


def test_defaults_are_known_words() -> None:
    sources.check_placement(**Placement().model_dump())
