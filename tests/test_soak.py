"""The soak's own run, short: everybody is told what they are told alone, and nothing of them stays behind."""

import gc
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from playground.engine.kv_memory import KVMemory
from playground.engine.linear import can_be_packed, size_for
from playground.engine.live_request import LiveRequest
from playground.engine.reply import Reply
from playground.engine.scheduler import Scheduler
from playground.engine.streams import Streams
from playground.settings import Sampling
from tests.engine.conftest import make_lab
from tools import soak

LEFT_BEHIND = (LiveRequest, Reply, Streams, KVMemory)


def held() -> list[object]:
    gc.collect()
    return [one for one in gc.get_objects() if type(one) in LEFT_BEHIND]


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_who_comes_changes_and_stops_is_told_the_truth_and_leaves_nothing(tmp_path: Path, family: str) -> None:
    model = make_lab(tmp_path, family).model
    scheduler, before = Scheduler(model), {id(one) for one in held()}
    found = soak.soak(model, soak.random_axis(model), scheduler, lambda so_far: so_far.arrivals < 40)
    assert found.arrivals == 40 and found.stopped > 2 and found.wrong == 0
    assert (scheduler.under_way, scheduler.running, scheduler.core.batches) == (0, 0, [])
    assert [one for one in held() if id(one) not in before] == []


class Sizes(TorchDispatchMode):
    """How many rows oneDNN was asked for a product of: it keeps a kernel for each."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.mkldnn._linear_pointwise.default:
            self.asked.add(args[0].shape[:-1].numel())
        return func(*args, **(kwargs or {}))


def test_what_comes_asks_for_products_of_few_sizes(tmp_path: Path) -> None:
    if not can_be_packed(torch.zeros(1)):
        pytest.skip("oneDNN has no products here")
    model = make_lab(tmp_path, "llama").model
    with Sizes() as sizes:
        soak.soak(model, soak.random_axis(model), Scheduler(model), lambda so_far: so_far.arrivals < 40)
    assert max(sizes.asked) > 64 and sizes.asked <= {size_for(rows) for rows in range(1, 4097)}


def test_a_wrong_token_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against an oracle that is told of another temperature."""
    model, decode = make_lab(tmp_path, "llama").model, soak.decode
    hot = {"sampling": Sampling(temperature=3.0)}
    monkeypatch.setattr(soak, "decode", lambda model, axes, asked: decode(model, axes, asked.model_copy(update=hot)))
    found = soak.soak(model, soak.random_axis(model), Scheduler(model), lambda so_far: so_far.arrivals < 3)
    assert found.wrong
