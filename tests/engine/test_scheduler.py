"""Many requests as one batch: each is told what it would be alone, whoever comes, goes, fails or waits beside it."""

import math
import random
from collections import Counter
from collections.abc import Container, Generator, Iterable
from contextlib import closing
from copy import copy
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import torch

from playground.engine import core as module
from playground.engine.caches import FusedCache, FusedCaches, StockCache
from playground.engine.decode import decode
from playground.engine.fused_step import FusedDecoder
from playground.engine.linear import can_be_packed
from playground.engine.live_request import LiveRequest, Step
from playground.engine.methods import CLM, REControl, Steering
from playground.engine.methods.base import Edited
from playground.engine.methods.identity_layer import IdentityLayer
from playground.engine.prefill import LEAST_COMMON
from playground.engine.prefix_tree import PrefixTree
from playground.engine.running_batch import RunningBatch
from playground.engine.scheduler import KV_BUDGET, Scheduler, kv_budget
from playground.engine.streams import PIECE, Streams
from playground.errors import Busy, InvalidInput
from playground.events import Finished, Started, Token, Waiting
from playground.settings import Request, Sampling
from tests.engine.conftest import CORE, Lab, Labs, at, make_lab, row
from tests.engine.plain_decode import plain_decode

Steps = Generator[Step, None, None]

WARM = Sampling(temperature=0.9)
CUT = Sampling(temperature=1.2, top_k=40, repetition_penalty=1.2)
LONG = "A prompt of a good many words, longer than the others and than any window that slides over what was read."
POOL = (
    Request(rows=(row("How was it?", at(0.5)),), max_new_tokens=12),
    Request(rows=(row("How was it?", at(0.9)),), max_new_tokens=7, sampling=WARM),
    Request(rows=(row("How was it?", at(0.9)),), max_new_tokens=9, sampling=WARM),
    Request(rows=(row("How was it?"), row("How was it?", at(-0.7, control=1.0))), max_new_tokens=10),
    Request(rows=(row("Hi.", at(1.5)), row(LONG, at(0.3, axis="second"))), max_new_tokens=8, sampling=CUT),
    Request(rows=(row(LONG, at(0.5), at(0.8, axis="second"), seed=2),), max_new_tokens=14),
    Request(rows=(row("Hi.", at(0.4, merge="embeddings")),), max_new_tokens=5, sampling=WARM),
    Request(rows=tuple(row("Tell me.", at(a / 4 - 1)) for a in range(9)), max_new_tokens=6),
    Request(rows=(row("Tell me.", at(0.5), at(control=0.5, axis="second"), seed=4),), max_new_tokens=11, sampling=WARM),
)


def expected(lab: Lab, request: Request) -> dict[int, tuple[int, ...]]:
    """Each row's tokens by the plain loop; it merges logits only, so what merges embeddings is asked for alone."""
    merged = any(strength.merge == "embeddings" for one in request.rows for strength in one.strengths)
    told = (decode if merged else plain_decode)(lab.model, lab.axes, request)
    return {event.row: event.token_ids for event in told if isinstance(event, Finished)}


def events(steps: Iterable[Step]) -> list[Any]:
    return [event for step in steps for event in step]


def rest(steps: Iterable[Step]) -> tuple[int, ...]:
    """The tokens of the only row of a request that are still to come."""
    return tuple(event.id for event in events(steps) if isinstance(event, Token))


def tokens(steps: Iterable[Step]) -> dict[int, tuple[int, ...]]:
    """Each row's tokens as they were told."""
    found: dict[int, tuple[int, ...]] = {}
    for event in events(steps):
        if isinstance(event, Token):
            assert event.position == len(found.setdefault(event.row, ()))
            found[event.row] += (event.id,)
    return found


def begin(found: dict[int, tuple[int, ...]], whole: dict[int, tuple[int, ...]]) -> bool:
    """Whether what was told is how the whole begins."""
    return all(ids == whole[row][: len(ids)] for row, ids in found.items())


def crowd(lab: Lab, arrivals: int, seed: int, trees: bool = True) -> int:
    """Requests come, are read on or left, at random; each is checked. Returns how often several ran at once."""
    chance, scheduler, tree = random.Random(seed), Scheduler(lab.model), PrefixTree()
    whole = {request: expected(lab, request) for request in POOL}
    here: list[tuple[Request, Steps, list[Step]]] = []
    together = come = 0
    while come < arrivals or here:
        if come < arrivals and (not here or (len(here) < 6 and chance.random() < 0.4)):
            request = chance.choice(POOL)
            own = tree if trees and chance.random() < 0.6 else None
            here.append((request, scheduler.run(lab.axes, request, own, chance.choice("abc")), []))
            come += 1
        request, steps, told = one = chance.choice(here)
        together += scheduler.running > len(request.rows)
        if chance.random() < 0.05:
            steps.close()
            assert begin(tokens(told), whole[request])
            here.remove(one)
        elif (step := next(steps, None)) is not None:
            told.append(step)
        else:
            assert tokens(told) == whole[request]
            ends = [event for event in events(told) if isinstance(event, Finished)]
            assert {end.row: end.token_ids for end in ends} == whole[request]
            here.remove(one)
    assert (scheduler.under_way, scheduler.running) == (0, 0)
    return together


@pytest.mark.parametrize("family", CORE)
def test_a_row_among_strangers_who_come_and_go_is_the_row_alone(labs: Labs, family: str) -> None:
    assert crowd(labs[family], 40, seed=1) > 40, "else nobody would have met"


def test_two_hundred_arrivals_stops_and_changes_of_strength(labs: Labs) -> None:
    assert crowd(labs["llama"], 200, seed=2) > 200


def numbers(steps: Iterable[Step], rows: Container[int]) -> list[tuple[float, ...]]:
    told = [event for event in events(steps) if isinstance(event, Token) and event.row in rows]
    return sorted((event.row, event.position, event.logprob, event.base_logprob, event.kl) for event in told)


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_in_bfloat16_too_where_there_is_a_fused_step(tmp_path: Path, family: str) -> None:
    """Each attends to what is its own, and products have the same bits in any batch: so strangers change nothing.

    Values are told, and states moved, by products in float32, which are rounded as the batch has it. Compared with the
    request alone. Without a tree: what it knows was read in another shape, and is rounded otherwise.
    """
    if not can_be_packed(torch.zeros(1, dtype=torch.bfloat16)):
        pytest.skip("this processor has no layout of its own for weights in bfloat16")
    lab = make_lab(tmp_path, family, torch.bfloat16)
    alone = [list(Scheduler(lab.model).run(lab.axes, request)) for request in POOL]
    scheduler, found = Scheduler(lab.model), [list[Step]() for _ in POOL]
    here = [scheduler.run(lab.axes, request) for request in POOL]
    late = [True] * len(here)
    for turn in range(200):
        for place, steps in enumerate(here):
            if turn >= 2 * place and (step := next(steps, None)) is not None:
                found[place].append(step)
                late[place] &= scheduler.running > len(POOL[place].rows)
    assert any(late), "somebody was never alone"
    for request, ours, theirs in zip(POOL, found, alone, strict=True):
        assert tokens(ours) == tokens(theirs)
        free = {place for place, one in enumerate(request.rows) if not any(s.control for s in one.strengths)}
        assert numbers(ours, free) == numbers(theirs, free), "to the last bit"


def test_threads_take_steps_for_each_other(labs: Labs) -> None:
    lab, scheduler, tree = labs["llama"], Scheduler(labs["llama"].model), PrefixTree()
    whole = [expected(lab, request) for request in POOL]
    found: list[list[Step]] = [[] for _ in POOL]

    def client(place: int) -> None:
        found[place] += scheduler.run(lab.axes, POOL[place], tree if place % 2 else None)

    for _ in range(3):
        threads = [Thread(target=client, args=(place,)) for place in range(len(POOL))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [tokens(steps) for steps in found] == whole
        found = [[] for _ in POOL]
    assert scheduler.under_way == 0


# -- order -------------------------------------------------------------------------------------------------------------


class Log:
    """What the scheduler does: how many tokens of newcomers were read, or that the batch took a step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[Any] = []
        read, advance = module.read, RunningBatch.advance

        def logged_read(parts: Any, most: int) -> int:
            self.done.append(read(parts, most))
            return self.done[-1]

        def logged_advance(batch: RunningBatch) -> None:
            self.done.append("step")
            advance(batch)

        monkeypatch.setattr(module, "read", logged_read)
        monkeypatch.setattr(RunningBatch, "advance", logged_advance)

    def read_between(self) -> list[int]:
        """How many tokens of newcomers were read before, between and after the steps."""
        found = [0]
        for done in self.done:
            if done == "step":
                found.append(0)
            else:
                found[-1] += done
        return found


def started(scheduler: Scheduler, lab: Lab, request: Request, **more: Any) -> Steps:
    """A request whose rows run."""
    steps = scheduler.run(lab.axes, request, **more)
    while not any(isinstance(event, Token) for event in next(steps)):
        pass
    return steps


def of_prompts(count: int, new_tokens: int = 20) -> Request:
    """Some rows whose texts begin alike with the template's first words only."""
    return Request(rows=tuple(row(f"{n} {LONG}", at(0.5)) for n in range(count)), max_new_tokens=new_tokens)


def test_a_long_request_is_admitted_in_slices_with_steps_between(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, scheduler, request = labs["llama"], Scheduler(labs["llama"].model), of_prompts(16)
    short = started(scheduler, lab, POOL[5])
    log = Log(monkeypatch)
    with closing(started(scheduler, lab, request)) as sweep:
        while scheduler.running < 17:
            next(sweep)
        reads = [tokens for tokens in log.read_between() if tokens]
        assert len(reads) > 2, "slices"
        assert max(reads) < module._READ_BETWEEN + PIECE, "never more than 256 tokens and a piece"
    ids = rest(short)
    assert ids == expected(lab, POOL[5])[0][-len(ids) :]


def test_slices_of_one_alone_wait_for_no_step(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, log = labs["llama"], Log(monkeypatch)
    alone = tokens(list(Scheduler(lab.model).run(lab.axes, of_prompts(16, 4))))
    assert log.done[log.done.index("step") :] == ["step"] * 3
    scheduler = Scheduler(lab.model)
    with closing(started(scheduler, lab, POOL[5])):
        assert tokens(list(scheduler.run(lab.axes, of_prompts(16, 4)))) == alone


def test_who_come_together_are_read_in_one_pass(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    """What all begin with, the template's first words, is read before, once in each stream."""
    lab, scheduler, log = labs["llama"], Scheduler(labs["llama"].model), Log(monkeypatch)
    system = "Say it in a few plain words."
    asked = [
        Request(rows=(row(prompt, at(alpha), system=system),), max_new_tokens=6)
        for prompt, alpha in (("Hi.", 0.5), ("Hi.", 0.9), ("Why?", -0.5))
    ]
    here = [scheduler.run(lab.axes, request) for request in asked]
    for steps in here:
        next(steps)
    told = [events(steps) for steps in here]
    prompts = [lab.model.prompt_ids(request.rows[0].messages) for request in asked]
    opening = lab.model.opening(asked[0].rows[0].messages, prompts[0])
    assert opening >= LEAST_COMMON
    reads = [done for done in log.done if done != "step"]
    assert reads == [2 * opening, sum(2 * (len(prompt) - opening) for prompt in prompts)]
    for request, events_of in zip(asked, told, strict=True):
        assert tokens([events_of]) == expected(lab, request)


def test_a_long_prompt_holds_nobody_up(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read in pieces, with steps of those who run and the prompts of those who come later between them."""
    lab, scheduler = labs["llama"], Scheduler(labs["llama"].model)
    long = Request(rows=(row(f"{LONG} " * 8, at(0.7)),), max_new_tokens=4)
    length = len(lab.model.prompt_ids(long.rows[0].messages))
    assert length > 3 * PIECE
    first = started(scheduler, lab, POOL[5])
    log = Log(monkeypatch)
    later = scheduler.run(lab.axes, long)
    early = [next(later)]
    newcomer = scheduler.run(lab.axes, POOL[0])
    next(newcomer)
    while not any(isinstance(event, Token) for step in early for event in step):
        early.append(next(later))
    assert max(log.read_between()) < module._READ_BETWEEN + PIECE and log.done.count("step") >= 2
    assert tokens([*early, *later]) == expected(lab, long)
    assert rest(newcomer) == expected(lab, POOL[0])[0]
    ids = rest(first)
    assert ids == expected(lab, POOL[5])[0][-len(ids) :]


def test_a_newcomer_is_answered_before_the_next_step_of_the_others(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, scheduler = labs["llama"], Scheduler(labs["llama"].model)
    log = Log(monkeypatch)
    with closing(started(scheduler, lab, of_prompts(6))) as sweep:
        while "step" not in log.done:
            next(sweep)
        log.done.clear()
        with closing(started(scheduler, lab, POOL[0])):
            assert "step" not in log.done


def test_who_asks_for_much_is_admitted_no_sooner(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those who come at once the client with the fewest running rows is next, and then who came first."""
    lab, scheduler = labs["llama"], Scheduler(labs["llama"].model)
    with closing(started(scheduler, lab, of_prompts(2), client="many")) as first:
        while scheduler.running < 2:
            next(first)
        monkeypatch.setattr(module, "_READ_BETWEEN", 100)  # so that two are never read in one pass
        asked = ["many", "many", "one", "other", "many", "one"]
        here = [scheduler.run(lab.axes, of_prompts(1), client=name) for name in asked]
        for steps in here:
            assert isinstance(next(steps)[0], Started)
        order: dict[int, Any] = {}
        for _ in range(40):
            scheduler.core.step()
            order |= {id(live): live.client for live in scheduler.core.live[1:] if live.steps}
        assert list(order.values()) == ["one", "other", "one", "many", "many", "many"]
        for steps in here:
            steps.close()


def test_the_model_is_had_alone_in_the_order_of_asking() -> None:
    scheduler, order = Scheduler(None), []  # pyright: ignore[reportArgumentType]

    def client(name: str) -> None:
        with scheduler.alone():
            order.append(name)

    threads = [Thread(target=client, args=(name,)) for name in ("first", "second", "third")]
    with scheduler.alone():
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            while len(scheduler._line) < waiting:
                pass
        assert order == []
    for thread in threads:
        thread.join()
    assert order == ["first", "second", "third"]


def test_what_needs_more_memory_than_is_left_waits_and_is_told_its_place(labs: Labs) -> None:
    """In the order of arrival: who would fit does not overtake who does not."""
    lab = labs["llama"]
    length = len(lab.model.prompt_ids(POOL[5].rows[0].messages)) + POOL[5].max_new_tokens
    scheduler = Scheduler(lab.model, kv_budget=5 * (length + module._ROOM) * lab.model.kv_bytes)
    first = started(scheduler, lab, POOL[5])  # three streams, as the second has, and the third two
    second = scheduler.run(lab.axes, POOL[5])
    assert isinstance(next(second)[0], Started)
    next(first)
    third, fourth = scheduler.run(lab.axes, POOL[0]), scheduler.run(lab.axes, POOL[1])
    assert next(third) == [Waiting(1)] and next(fourth) == [Waiting(2)]
    assert scheduler.running == 1
    first.close()
    for request, steps in ((POOL[5], second), (POOL[0], third), (POOL[1], fourth)):
        told = list(steps)
        assert tokens(told) == expected(lab, request)
        assert steps is second or isinstance(told[0][0], Started)


@pytest.mark.parametrize("tree", [PrefixTree(), None], ids=["kept by the tree", "read anew"])
def test_when_running_rows_outgrow_the_memory_the_newest_waits(
    labs: Labs, monkeypatch: pytest.MonkeyPatch, tree: PrefixTree | None
) -> None:
    lab = labs["llama"]
    prompt = len(lab.model.prompt_ids(POOL[5].rows[0].messages))
    monkeypatch.setattr(module, "_ROOM", 0)
    scheduler = Scheduler(lab.model, kv_budget=5 * (prompt + 7) * lab.model.kv_bytes)
    first, second = started(scheduler, lab, POOL[5], tree=tree), started(scheduler, lab, POOL[0], tree=tree)
    seen, told = [scheduler.running], list[Step]()
    for step in first:
        told.append(step)
        seen.append(scheduler.running)
    assert seen[0] == 2 and seen[-2] == 1 and sorted(seen, reverse=True) == seen
    for request, ids in ((POOL[5], rest(told)), (POOL[0], rest(second))):
        assert ids == expected(lab, request)[0][-len(ids) :] and len(ids) > 8


def test_the_budget_is_a_share_of_what_is_free() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert kv_budget(2.0**30, cpu) == kv_budget(2.0**30, gpu) == 2**29
    assert kv_budget(2.0**36, cpu) == KV_BUDGET and kv_budget(2.0**36, gpu) == 2**35
    assert kv_budget(math.inf, cpu) == kv_budget(math.inf, gpu) == KV_BUDGET


def test_one_that_needs_more_than_the_budget_runs_alone(labs: Labs) -> None:
    lab, scheduler = labs["llama"], Scheduler(labs["llama"].model, kv_budget=1)
    with closing(started(scheduler, lab, POOL[0])):
        other = scheduler.run(lab.axes, POOL[3])
        for _ in range(5):
            next(other)
            assert scheduler.running <= 2
    assert tokens(list(scheduler.run(lab.axes, POOL[7]))) == expected(lab, POOL[7])


def test_two_on_one_text_are_read_once(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, scheduler, tree = labs["llama"], Scheduler(labs["llama"].model), PrefixTree()
    first = started(scheduler, lab, POOL[0], tree=tree)
    log = Log(monkeypatch)
    second = started(scheduler, lab, POOL[0], tree=tree)
    next(second)
    assert log.done == ["step"] and scheduler.running == 2
    (batch,) = scheduler.core.batches
    assert len(batch.streams.readings) == 2
    assert rest(first)[-4:] == rest(second)[-4:] == expected(lab, POOL[0])[0][-4:]


# -- faults ------------------------------------------------------------------------------------------------------------


class Broken(Exception):
    pass


def failing(lab: Lab, monkeypatch: pytest.MonkeyPatch, where: str, after: int) -> dict[str, Steering]:
    """The lab's axes, and one whose layer or value function fails from some call on."""
    layer, value = IdentityLayer(lab.model), lab.axes["random"].of(REControl)
    calls = Counter[str]()

    made, through = FusedCaches.__call__, FusedDecoder.through

    def failed(*arguments: Any) -> Any:
        calls[where] += 1
        if calls[where] > after:
            raise Broken
        return through(*arguments) if where == "layer" else None

    if where == "layer":
        monkeypatch.setattr(FusedCaches, "__call__", lambda caches: breaking(caches, made(caches)))

        def breaking(caches: FusedCaches, cache: FusedCache) -> FusedCache:
            if caches is layer.new_cache:
                cache.fused = copy(cache.fused)
                monkeypatch.setattr(cache.fused, "through", partial(failed, cache.fused))
            return cache

        return {**lab.axes, "broken": Steering((CLM(layer),))}

    class Fragile(REControl):
        def edit(self, hidden: torch.Tensor, strengths: Any) -> Edited:
            failed()
            return super().edit(hidden, strengths)

    fragile = Fragile(value.function, value.step_size, value.updates)
    return {**lab.axes, "broken": Steering((CLM(layer), fragile))}


@pytest.mark.parametrize("after", [0, 1, 4])
@pytest.mark.parametrize("where", ["layer", "value function"])
def test_a_request_that_raises_takes_nobody_with_it(
    labs: Labs, monkeypatch: pytest.MonkeyPatch, where: str, after: int
) -> None:
    lab = labs["llama"]
    scheduler, axes = Scheduler(lab.model), failing(lab, monkeypatch, where, after)
    requests = [POOL[0], POOL[4], replace_axis(POOL[3]), POOL[5]]
    here = [scheduler.run(axes, request) for request in requests]
    found: list[list[Step]] = [[] for _ in here]
    errors: list[Exception] = []
    for _ in range(60):
        for steps, told in zip(here, found, strict=True):
            try:
                told.extend([step] if (step := next(steps, None)) else [])
            except Broken as error:
                errors.append(error)
    assert len(errors) == 1, "told to whose it is, once"
    for place in (0, 1, 3):
        assert tokens(found[place]) == expected(lab, requests[place])
    assert (scheduler.under_way, scheduler.running) == (0, 0)


def replace_axis(request: Request) -> Request:
    """The same with the broken axis in place of the first."""
    rows = [
        one.model_copy(update={"strengths": tuple(s.model_copy(update={"axis": "broken"}) for s in one.strengths)})
        for one in request.rows
    ]
    return request.model_copy(update={"rows": tuple(rows)})


@pytest.mark.parametrize("family", ["llama", "gemma3_text"])
def test_a_step_that_fails_once_is_taken_again_from_the_texts(
    labs: Labs, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    lab, advance, calls = labs[family], Streams.advance, Counter[str]()

    def failing_once(streams: Streams, following: Any) -> Any:
        found = advance(streams, following)
        calls["all"] += 1
        if calls["all"] == 3:
            raise Broken
        return found

    scheduler = Scheduler(lab.model)
    here = [started(scheduler, lab, request) for request in (POOL[0], POOL[5])]
    monkeypatch.setattr(Streams, "advance", failing_once)
    told = [rest(steps) for steps in here]
    for request, ids in zip((POOL[0], POOL[5]), told, strict=True):
        assert ids == expected(lab, request)[0][-len(ids) :] and len(ids) > 4
    assert calls["all"] > 6


def test_of_those_in_a_step_that_fails_again_and_again_only_one_ends(
    labs: Labs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text can be read, so that only a step by itself tells whose fault it is."""
    lab, advance = labs["llama"], Streams.advance
    layer = IdentityLayer(lab.model)

    def failing_with_it(streams: Streams, following: Any) -> Any:
        if any((front := streams.fronts[stream]) and front.layer is layer for stream, _ in following):
            raise Broken
        return advance(streams, following)

    monkeypatch.setattr(Streams, "advance", failing_with_it)
    scheduler, axes = Scheduler(lab.model), {**lab.axes, "broken": Steering((CLM(layer),))}
    first, second = started(scheduler, lab, POOL[0]), scheduler.run(axes, replace_axis(POOL[1]))
    third = started(scheduler, lab, POOL[5])
    with pytest.raises(Broken):
        list(second)
    for request, steps in ((POOL[0], first), (POOL[5], third)):
        ids = rest(steps)
        assert ids == expected(lab, request)[0][-len(ids) :] and len(ids) > 4


def test_out_of_memory_sheds_the_newest(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, advance = labs["llama"], Streams.advance

    def scarce(streams: Streams, following: Any) -> Any:
        if len(following) > 5:
            raise torch.OutOfMemoryError("none left")
        return advance(streams, following)

    monkeypatch.setattr(Streams, "advance", scarce)
    scheduler = Scheduler(lab.model)
    first, second = started(scheduler, lab, POOL[0]), started(scheduler, lab, POOL[5])
    third = started(scheduler, lab, POOL[4])
    with pytest.raises(Busy, match="no memory left for this request"):
        list(third)
    for request, steps in ((POOL[0], first), (POOL[5], second)):
        ids = rest(steps)
        assert ids == expected(lab, request)[0][-len(ids) :] and len(ids) > 4


def test_out_of_memory_as_batches_join_again_sheds_the_newest(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a step that failed each goes on by itself, and then they join."""
    lab, scheduler = labs["llama"], Scheduler(labs["llama"].model)
    first, second = started(scheduler, lab, POOL[0]), started(scheduler, lab, POOL[5])
    failing = Counter[str]()

    def once(name: str, error: Exception) -> Any:
        works = getattr(Streams, name)

        def fails(*given: Any) -> Any:
            failing[name] += 1
            if failing[name] == 1:
                raise error
            return works(*given)

        return fails

    for name, error in (("advance", Broken()), ("join", torch.OutOfMemoryError("none left"))):
        monkeypatch.setattr(Streams, name, once(name, error))
    ids = rest(first)
    assert ids == expected(lab, POOL[0])[0][-len(ids) :] and len(ids) > 4
    with pytest.raises(Busy, match="no memory left for this request"):
        list(second)
    assert failing["join"] and (scheduler.under_way, scheduler.running) == (0, 0)


def test_out_of_memory_for_what_is_kept_for_later_ends_nobody(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    lab, scheduler, asked = labs["llama"], Scheduler(labs["llama"].model), Counter[str]()

    def scarce(*_: object) -> None:
        asked["take"] += 1
        raise torch.OutOfMemoryError("none left")

    monkeypatch.setattr(Streams, "take", scarce)
    first, second = started(scheduler, lab, POOL[0]), scheduler.run(lab.axes, POOL[4], PrefixTree())
    assert tokens(second) == expected(lab, POOL[4])
    ids = rest(first)
    assert ids == expected(lab, POOL[0])[0][-len(ids) :] and asked["take"]


@pytest.mark.parametrize("when", ["advance", "choose"])
def test_who_is_interrupted_leaves_the_others_as_they_were(
    labs: Labs, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    lab, scheduler = labs["llama"], Scheduler(labs["llama"].model)
    first, second = started(scheduler, lab, POOL[0]), started(scheduler, lab, POOL[5])

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*((Streams, "advance") if when == "advance" else (module, "choose")), interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(second)
    assert scheduler.under_way == 1
    ids = rest(first)
    assert ids == expected(lab, POOL[0])[0][-len(ids) :] and len(ids) > 6


def test_one_who_waits_is_served_though_the_one_who_steps_is_slow_to_return(labs: Labs) -> None:
    """A thread that holds its generator and asks for nothing holds up nobody."""
    lab, scheduler, done = labs["llama"], Scheduler(labs["llama"].model), Event()
    paused = started(scheduler, lab, POOL[5])
    found: list[Step] = []

    def client() -> None:
        found.extend(scheduler.run(lab.axes, POOL[0]))
        done.set()

    thread = Thread(target=client)
    thread.start()
    thread.join()
    assert done.is_set() and tokens(found) == expected(lab, POOL[0])
    ids = rest(paused)
    assert ids == expected(lab, POOL[5])[0][-len(ids) :]


def test_families_whose_caches_cannot_join_take_turns(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = labs["gpt_neox"]
    monkeypatch.setattr(StockCache, "joins", False)
    scheduler = Scheduler(lab.model)
    here = [started(scheduler, lab, request) for request in (POOL[0], POOL[5], POOL[3])]
    assert len(scheduler.core.batches) == 3
    steps_of = [len(list(steps)) for steps in here]
    assert max(steps_of) <= 14
    monkeypatch.undo()
    monkeypatch.setattr(StockCache, "joins", False)
    crowd(lab, 12, seed=3)


def test_what_cannot_be_run_leaves_nothing_behind(labs: Labs) -> None:
    lab, scheduler = labs["llama"], Scheduler(labs["llama"].model)
    with pytest.raises(InvalidInput):
        next(scheduler.run(lab.axes, Request(rows=(row("☃" * 600),))))
    assert scheduler.under_way == 0 and not scheduler.core._owner
    list(scheduler.run(lab.axes, POOL[0]))
    assert not scheduler.core._owner


@pytest.mark.parametrize("budget", [KV_BUDGET, None], ids=["room for all", "room for one"])
@pytest.mark.parametrize("words", [100, 130, 180])
def test_those_who_come_together_with_one_long_text_are_all_answered(
    labs: dict[str, Lab], monkeypatch: pytest.MonkeyPatch, words: int, budget: int | None
) -> None:
    """Whose text is half read gives way to nobody, and goes on where a newcomer finds no room."""
    lab = labs["llama"]
    monkeypatch.setattr(lab.model.decoder.config, "max_position_embeddings", 8192)
    system = " ".join(f"w{number}" for number in range(words))
    asked = [row(f"Question {number}", system=system) for number in range(3)]
    one = max(len(lab.model.prompt_ids(each.messages)) for each in asked)
    live = [LiveRequest(lab.model, lab.axes, Request(rows=(each,), max_new_tokens=4), client=each) for each in asked]
    core = module.Core(lab.model, budget or 3 * one // 2 * lab.model.kv_bytes)
    for each in live:
        core.add(each)
    for _ in range(1000):
        core.step()
    assert all(each.over and each.error is None for each in live)
