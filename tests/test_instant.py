"""Instant axes at a player: calibrated, kept, and used like any other."""

import shlex
from pathlib import Path

import pytest
import torch

from playground import calibration, descriptions, places
from playground.cards import Card
from playground.descriptions import Described
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.engine.methods import PromptContrast, SteeringVector
from playground.errors import AxisMismatch, InvalidInput
from playground.events import Finished, Progress, Waiting, exhaust
from playground.measure.local import LocalMeasurer
from playground.measure.plan import SweepPlan
from playground.measure.spectrum import SpectrumPlan, spectrum
from playground.measure.sweep import BatchRequest, sweep
from playground.player import Player
from playground.presets import Preset, parse, to_toml
from playground.rewards.implicit import ImplicitReward
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.settings import Request, Row, Strength, conversation
from playground.ui import share
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis

PIRATE, NURSE = "a swashbuckling pirate | a dull accountant", "a kind nurse | a dull accountant"


@pytest.fixture(scope="module")
def model(tiny_folder: FolderOf) -> LanguageModel:
    found = load_model(tiny_folder("llama"))
    found.stop_ids = frozenset()
    return found


@pytest.fixture
def player(model: LanguageModel, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Player:
    monkeypatch.setattr(calibration, "PROMPTS", calibration.PROMPTS[:3])
    monkeypatch.setattr(calibration, "TOKENS", 10)
    assert own_cache.is_relative_to(places.cache_directory())
    return Player(model)


def asked(*axes: str, alpha: float = 1.0, control: float = 0.0, merge: str = "logits") -> Request:
    rows = [
        Row(
            messages=conversation("How was it?"),
            strengths=(Strength(axis=axis, alpha=alpha, control=control, merge=merge),),  # pyright: ignore
        )
        for axis in axes
    ]
    return Request(rows=tuple(rows), max_new_tokens=10)


def ends(player: Player, request: Request) -> list[Finished]:
    found = [event for event in player.run(request) if isinstance(event, Finished)]
    return sorted(found, key=lambda end: end.row)


def test_it_is_calibrated_to_cost_what_trained_axes_cost(player: Player) -> None:
    told: list[Progress] = []
    described = descriptions.named(PIRATE)
    assert described is not None
    axis = exhaust(player.instant(described), told.append)
    assert told[-1].done == told[-1].total and [one.done for one in told] == sorted(one.done for one in told)
    curve = {point.at: point.metrics for point in axis.card.curve}
    at_one = {point.leading: point.metrics["kl"].mean for point in axis.card.curve if abs(point.leading) == 1}
    assert len(curve) == 9 and curve[Strength(axis="x").at]["kl"].mean < 1e-6
    assert all(0.02 < kl < 1.0 for kl in at_one.values()), "a tiny model's replies are few and odd"
    base = curve[Strength(axis="x").at]["reward"]
    assert base.mean == pytest.approx(0, abs=1e-4), "rewards are standardised over the base's own replies"
    ahead, back = (curve[Strength(axis="x", alpha=alpha).at]["reward"].mean for alpha in (1.0, -1.0))
    assert back < 0 < ahead
    assert axis.card.calibration.step_size == pytest.approx(float(axis.steering.of(SteeringVector).vector.norm()))


def test_the_reward_is_how_much_likelier_the_reply_is(player: Player) -> None:
    """The stock model, read by itself under either description."""
    axis = player.axis(PIRATE)
    contrast = axis.card.contrast
    assert contrast is not None and isinstance(axis.reward, ImplicitReward)
    prompt, reply = conversation("Hi.", "Be brief."), "Well, this is it."
    written = player.model.reply_ids(reply, ends=False)
    sums: list[float] = []
    for description in (contrast.positive, contrast.negative):
        ids = player.model.prompt_ids(conversation("Hi.", f"Be brief.\n\nYou are {description}."))
        with torch.no_grad():
            logits = player.model.model(torch.tensor([[*ids, *written]])).logits[0].float().log_softmax(-1)
        sums.append(sum(float(logits[len(ids) - 1 + at, token]) for at, token in enumerate(written)))
    wanted = ((sums[0] - sums[1]) / len(written) - contrast.zero) / contrast.unit
    assert float(axis.reward([prompt], [reply])[0]) == pytest.approx(wanted, abs=1e-3)


def test_what_was_calibrated_is_kept_by_what_it_says(player: Player, model: LanguageModel) -> None:
    first = player.axis(PIRATE)
    again = Player(model)
    described = Described(
        name="arr", **descriptions.of(*PIRATE.split(" | ")).model_dump(include={"positive", "negative"})
    )
    told: list[Progress] = []
    found = exhaust(again.instant(described), told.append)
    assert not told and found.card.name == "arr"
    assert found.card.parts == again.axis(PIRATE).card.parts != player.axis(NURSE).card.parts
    assert ends(again, asked(PIRATE)) == ends(player, asked(PIRATE))
    assert torch.equal(found.steering.of(SteeringVector).vector, first.steering.of(SteeringVector).vector)


def test_a_damaged_calibration_is_made_anew(player: Player, model: LanguageModel) -> None:
    first = player.axis(PIRATE)
    (folder,) = (places.cache_directory() / "instant").iterdir()
    (folder / SteeringVector.file).write_bytes(b"nothing")
    again = Player(model).axis(PIRATE)
    assert again.card.contrast == first.card.contrast
    assert Card.load(folder) == again.card


def test_where_nothing_can_be_kept_it_steers_as_well(model: LanguageModel, player: Player, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    unkept = Player(model, calibrations=tmp_path / "file" / "instant")
    assert ends(unkept, asked(PIRATE)) == ends(player, asked(PIRATE))


def test_a_shell_reads_the_command_of_a_card_as_it_was_meant(player: Player) -> None:
    positive = 'a "loud" clown, who pays $HOME and `whoami`'
    card = player.axis(f"{positive} | a clerk").card
    assert shlex.split(card.command)[3:] == ["--positive", positive, "--negative", "a clerk"]


def test_a_dot_makes_no_difference(player: Player) -> None:
    with pytest.raises(InvalidInput, match="alike"):
        player.axis("a pirate | a pirate.")


def test_nothing_is_kept_of_what_is_to_be_forgotten(
    player: Player, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of an axis that is made anew by a request, since it was not held ready any more."""
    forgetful = Player(model, keep=False)
    monkeypatch.setattr("playground.player.MOST_NAMED", 1)
    exhaust(forgetful.prepare([PIRATE, NURSE]))
    assert not forgetful.ready(PIRATE) and len(ends(forgetful, asked(PIRATE))) == 1
    assert not (places.cache_directory() / "instant").exists()
    assert forgetful.axis(PIRATE).card.files == {} and PIRATE not in forgetful.axes


def test_alike_descriptions_are_refused(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player.model, "described_as", lambda messages, description: messages)
    with pytest.raises(InvalidInput, match="alike"):
        player.axis(PIRATE)


def test_people_with_other_descriptions_do_not_meet(player: Player) -> None:
    alone = [ends(player, asked(name)) for name in (PIRATE, NURSE)]
    assert alone[0][0].text != alone[1][0].text and alone[0][0].alpha_interval is not None
    together = ends(player, asked(PIRATE, NURSE))
    assert [end.token_ids for end in together] == [end.token_ids for (end,) in alone]
    assert all(end.reward is not None for end in together)


def test_it_mixes_with_a_trained_axis(player: Player, tiny_folder: FolderOf, tmp_path: Path) -> None:
    trained = player.axis(str(make_tiny_axis(tmp_path / "axis", tiny_folder("llama")))).card.name
    both = (Strength(axis=PIRATE, alpha=0.5), Strength(axis=trained, alpha=1.0))
    for strengths in (both, both[::-1]):
        row = Row(messages=conversation("How was it?"), strengths=strengths)
        (end,) = ends(player, Request(rows=(row,), max_new_tokens=10))
        assert end.alpha_interval is not None and end.reward is not None


def test_it_cannot_act_before_the_decoder(player: Player) -> None:
    with pytest.raises(InvalidInput, match="no layer"):
        ends(player, asked(PIRATE, merge="embeddings"))


def test_a_sweep_and_a_spectrum_go_along_it(player: Player, tmp_path: Path) -> None:
    plan = SweepPlan(axis=PIRATE, alphas="0,1", controls="0,1", prompts=("Hello.",), max_new_tokens=6)
    found = exhaust(sweep(LocalMeasurer(player), plan, tmp_path / "sweep"))
    assert len(found.points) == 4 and all("reward" in point.metrics for point in found.points)
    assert exhaust(sweep(LocalMeasurer(player), plan, tmp_path / "sweep")).points == found.points
    stretch = SpectrumPlan(messages=conversation("How was it?"), axis=PIRATE, low=-1, high=1, max_new_tokens=6)
    assert any(isinstance(event, Finished) for event in spectrum(player, stretch))


def test_a_link_and_a_preset_carry_the_two_sentences() -> None:
    preset = Preset(
        title="x", prompt="Hi.", axis=PIRATE, alpha=0.5, more=(Strength(axis=NURSE, alpha=1.0),), max_new_tokens=20
    )
    assert parse(to_toml(preset), "x.toml") == preset
    shared = share.decode(share.encode(preset, "tiny"))
    assert shared is not None and share.axes_of(shared.preset) == [PIRATE, NURSE]


def test_a_public_page_takes_descriptions_but_no_folders(player: Player, model: LanguageModel, tmp_path: Path) -> None:
    limited = LimitedPlayer(Player(model, keep=False), ServerSettings(public=True))
    events = list(limited.run(asked(PIRATE)))
    assert isinstance(events[-1], Finished)
    with pytest.raises(AxisMismatch):
        list(limited.run(asked(str(tmp_path))))
    steps = list(limited.prepare([NURSE]))
    assert any(isinstance(step, Progress) for step in steps) and not list(limited.prepare([NURSE]))
    assert not any(isinstance(step, Waiting) for step in steps)


@pytest.mark.parametrize("way", ["a reply", "an engine's reply", "a sweep", "a sweep for a page elsewhere"])
def test_who_leaves_while_an_axis_is_calibrated_ends_that(player: Player, way: str) -> None:
    limited = LimitedPlayer(player, ServerSettings())
    plan = SweepPlan(axis=PIRATE, alphas="0,1", prompts=("Hello.",), max_new_tokens=6)
    gone = False
    steps = {
        "a reply": lambda: limited.run(asked(PIRATE)),
        "an engine's reply": lambda: player.run(asked(PIRATE)),
        "a sweep": lambda: limited.sweep(plan, stops=lambda: gone),
        "a sweep for a page elsewhere": lambda: limited.batches(BatchRequest(plan, range(1), False)),
    }[way]()
    told = [next(steps) for _ in range(3)]
    assert all(isinstance(step, Progress | Waiting) for step in told) and player.occupancy.rows_running
    gone = True
    assert next(steps, None) is None if way == "a sweep" else steps.close() is None
    assert not player.occupancy.rows_running and not player.ready(PIRATE)


def test_few_are_held_ready(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.player.MOST_NAMED", 1)
    player.axis(PIRATE)
    player.axis(NURSE)
    assert player.ready(NURSE) and not player.ready(PIRATE) and player.ready("no such axis")


def test_the_grid_names_sliders_of_its_methods() -> None:
    assert set(calibration.AT) == {PromptContrast.slider, SteeringVector.slider}
