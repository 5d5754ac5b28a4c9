"""The Axes page's handlers: cards and examples; axes from a folder, an upload or a training; what is refused."""

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from playground.player import Player
from playground.serving.hosting import ServerSettings
from playground.serving.limits import LimitedPlayer
from playground.training.jobs import TrainingJobs
from playground.ui.axes.page import AxesPage
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis
from tests.ui.test_play import inside_a_loop

MADE = """
import os, shutil, sys
given = dict(zip(sys.argv, sys.argv[1:]))
shutil.copytree(os.environ["MADE"], given["--out"])
"""


@pytest.fixture
def player(tiny_folder: FolderOf, tmp_path: Path) -> Player:
    player = Player.open(str(tiny_folder()))
    player.axis(str(make_tiny_axis(tmp_path / "cheer", tiny_folder())))
    return player


@pytest.fixture
def other(tiny_folder: FolderOf, tmp_path: Path) -> Path:
    """The folder of an axis that the player does not know yet."""
    return make_tiny_axis(tmp_path / "other" / "calm", tiny_folder(), "calm", seed=1)


NOBODY: Any = SimpleNamespace(session_hash="me")


def page_of(player: Player, folder: Path, **hosting: Any) -> tuple[AxesPage, gr.Dropdown]:
    def build() -> tuple[AxesPage, gr.Dropdown]:
        elsewhere = gr.Dropdown(["cheer"], value="cheer")
        shop = TrainingJobs(folder, "tiny", "float32", (), [sys.executable, "-c", MADE])
        return AxesPage(LimitedPlayer(player, ServerSettings(**hosting)), [elsewhere], shop), elsewhere

    return inside_a_loop(build)


def listed(update: dict, where: Any) -> list[str]:
    shown = update[where]
    choices = shown["choices"] if isinstance(shown, dict) else shown.choices
    names = [choice[0] if isinstance(choice, (tuple, list)) else choice for choice in choices]
    return [name for name in names if name != "describe …"]


def test_a_folder_becomes_an_axis_in_every_list(player: Player, other: Path, tmp_path: Path) -> None:
    page, elsewhere = page_of(player, tmp_path / "shop")
    update = page.add(NOBODY, None, f" {other} ")
    assert listed(update, page.axis) == listed(update, elsewhere) == ["calm", "cheer"]
    assert "calm" in update[page.card]


def test_uploaded_files_are_kept_and_there_on_another_day(
    player: Player, other: Path, tmp_path: Path, tiny_folder: FolderOf
) -> None:
    page, _ = page_of(player, tmp_path / "shop")
    page.add(NOBODY, [str(path) for path in other.iterdir()], "")
    assert "calm" in player.axes
    shutil.rmtree(other)
    later = Player.open(str(tiny_folder()))
    page_of(later, tmp_path / "shop")
    assert "calm" in later.axes


def test_what_no_longer_fits_is_left_out_and_told(
    player: Player, other: Path, tmp_path: Path, tiny_folder: FolderOf, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(other, tmp_path / "shop" / "calm")
    gpt = Player.open(str(tiny_folder("gpt_neox")))
    page_of(gpt, tmp_path / "shop")
    assert "calm" not in gpt.axes
    assert "Left out calm" in capsys.readouterr().out


def test_a_damaged_folder_keeps_no_page_shut_and_names_itself(
    player: Player, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tmp_path / "shop"
    for name, raw in {"deep": b'{"a":' * 20_000, "half": b"\xff", "none": b"{}"}.items():
        (shop / name).mkdir(parents=True)
        (shop / name / "card.json").write_bytes(raw)
    shutil.copytree(other, shop / "calm")
    shutil.copytree(other, shop / "cut")
    (shop / "cut" / "reward.safetensors").write_bytes(b"x")
    page, _ = page_of(player, shop)
    assert page.names() == ["calm", "cheer"]
    assert sorted(folder.name for folder in page.left_out) == ["cut", "deep", "half", "none"]
    shown = inside_a_loop(lambda: page_of(player, shop)[0].left_out)
    assert all(error.hint for error in shown.values())
    assert capsys.readouterr().out.count("Left out") == 8


@pytest.mark.parametrize("name", ["спокойствие", "冷静", "größe", "😀", "Calm & kind"])
def test_an_axis_of_any_name_is_uploaded_beside_others(
    player: Player, tmp_path: Path, tiny_folder: FolderOf, name: str
) -> None:
    page, elsewhere = page_of(player, tmp_path / "shop")
    for number, called in enumerate((name, "grüße", "calm-kind")):
        made = make_tiny_axis(tmp_path / f"made-{number}", tiny_folder(), called)
        update = page.add(NOBODY, [str(path) for path in made.iterdir()], "")
        assert "Loaded" in update[page.said]
    assert listed(update, elsewhere) == sorted(["cheer", name, "grüße", "calm-kind"])
    assert len(list((tmp_path / "shop").iterdir())) == 3


def test_an_upload_that_is_no_axis_is_refused_and_leaves_nothing(
    player: Player, other: Path, tmp_path: Path, tiny_folder: FolderOf
) -> None:
    page, _ = page_of(player, tmp_path / "shop")
    files = {path.name: path for path in other.iterdir()}
    pickled = tmp_path / "identity_layer.safetensors"
    pickled.write_bytes(b"\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94.")
    known = make_tiny_axis(tmp_path / "again", tiny_folder())
    card = json.loads(files["card.json"].read_text())
    outside = tmp_path / "outside" / "card.json"
    outside.parent.mkdir()
    outside.write_text(json.dumps({**card, "files": {**card["files"], "../../stolen": "0"}}))
    for upload, complaint in (
        ([files["reward.safetensors"]], "no card.json"),
        ([path for name, path in files.items() if name != "reward.safetensors"], "reward.safetensors is missing"),
        ([path for name, path in files.items() if name != pickled.name] + [pickled], "no safetensors file"),
        ([path for name, path in files.items() if name != "card.json"] + [outside], "files."),
        (list(known.iterdir()), "an axis named cheer already"),
        ([tmp_path / "swept" / "card.json"], "card.json is gone: uploads are kept for an hour"),
    ):
        said = page.add(NOBODY, [str(path) for path in upload], "")[page.said]
        assert complaint in said, said
    nowhere = (str(tmp_path / "none"), "half\ud800", "nul\0", "~nobody-here/x", "x" * 5000)
    for folder, complaint in (("", "nothing to load"), *((path, "no folder") for path in nowhere)):
        assert complaint in page.add(NOBODY, None, folder)[page.said]
    assert not (tmp_path / "shop").exists()
    assert list(player.axes) == ["cheer"]


def test_two_sentences_become_an_axis(player: Player, other: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MADE", str(other))
    page, elsewhere = page_of(player, tmp_path / "shop")
    begun = page.begin("calm", "a calm person", "a hectic person", "calm", "hectic", 5, None)
    assert "Starting" in begun[page.making] or "Ready" in begun[page.making]
    page.jobs._at_work["calm"].wait()
    update = page.watch(NOBODY, begun[page.slug])
    assert "Ready" in update[page.making]
    assert listed(update, page.axis) == listed(update, elsewhere) == ["calm", "cheer"]
    assert update[page.slug] == ""
    assert page.refresh(NOBODY, "calm")[page.card] == update[page.card]
    second = page.watch(NOBODY, begun[page.slug])  # another window, after this one loaded it
    assert (listed(second, page.axis), second[page.slug]) == (["calm", "cheer"], "")


def test_an_order_that_cannot_be_is_refused_in_words(player: Player, tmp_path: Path) -> None:
    page, _ = page_of(player, tmp_path / "shop")
    for form, complaint in (
        (("", "a", "b", "", "", 5, None), "needs a name"),
        (("calm", "a", "", "", "", 5, None), "two sentences"),
        (("calm", "a", "b", "x" * 40, "", 5, None), "positive_pole"),
    ):
        assert complaint in page.begin(*form)[page.said]
    assert "nothing to resume" in page.resume("never")[page.said]


def test_an_example_is_answered_at_either_end_as_it_is_written(player: Player, tmp_path: Path) -> None:
    page, _ = page_of(player, tmp_path / "shop")
    shown = list(page.give_example(NOBODY, "cheer", "Hello."))
    assert len(shown) > 2
    assert shown[-1].count("<article") == 3
    assert "prompt is empty" in list(page.give_example(NOBODY, "cheer", " "))[-1]
    assert list(page.give_example(NOBODY, None, "Hello.")) == [""]


def test_what_is_chosen_meanwhile_is_shown_after_an_example_that_was_being_written(
    player: Player, tmp_path: Path
) -> None:
    page, _ = page_of(player, tmp_path / "shop")
    for shows in (lambda: page.choose(NOBODY, "cheer"), lambda: next(page.give_example(NOBODY, "cheer", "Again."))):
        drawings = page.give_example(NOBODY, "cheer", "Hello.")
        next(drawings)
        with ThreadPoolExecutor(1) as other_hand:
            shown = other_hand.submit(shows)
            while not page._answering["me"].stopping:
                assert not shown.done(), "what the example draws next would come after it"
            assert list(drawings) == []
            assert shown.result()


def test_a_public_page_takes_nothing_in_and_makes_nothing(player: Player, other: Path, tmp_path: Path) -> None:
    shutil.copytree(other, tmp_path / "shop" / "calm")
    page, _ = page_of(player, tmp_path / "shop", public=True)
    assert not page.may_add and list(player.axes) == ["cheer"]
    for refused in (
        page.begin("calm", "a", "b", "", "", 5, None),
        page.add(NOBODY, None, str(other)),
        page.add(NOBODY, [str(other / "card.json")], ""),
        page.resume("calm"),
    ):
        assert "switched off" in refused[page.said]
