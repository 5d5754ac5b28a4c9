"""All replies along a stretch of alpha: each holds inside its interval, another just outside, and none is missed."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from playground.cli.main import app
from playground.engine.loading import load_model
from playground.errors import InvalidInput
from playground.events import Finished, Spectrum, from_json, to_json
from playground.measure.spectrum import SpectrumPlan, spectrum
from playground.player import Player
from playground.settings import Request, Row, Sampling, Strength, conversation
from playground.sources import build_tiny
from tests.tiny_axis import make_tiny_axis

PROMPT = "How was it?"
NEW_TOKENS = 5


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    model = build_tiny(tmp_path_factory.mktemp("model"), "llama")
    return model, make_tiny_axis(tmp_path_factory.mktemp("axis"), model)


@pytest.fixture(scope="module")
def player(folders: tuple[Path, Path]) -> Player:
    model, axis = folders
    player = Player(load_model(model))
    player.axis(str(axis))
    return player


def stretch(**more: object) -> SpectrumPlan:
    given = {
        "messages": conversation(PROMPT),
        "axis": "cheer",
        "resolution": 0.05,
        "max_new_tokens": NEW_TOKENS,
        **more,
    }
    return SpectrumPlan(**given)


def find(player: Player, asked: SpectrumPlan) -> tuple[list[Finished], Spectrum]:
    *replies, last = spectrum(player, asked)
    assert isinstance(last, Spectrum)
    return [reply for reply in replies if isinstance(reply, Finished)], last


def say(player: Player, alphas: list[float], asked: SpectrumPlan) -> list[Finished]:
    """Replies from scratch, by a player that remembers nothing."""
    rows = tuple(
        Row(messages=asked.messages, strengths=(Strength(axis=asked.axis, alpha=alpha),), seed=asked.seed)
        for alpha in alphas
    )
    request = Request(rows=rows, sampling=Sampling(temperature=asked.temperature), max_new_tokens=asked.max_new_tokens)
    events = Player(player.model, player.axes).run(request)
    return sorted((event for event in events if isinstance(event, Finished)), key=lambda end: end.row)


@pytest.mark.parametrize("more", [{}, {"temperature": 0.9, "seed": 3}], ids=["greedy", "coupled sampling"])
def test_replies_hold_in_their_intervals_and_change_just_outside(player: Player, more: dict) -> None:
    asked = stretch(**more)
    replies, found = find(player, asked)
    assert len(replies) > 3 and not found.gaps
    slack = 1e-4
    for reply in replies:
        low, high = reply.alpha_interval or (None, None)
        inside = [low + slack if low is not None else -50.0, reply.at.alpha, high - slack if high is not None else 50.0]
        outside = [end for end in (low and low - slack, high and high + slack) if end is not None]
        if inside[0] < inside[2]:
            assert {end.token_ids for end in say(player, inside, asked)} == {reply.token_ids}
        assert all(end.token_ids != reply.token_ids for end in say(player, outside, asked))


def test_no_reply_wider_than_the_resolution_is_missed(player: Player) -> None:
    asked = stretch()
    replies, found = find(player, asked)
    known = {reply.token_ids for reply in replies}
    alphas = [found.low + (found.high - found.low) * step / 100 for step in range(101)]
    for end in say(player, alphas, asked):
        low, high = end.alpha_interval or (None, None)
        inside = min(found.high, found.high if high is None else high) - max(
            found.low, found.low if low is None else low
        )
        assert end.token_ids in known or inside < asked.resolution


def test_the_order_and_the_breakpoints_are_those_of_alpha(player: Player) -> None:
    replies, found = find(player, stretch())
    assert sorted(found.rows) == list(range(len(replies)))
    assert len(found.breakpoints) == len(replies) - 1
    for (left, right), at in zip(pairwise(found.rows), found.breakpoints, strict=True):
        assert replies[left].at.alpha < at < replies[right].at.alpha
        assert (replies[left].alpha_interval or (0, 0))[1] == pytest.approx(at)
        assert (replies[right].alpha_interval or (0, 0))[0] == pytest.approx(at, abs=found.resolution)
        assert replies[left].token_ids != replies[right].token_ids


def test_a_change_at_a_breakpoint_leads_to_the_next_reply(player: Player) -> None:
    replies, found = find(player, stretch(low=0.0, high=0.5, resolution=1e-4))
    for left, right in pairwise(found.rows):
        change = (replies[left].changes or (None, None))[1]
        assert change is not None
        after = replies[right].token_ids
        assert after[: change.position] == replies[left].token_ids[: change.position]
        assert after[change.position] == change.new_id


def test_the_budget_bounds_what_is_decoded_and_gaps_are_told(player: Player) -> None:
    whole, all_of_it = find(player, stretch())
    budget = all_of_it.decoded_tokens // 2
    replies, found = find(player, stretch(budget=budget))
    assert 0 < found.decoded_tokens <= budget
    assert 0 < len(replies) < len(whole)
    assert found.gaps and all(high - low >= found.resolution for low, high in found.gaps)
    known = {reply.token_ids for reply in replies}
    assert known <= {reply.token_ids for reply in whole}
    for low, high in found.gaps:
        assert all(end.token_ids not in known for end in say(player, [(low + high) / 2], stretch()))


def test_decoded_tokens_are_the_distinct_prefixes(player: Player) -> None:
    replies, found = find(player, stretch())
    prefixes = {reply.token_ids[:length] for reply in replies for length in range(1, NEW_TOKENS + 1)}
    assert found.decoded_tokens == len(prefixes)


def test_replies_come_as_they_are_found(player: Player) -> None:
    events = spectrum(player, stretch())
    first = next(events)
    assert isinstance(first, Finished) and first.reward is not None
    assert player.scheduler.under_way == 1
    events.close()
    assert player.scheduler.under_way == 0


def test_what_makes_no_stretch_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot run from 2 to -1"):
        stretch(low=2, high=-1)
    with pytest.raises(InvalidInput, match="not enough for one reply"):
        stretch(budget=3)
    with pytest.raises(InvalidInput, match="resolution"):
        stretch(resolution=0)


def test_the_command_prints_events_or_text(folders: tuple[Path, Path]) -> None:
    model, axis = folders
    asked = ["spectrum", PROMPT, "--axis", str(axis), "--model", str(model), "--max-new-tokens", "4", "--from", "-0.5"]
    lines = CliRunner().invoke(app, [*asked, "--json"], catch_exceptions=False).stdout.splitlines()
    events = [from_json(line) for line in lines]
    assert [to_json(event) for event in events] == lines
    last = json.loads(lines[-1])
    assert last["event"] == "spectrum" and last["low"] == -0.5 and len(last["rows"]) == len(lines) - 1
    assert {"position", "old", "new", "old_id", "new_id"} <= set(json.loads(lines[0])["changes"][1])
    ran = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert ran.stderr.startswith("Looking for every reply for alpha from -0.5 to 2.\n")
    text = ran.stdout
    assert f"{len(last['rows'])} replies for alpha from -0.5 to 2" in text and "becomes" in text
