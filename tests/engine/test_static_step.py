"""The step that a GPU takes, taken on the CPU: the stock step's numbers, in the same few places from step to step."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from playground.engine import static_step
from playground.engine.caches import FusedCache, cache_maker
from playground.engine.kv_memory import KVMemory
from playground.engine.prefill import LEAST_COMMON
from playground.engine.scheduler import Scheduler
from playground.engine.static_step import StaticStep
from playground.settings import Request
from tests.engine.conftest import at, make_lab, row
from tests.engine.test_decode import (  # noqa: F401
    test_a_row_alone_is_the_row_in_any_batch,
    test_the_text_is_constant_in_its_alpha_interval_and_changes_just_outside,
)
from tests.engine.test_fused_step import (  # noqa: F401
    decoder_of,
    embeddings,
    padded,
    test_every_step_is_the_stock_step,
    test_rows_that_attend_in_one_call_are_those_that_attend_by_themselves,
)
from tests.engine.test_scheduler import (  # noqa: F401
    started,
    test_a_row_among_strangers_who_come_and_go_is_the_row_alone,
    tokens,
)


@pytest.fixture(autouse=True)
def static(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is tested here and in what was imported takes static steps."""
    monkeypatch.setattr("playground.engine.caches.suits", lambda fused: True)
    for module in (static_step, sys.modules["playground.engine.kv_memory"]):
        monkeypatch.setattr(module, "STATIC_COLUMNS", 16)


def cache() -> FusedCache:
    made = cache_maker(decoder_of("llama"))()
    assert isinstance(made, FusedCache) and made.pool is not None
    return made


@torch.no_grad()
def test_steps_are_made_for_few_sizes() -> None:
    one = cache()
    one.prefill(embeddings(3, 9), padded([0, 4, 2], 9))
    made: list[Any] = []
    for step in range(40):
        one.step(embeddings(3, seed=step))
        made += [each for each in one.static.steps.values() if each not in made]  # type: ignore[union-attr]
    assert [(len(each.hidden), each.columns) for each in made] == [(4, 16), (4, 32), (4, 64)]
    one.select([0])
    one.step(embeddings(1))
    assert (1, 64) in one.static.steps, "a row alone is not read with those that are gone"  # type: ignore[union-attr]


@torch.no_grad()
def test_what_a_row_is_told_is_not_written_over_by_the_next_step() -> None:
    one = cache()
    one.prefill(embeddings(2, 5), padded([0, 0], 5))
    first = one.step(embeddings(2, seed=1))
    kept = first.clone()
    one.step(embeddings(2, seed=2))
    assert torch.equal(first, kept)


@torch.no_grad()
def test_the_next_batch_steps_where_the_last_one_did() -> None:
    make = cache_maker(decoder_of("llama"))

    def begun(rows: int, length: int) -> Any:
        one: Any = make()
        one.prefill(embeddings(rows, length), padded([0] * rows, length))
        return one

    first = begun(3, 9)
    told = [first.step(embeddings(3, seed=step)) for step in range(20)]
    place, steps = first.memory.tensor, first.static
    beside = begun(1, 5)
    assert beside.memory.tensor is not place, "it is in use"
    first.memory.tensor.fill_(torch.nan)
    del first, beside
    second = begun(3, 9)
    for step, expected in enumerate(told):
        assert torch.equal(second.step(embeddings(3, seed=step)), expected), "what another left there is not read"
    assert second.static is steps and second.memory.tensor is place
    del second
    larger = begun(9, 9)
    larger.step(embeddings(9))
    assert larger.memory.tensor.shape[1] == 16 and larger.memory.tensor is not place


def test_a_request_on_an_idle_engine_takes_the_steps_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each reply would begin with steps that are not recorded yet."""
    made = Counter[str]()
    plain = StaticStep.__init__

    def counted(self: StaticStep, *of: Any) -> None:
        made["steps"] += 1
        plain(self, *of)

    monkeypatch.setattr(StaticStep, "__init__", counted)
    lab = make_lab(tmp_path, "llama")
    scheduler, request = Scheduler(lab.model), Request(rows=(row("Tell me.", at(0.5)),), max_new_tokens=20)
    first = tokens(scheduler.run(lab.axes, request))
    assert made["steps"] >= 2, "in the layer and in the decoder"
    assert tokens(scheduler.run(lab.axes, request)) == first, (
        "at last in a memory that is as large from the first step on"
    )
    made.clear()
    assert tokens(scheduler.run(lab.axes, request)) == first
    assert not made


def test_who_begins_another_way_takes_them_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What many texts begin with is read by streams that never step."""
    lab, made = make_lab(tmp_path, "llama"), Counter[str]()
    scheduler, plain = Scheduler(lab.model), StaticStep.__init__

    def counted(self: StaticStep, *of: Any) -> None:
        made["steps"] += 1
        plain(self, *of)

    def asked(system: str) -> Request:
        rows = (row("Tell me.", at(0.5), system=system), row("Tell us.", at(0.5), system=system))
        return Request(rows=rows, max_new_tokens=20)

    for system in ("kind", "calm"):
        list(scheduler.run(lab.axes, asked("You are " + f"{system} and " * LEAST_COMMON)))
    monkeypatch.setattr(StaticStep, "__init__", counted)
    list(scheduler.run(lab.axes, asked("You are " + "mean and " * LEAST_COMMON)))
    assert not made


def test_who_comes_one_by_one_seldom_moves_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, moves, filled = make_lab(tmp_path, "llama"), Counter[str](), KVMemory._filled

    def counted(self: KVMemory, tensor: torch.Tensor) -> torch.Tensor:
        moves["all"] += 1
        return filled(self, tensor)

    monkeypatch.setattr(KVMemory, "_filled", counted)
    scheduler = Scheduler(lab.model)
    asked = [Request(rows=(row(f"Tell me {number}.", at(0.5)),), max_new_tokens=60) for number in range(40)]
    under_way = [started(scheduler, lab, request) for request in asked]
    assert len(under_way) == 40 and scheduler.running > 30 and len(scheduler.core.batches) == 1
    # A layer's memory doubles from 8 rows to 64, the decoder's to 128, and positions from 32 to at most 128.
    assert 0 < moves["all"] <= 3 + 4 + 2 * 2


class Played:
    """In place of a CUDA graph: computes the step anew, or what is wrong with it."""

    def __init__(self, step: StaticStep, wrong: float = 0.0) -> None:
        self.step, self.wrong, self.played = step, wrong, 0

    def __call__(self) -> torch.Tensor:
        self.played += 1
        return self.step.computed() + self.wrong


@torch.no_grad()
@pytest.mark.parametrize("wrong", [0.0, 0.5])
def test_a_recorded_step_is_played_and_one_that_tells_other_numbers_is_not(
    monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    """As on a GPU, but for the recording itself, which takes one."""
    plays: list[Played] = []

    def recorded(step: StaticStep) -> Played:
        plays.append(Played(step, wrong))
        return plays[-1]

    monkeypatch.setattr(static_step, "Recorded", recorded)
    monkeypatch.setattr(StaticStep, "can_record", True)
    found: list[list[torch.Tensor]] = []
    for records in (False, True):
        one = cache()
        one.fused.records = records
        one.prefill(embeddings(2, 5), padded([0, 2], 5))
        if records and wrong:
            with pytest.warns(UserWarning, match="CUDA graphs are not used"):
                found.append([one.step(embeddings(2, seed=step)) for step in range(20)])
            assert not one.fused.records and len(plays) == 1, "it is not tried again"
        else:
            found.append([one.step(embeddings(2, seed=step)) for step in range(20)])
    for plain, played in zip(*found, strict=True):
        assert torch.equal(plain, played)
    if not wrong:
        assert sum(play.played for play in plays) > 8
