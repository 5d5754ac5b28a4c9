"""Recordings: what ships is of the shipped axes and what the page would ask, and is shown only where it is true."""

import dataclasses
from pathlib import Path

import pytest

from playground import cards, presets
from playground.errors import InvalidInput
from playground.events import Finished, Token, to_json
from playground.presets import Preset
from playground.settings import Sliders
from playground.ui.play import captions, panes, present, recordings
from playground.ui.play.view import BASE, STEERED, Inputs, View
from tests.ui.fake_player import FakePlayer, card, wish

FIRST = presets.read_all()[0]
CARDS = {found.name: found for found in cards.shipped().values()}
PRESET = Preset(title="A morning", prompt="Describe a morning.", axis="extraversion", alpha=0.7, max_new_tokens=8)


def recorded(player: FakePlayer | None = None) -> recordings.Recording:
    player = player or FakePlayer()
    return recordings.record(player, player.name, {name: axis.card for name, axis in player.axes.items()}, PRESET)


@pytest.mark.parametrize("dtype", recordings.DTYPES)
def test_the_shipped_recording_is_of_the_opening_preset_and_the_shipped_axes(dtype: str) -> None:
    recording = recordings.read(recordings.path_for(dtype))
    assert recording.request == recordings.asked_by(FIRST, CARDS), "run python -m playground.ui.play.recordings"
    assert recording.fits(recording.model, CARDS), "an axis is new: run python -m playground.ui.play.recordings"
    assert recordings.path_for(dtype).stat().st_size < 40_000
    view = present.recorded(
        present.of_preset(FIRST, Inputs(), CARDS.__contains__), recording.request, recording.events, recording.by
    )
    assert view.phase == "done"
    assert all((reply := view.reply(slot)) and reply.text.strip() for slot in view.slots)


def test_each_dtype_opens_with_what_it_says_itself_and_others_with_float32() -> None:
    texts = {dtype: _texts(recordings.opening(dtype)) for dtype in (*recordings.DTYPES, "float16")}
    assert texts["float32"] == _texts(recordings.read(recordings.OPENING)) == texts["float16"]
    assert texts["bfloat16"] == _texts(recordings.read(recordings.path_for("bfloat16"))) != texts["float32"]


def test_a_dial_that_is_turned_leaves_the_recorded_base_and_run_asks_for_it() -> None:
    recording = recorded()
    inputs = present.of_preset(PRESET, Inputs(), {"extraversion"}.__contains__)
    view = present.recorded(inputs, recording.request, recording.events, recording.by)
    turned = present.begin(view, wish(inputs, alpha=0.3))
    assert turned.reply(BASE) == view.reply(BASE), "another processor may say it in other words"
    assert BASE not in (*turned.asked_slots, *turned.later_slots)
    assert STEERED in turned.asked_slots
    for asks in (inputs, wish(inputs, alpha=0.3, seed=1), wish(inputs, alpha=0.3, max_new_tokens=4)):
        assert present.begin(view, asks).reply(BASE) is None


def _texts(recording: recordings.Recording | None) -> list[str]:
    assert recording is not None
    ends = sorted((end for end in recording.events if isinstance(end, Finished)), key=lambda end: end.row)
    return [end.text for end in ends]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    recording = recorded()
    recordings.write(recording, tmp_path / "a.jsonl")
    assert recordings.read(tmp_path / "a.jsonl") == recording


def test_only_the_steered_reply_is_kept_token_by_token() -> None:
    events = recorded().events
    assert {event.row for event in events if isinstance(event, Token)} == {0}
    assert len([event for event in events if isinstance(event, Finished)]) == 6


def test_a_recording_is_shown_only_for_its_model_its_axes_and_its_inputs() -> None:
    recording = recorded()
    ours = {"extraversion": card()}
    assert recording.fits("Made-up-1B", ours)
    assert not recording.fits("Another", ours)
    assert not recording.fits("Made-up-1B", {})
    assert not recording.fits("Made-up-1B", {"extraversion": card().model_copy(update={"files": {"a": "b"}})})
    inputs = present.of_preset(PRESET, Inputs(), ours.__contains__)
    other = present.recorded(Inputs(prompt="Else?"), recording.request, recording.events, "it")
    assert other == View()
    half = present.recorded(inputs, recording.request, recording.events[:-1], "it")
    assert half == View()


def test_it_is_marked_as_recorded_and_the_first_touch_is_live() -> None:
    recording = recorded()
    inputs = present.of_preset(PRESET, Inputs(), {"extraversion"}.__contains__)
    view = present.recorded(inputs, recording.request, recording.events, recording.by)
    assert "Recorded" in captions.status(view)
    assert "Made-up-1B, extraversion" in captions.status(view)
    reply = view.reply(STEERED)
    assert reply is not None
    assert reply.text in panes.pane(view, STEERED, card()).replace("<mark>", "").replace("</mark>", "")
    live = present.begin(view, inputs)
    assert not live.recorded
    assert len((*live.asked, *live.later)) == 6, "every reply is asked of the model"
    assert live.ghosts[STEERED].text == reply.text


HEAD = '{"model":"m","version":"0","axes":{},"request":{"rows":[{"messages":[{"role":"user","content":"Hi"}]}]}}'
END = Finished(7, Sliders(), "Hi", (1,), None, None, 0.0, 1.0, "stop")


def test_line_separators_inside_a_reply_are_no_line_ends(tmp_path: Path) -> None:
    recording = recorded()
    odd = dataclasses.replace(recording.events[-1], text="one\u2028two\u2029three\x85four\x0bfive\x1e")
    recording = dataclasses.replace(recording, events=(*recording.events[:-1], odd))
    recordings.write(recording, tmp_path / "a.jsonl")
    assert recordings.read(tmp_path / "a.jsonl") == recording


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "not JSON",
        "[]\n",
        "[" * 9999 + "\n",
        '{"model": "m"}\n',
        '{"model":"m","version":"0","axes":{},"request":{"rows":[]}}\n',
        f"{HEAD.replace('{}', '[1]')}\n",
        f'{HEAD}\n{{"event":"finished","row":7}}\n',
        f"{HEAD}\n{to_json(END)}\n",
        f"{HEAD}\n[]\n",
        f'{HEAD}\n{{"event":"progress","stage":"a","done":1,"total":2}}\n',
    ],
)
def test_a_broken_file_is_told_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput):
        recordings.read(tmp_path / "a.jsonl")
    monkeypatch.setattr(recordings, "OPENING", tmp_path / "a.jsonl")
    assert recordings.opening() is None
