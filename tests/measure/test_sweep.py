"""Measured grids: what is asked is checked, what is measured is right, and a kill at any byte loses nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from playground import metrics
from playground.cards import Card, Judge
from playground.engine.loading import load_model
from playground.errors import InvalidInput
from playground.events import Finished, Progress, exhaust
from playground.measure import plan as plans
from playground.measure import report
from playground.measure import sweep as module
from playground.measure.local import LocalMeasurer
from playground.measure.plan import SweepPlan, parse_grid
from playground.measure.sweep import PLAN, STORE, PointMeasured, Sweep, sweep
from playground.player import Player
from playground.settings import Request, Row, Sampling, Strength, conversation
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis

PROMPTS = ("Tell me about rain.", "What is a bridge?", "Who are you?")


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory, tiny_folder: FolderOf) -> Player:
    """A tiny model with an axis that brevity judges."""
    folder = make_tiny_axis(tmp_path_factory.mktemp("axes") / "cheer", tiny_folder("llama"))
    judge = Judge(kind="length", agreement=1.0, pairs=9)
    Card.load(folder).model_copy(update={"judge": judge}).save(folder)
    player = Player(load_model(tiny_folder("llama")))
    player.axis(str(folder))
    return player


def plan(**changes: Any) -> SweepPlan:
    asked = {"axis": "cheer", "alphas": (0.0, 1.0), "prompts": PROMPTS, "seeds": 2, "max_new_tokens": 6, **changes}
    return SweepPlan(**asked)


def finish(player: Player, what: SweepPlan, out: Path | None = None) -> tuple[list[Progress | PointMeasured], Sweep]:
    told: list[Progress | PointMeasured] = []
    return told, exhaust(sweep(LocalMeasurer(player), what, out), told.append)


# --- what is asked --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-1:2:0.5", (-1, -0.5, 0, 0.5, 1, 1.5, 2)),
        ("0:1:0.1", tuple(round(step / 10, 9) for step in range(11))),
        ("0.3", (0.3,)),
        ("0, 0.5,2:3:1", (0, 0.5, 2, 3)),
        ("1:1:1", (1,)),
        ("0:1:0.4", (0, 0.4, 0.8)),
        ("0,5", (0, 5)),
        ("1e-12", (1e-12,)),
        (",".join(["0"] * 1000), (0,) * 1000),
    ],
)
def test_a_grid_holds_both_ends(text: str, expected: tuple[float, ...]) -> None:
    assert parse_grid(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "1:2",
        "0:1:0",
        "0:1:-1",
        "2:1:0.5",
        "nan",
        "0:inf:1",
        "0:1:1e-9",
        "1,,2",
        "::",
        "1:2:3:4",
        "0:1e308:1e-308",
        "-1e308:1e308:1",
        "0:999:1,0",
        "0:600:1,0:600:1",
        ",".join(["0"] * 1001),
        "0," * 400_000,
        "9" * 100_000,
        ":" * 100_000,
    ],
)
def test_a_bad_grid_is_told(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_grid(text)
    assert caught.value.hint and len(str(caught.value)) < 300


class Built(Exception):
    """Something was built from an input that has to be refused by its size."""


def no(*_: Any, **__: Any) -> Any:
    raise Built


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"alphas": tuple(range(999)), "controls": tuple(range(999))}, "998001 strengths"),
        ({"alphas": tuple(range(-600, 401))}, "at most 1000"),
        ({"seeds": 10**9}, "6000000000 replies"),
        ({"seeds": 10**400}, r"0 \.\.\. replies"),
        ({"prompts": tuple(map(str, range(600_000)))}, "replies are more"),
    ],
)
def test_too_much_is_refused_by_its_counts_alone(
    changes: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Row", "Strength", "conversation"):
        monkeypatch.setattr(plans, name, no)
    with pytest.raises(InvalidInput, match=told):
        plan(**changes)


@pytest.mark.parametrize(
    ("alphas", "controls"),
    [((0.0,), (0.0,)), ((1.0, 2.0), (0.0,)), ((0.0, 1.0), (0.5, 1.0)), ((-1.0, 0.0), (0.0, 1.0))],
)
def test_strengths_are_counted_as_they_are_built(alphas: tuple[float, ...], controls: tuple[float, ...]) -> None:
    what = plan(alphas=alphas, controls=controls)
    assert plans.count_strengths({"alpha": alphas, "control": controls}) == len(what.strengths())
    assert what.replies() == sum(map(len, what.batches()))


def test_the_strengths_that_were_read_are_told_in_words() -> None:
    told = plan(alphas=parse_grid("0,5")).in_words()
    assert told == "alpha 0, 5; control 0: 2 strengths × 3 prompts × 2 seeds = 12 replies"
    told = plan(alphas=parse_grid("1,0,1"), controls=parse_grid("-1:1:0.5"), seeds=1).in_words()
    assert told == "alpha 0, 1; control -1, -0.5, 0, 0.5, 1: 10 strengths × 3 prompts = 30 replies"
    assert "alpha 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …, 998;" in plan(alphas=parse_grid("0:998:1")).in_words()


@given(st.integers(-20, 20), st.integers(0, 40), st.sampled_from([0.05, 0.1, 0.25, 0.3]))
def test_a_grid_climbs_in_equal_steps_and_loses_no_end(start: int, steps: int, step: float) -> None:
    found = parse_grid(f"{start}:{start + steps * step}:{step}")
    assert len(found) == steps + 1
    assert found[-1] == pytest.approx(start + steps * step)


@pytest.mark.parametrize(
    "changes",
    [
        {"prompts": ()}, {"prompts": ("  ",)}, {"alphas": ()}, {"alphas": (float("nan"),)}, {"alphas": (1e9,)},
        {"seeds": 0}, {"seeds": 2, "temperature": 0}, {"temperature": -1}, {"max_new_tokens": 0}, {"batch": 0},
        {"axis": ""}, {"alphas": tuple(range(-600, 600))}, {"updates": -1}, {"step_size": -1.0},
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_told(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        plan(**changes)


def test_the_base_is_always_measured_and_prompts_stay_whole() -> None:
    what = plan(alphas=(1.0, -1.0, 1.0, -0.0), controls=(1.0, 0.0), batch=13)
    assert [(s.alpha, s.control) for s in what.strengths()] == [(0, 0), (-1, 0), (-1, 1), (0, 1), (1, 0), (1, 1)]
    batches = list(what.batches())
    assert list(what.batches(1)) == batches[1:] and list(what.batches(3)) == []
    assert [len(batch) for batch in batches] == [12, 12, 12]
    for batch in batches:
        whole = {(row.messages, row.seed): 0 for row in batch}
        for row in batch:
            whole[row.messages, row.seed] += 1
        assert set(whole.values()) == {6}
    seeds = {(row.messages, row.seed) for batch in batches for row in batch}
    assert len({seed for _, seed in seeds}) == len(seeds) == 6, "each prompt and seed has noise of its own"


def watched(player: Player, asked: list[int]) -> Any:
    """The scheduler's `run`, which notes how many rows each request has."""
    real = player.scheduler.run

    def run(axes: Any, request: Request, **more: Any) -> Any:
        asked.append(len(request.rows))
        return real(axes, request, **more)

    return run


def test_no_request_is_larger_than_a_batch_and_the_replies_are_the_same(
    player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(player.scheduler, "run", watched(player, asked))
    alphas = tuple(n / 4 for n in range(20))
    _, whole = finish(player, plan(alphas=alphas, seeds=1))
    _, parts = finish(player, plan(alphas=alphas, seeds=1, batch=8))
    assert asked == [60] + [8, 8, 4] * 3
    assert [one.reply.text for one in parts.replies] == [one.reply.text for one in whole.replies]
    assert [p.metrics["win_rate"] for p in parts.points] == [p.metrics["win_rate"] for p in whole.points]


def test_a_prompt_beyond_the_context_is_named_before_any_work(player: Player) -> None:
    with pytest.raises(InvalidInput, match="Prompt 2 is"):
        next(sweep(LocalMeasurer(player), plan(prompts=("Hi.", "so long " * 900))))


# --- what is measured -----------------------------------------------------------------------------------------------


def test_a_point_is_the_mean_of_its_own_replies(player: Player) -> None:
    _, found = finish(player, plan(alphas=(-1.0, 2.0)))
    assert [(p.alpha, p.control) for p in found.points] == [(-1, 0), (0, 0), (2, 0)]
    axis = player.axis("cheer")
    for point in found.points:
        rows = [one for one in found.replies if one.reply.at.alpha == point.alpha]
        assert len(rows) == len(PROMPTS) * 2
        rewards = [one.reply.reward or 0.0 for one in rows]
        assert point.metrics["reward"].mean == pytest.approx(sum(rewards) / len(rewards))
        asked = [conversation(PROMPTS[one.reading.prompt]) for one in rows]
        again = axis.reward(asked, [one.reply.text for one in rows]).tolist()
        assert rewards == pytest.approx(again, abs=1e-4)
        words = [-len(one.reply.text.split()) for one in rows]
        assert [one.reading.numbers["judge"] for one in rows] == words
    base = next(point for point in found.points if point.alpha == 0)
    assert base.metrics["win_rate"].mean == 0.5
    assert base.metrics["kl"].mean == 0.0


def test_its_replies_are_those_the_player_gives(player: Player) -> None:
    what = plan(alphas=(1.0,), controls=(0.0, 1.0))
    _, found = finish(player, what)
    for one in (found.replies[1], found.replies[-1]):
        strength = Strength(axis="cheer", alpha=one.reply.at.alpha, control=one.reply.at.control)
        row = Row(messages=conversation(PROMPTS[one.reading.prompt]), strengths=(strength,), seed=one.reply.seed)
        request = Request(rows=(row,), sampling=Sampling(temperature=0.7), max_new_tokens=6)
        (alone,) = [event for event in player.run(request) if isinstance(event, Finished)]
        assert alone.text == one.reply.text


def test_wins_are_counted_against_the_base_with_the_same_noise(player: Player) -> None:
    _, found = finish(player, plan(alphas=(2.0,)))
    length = {
        (one.reading.prompt, one.reply.seed, one.reply.at.alpha): len(one.reply.text.split()) for one in found.replies
    }
    for one in found.replies:
        ours = length[one.reading.prompt, one.reply.seed, one.reply.at.alpha]
        theirs = length[one.reading.prompt, one.reply.seed, 0.0]
        assert one.reading.numbers["win_rate"] == (1.0 if ours < theirs else 0.5 if ours == theirs else 0.0)


def test_points_grow_while_it_runs_and_end_as_the_whole(player: Player) -> None:
    told, found = finish(player, plan(batch=4))
    points = [event for event in told if isinstance(event, PointMeasured)]
    assert sorted({event.prompts for event in points}) == [1, 2, 3]
    assert [event.point for event in points[-2:]] == list(found.points)
    done = [event.done for event in told if isinstance(event, Progress)]
    assert done == sorted(done) and done[-1] == 12
    assert [event for event in told if isinstance(event, Progress)][-1].rate is not None


def test_without_a_judge_there_are_no_wins(player: Player, tmp_path: Path, tiny_folder: FolderOf) -> None:
    folder = make_tiny_axis(tmp_path / "other", tiny_folder("llama"), name="other")
    _, found = finish(player, plan(axis=str(folder), seeds=1))
    assert {"reward", "kl"} <= set(found.points[0].metrics)
    assert not {"judge", "win_rate"} & set(found.points[0].metrics)


# --- the folder -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 1, 700, 2500])
def test_a_killed_sweep_goes_on_measures_nothing_twice_and_ends_the_same(
    player: Player, tmp_path: Path, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = plan(batch=4)
    _, unbroken = finish(player, what, tmp_path / "unbroken")
    steps = sweep(LocalMeasurer(player), what, tmp_path / "killed")
    while not isinstance(event := next(steps), Progress) or event.done < 8:
        pass
    steps.close()
    store = tmp_path / "killed" / STORE
    content = store.read_bytes()
    assert content.count(b"\n") == 2
    store.write_bytes(content[: len(content) - cut])
    kept = content[: len(content) - cut].count(b"\n")
    asked: list[int] = []
    monkeypatch.setattr(player.scheduler, "run", watched(player, asked))
    _, resumed = finish(player, what, tmp_path / "killed")
    assert asked == [4, 4, 4][kept:]
    assert resumed == unbroken
    asked.clear()
    assert finish(player, what, tmp_path / "killed")[1] == unbroken
    assert asked == [], "a finished sweep is read, not measured"


def test_a_folder_of_something_else_is_refused(player: Player, tmp_path: Path) -> None:
    finish(player, plan(), tmp_path / "a")
    with pytest.raises(InvalidInput, match="another sweep"):
        next(sweep(LocalMeasurer(player), plan(seed=1), tmp_path / "a"))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("precious")
    with pytest.raises(InvalidInput, match="not empty"):
        next(sweep(LocalMeasurer(player), plan(), tmp_path / "b"))
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InvalidInput, match="cannot be used"):
            next(sweep(LocalMeasurer(player), plan(), out))


@pytest.mark.parametrize("raw", [b"{", b"[]", b"", b"\xff", b"[" * 9999])
def test_a_damaged_record_of_a_sweep_is_named_with_the_fix(player: Player, tmp_path: Path, raw: bytes) -> None:
    finish(player, plan(), tmp_path / "a")
    (tmp_path / "a" / PLAN).write_bytes(raw)
    with pytest.raises(InvalidInput, match=r"sweep\.json is damaged") as told:
        next(sweep(LocalMeasurer(player), plan(), tmp_path / "a"))
    assert told.value.hint


@pytest.mark.parametrize(
    "line", [b"{", b"5", b"\xff", b"[1]", b'[{"reply": 1}]', b"[" * 9999, b'[{"reply": {"event": "x"}}]']
)
def test_a_damaged_reply_of_a_sweep_is_named_with_the_fix(player: Player, tmp_path: Path, line: bytes) -> None:
    finish(player, plan(), tmp_path / "a")
    store = tmp_path / "a" / STORE
    store.write_bytes(line + b"\n" + store.read_bytes())
    for read in (
        lambda: next(sweep(LocalMeasurer(player), plan(), tmp_path / "a")),
        lambda: module.replies_in(tmp_path / "a"),
    ):
        with pytest.raises(InvalidInput, match=r"replies\.jsonl is damaged: line 1") as told:
            read()
        assert told.value.hint


def test_line_separators_inside_a_reply_are_no_line_ends(player: Player, tmp_path: Path) -> None:
    _, found = finish(player, plan(), tmp_path / "a")
    store = tmp_path / "a" / STORE
    text = store.read_text(encoding="utf-8").replace('"text": "', '"text": "\u2028\x85\u2029', 1)
    store.write_text(text, encoding="utf-8")
    assert len(finish(player, plan(), tmp_path / "a")[1].replies) == len(found.replies)
    assert module.replies_in(tmp_path / "a")[0].reply.text.startswith("\u2028\x85\u2029")


def test_two_at_once_in_one_folder_are_refused(player: Player, tmp_path: Path) -> None:
    first = sweep(LocalMeasurer(player), plan(), tmp_path / "a")
    next(first)
    with pytest.raises(InvalidInput, match="Another process"):
        next(sweep(LocalMeasurer(player), plan(), tmp_path / "a"))
    first.close()
    next(sweep(LocalMeasurer(player), plan(), tmp_path / "a"))


def test_tables_and_summary_hold_all_that_was_measured(player: Player, tmp_path: Path) -> None:
    what = plan(alphas=(-1.0, 0.0, 1.0))
    _, found = finish(player, what, tmp_path / "a")
    summary = report.write(found, tmp_path / "a", "tiny", "playground sweep and so on")
    assert json.loads((tmp_path / "a" / report.SUMMARY).read_text()) == summary
    replies = parquet.read_table(tmp_path / "a" / report.REPLIES)
    assert replies.num_rows == len(found.replies) == 3 * 3 * 2
    first = replies.to_pylist()[0]
    assert first["prompt_text"] == PROMPTS[0] and first["text"] == found.replies[0].reply.text
    assert {"reward", "judge", "win_rate", "kl", "perplexity", "diversity", "length", "seed", "token_ids"} <= set(first)
    points = parquet.read_table(tmp_path / "a" / report.POINTS)
    assert points.schema.metadata[b"command"] == b"playground sweep and so on"
    for record, point in zip(points.to_pylist(), found.points, strict=True):
        assert (record["alpha"], record["control"]) == (point.alpha, point.control)
        assert record["kl_low"] <= record["kl_mean"] == point.metrics["kl"].mean <= record["kl_high"]
    assert summary["spearman"] == metrics.correlations(found.points)
    (line,) = summary["spearman"]
    assert (line["along"], line["control"], line["from"], line["to"]) == ("alpha", 0.0, -1.0, 1.0)
    assert not list((tmp_path / "a").glob("*.part"))
