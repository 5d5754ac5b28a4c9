"""Recipes of axes: what is in the file is what is made, twice the same, and what is wrong is told before any work."""

import hashlib
import json
from pathlib import Path

import pytest

from playground import cards
from playground.cards import Card
from playground.cli import recipes
from playground.errors import InvalidInput
from tests.cli.test_cli import Shell

FEW = """
[set]
pairs = 16
samples = 1
invent_tokens = 8
distil_steps = 2
distil_prompts = 6
distil_tokens = 8
steps = 1
check_every = 1
guard_prompts = 2
rollouts = 16
scale_prompts = 2
reply_tokens = 8
refine_rounds = 0
value_epochs = 1
measured_prompts = 2
measured_tokens = 8
climb_steps = 1
"""
WARM = """name = "warmth"
description = "How warm."
positive = "a warm person"
negative = "a cold person"
positive_pole = "warm"
negative_pole = "cold"
"""
CALM = WARM.replace('"warmth"', '"calm"')


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


def written(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_makes_the_same_axis_each_time(shell: Shell, tiny_folder: object, tmp_path: Path) -> None:
    path, model = written(tmp_path, WARM + FEW), str(tiny_folder("llama"))  # type: ignore[operator]
    made = []
    for out in (tmp_path / "first", tmp_path / "second"):
        ran = shell("axis", "make", str(path), "--out", str(out), "--model", model, "--dtype", "float32")
        assert ran.code == 0, ran.err
        made.append(out / "warmth")
    told = [json.loads((folder / "card.json").read_text("utf-8")) | {"command": ""} for folder in made]
    assert told[0] == told[1]
    for name in told[0]["files"]:
        assert (made[0] / name).read_bytes() == (made[1] / name).read_bytes(), name
    card = Card.load(made[0])
    assert card.command.startswith(f"playground axis make {path}")
    assert card.poles.positive == "warm" and card.recipe["descriptions"] == ["a warm person", "a cold person"]
    assert card.recipe["distil_steps"] == 2


def test_paths_lead_on_from_the_recipe_and_files_are_those_it_was_made_with(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    pairs = tmp_path / "data" / "pairs.jsonl"
    pairs.write_text('{"prompt": "Hi?", "chosen": "Hello!", "rejected": "No."}\n', encoding="utf-8")
    digest = hashlib.sha256(pairs.read_bytes()).hexdigest()
    text = f'name = "calm"\npairs = "data/pairs.jsonl"\nlicence = "CC0-1.0"\n[sha256]\npairs = "{digest}"\n'
    recipe = recipes.read(written(tmp_path, text))
    assert recipe.pairs == pairs and recipe.making().pairs == pairs and recipe.making().licence == "CC0-1.0"
    pairs.write_text("changed", encoding="utf-8")
    with pytest.raises(InvalidInput, match="pairs is not the file"):
        recipes.read(written(tmp_path, text))


def test_the_shipped_recipes_name_files_that_are_there() -> None:
    shipped = {card.name for card in cards.shipped().values()}
    assert recipes.shipped()
    for name, path in recipes.shipped().items():
        recipe = recipes.read(path)
        assert recipe.name == name in shipped
        assert recipe.description and recipe.positive_pole and recipe.negative_pole


def test_shipped_axes_are_made_for_another_base(
    shell: Shell, tiny_folder: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = {"calm": written(tmp_path / "calm", CALM + FEW)}
    monkeypatch.setattr(recipes, "shipped", lambda: axes)
    model = str(tiny_folder("qwen3"))  # type: ignore[operator]
    asked = ["--out", str(tmp_path / "out"), "--model", model, "--dtype", "float32"]
    ran = shell("axis", "port", "--all", *asked)
    assert ran.code == 0, ran.err
    made = [Card.load(tmp_path / "out" / name) for name in axes]
    assert {card.name for card in made} == set(axes)
    assert {card.base.architecture for card in made} == {"qwen3"}
    for names, told in (
        ([], "Which axes?"),
        (["calm", "--all"], "Which axes?"),
        (["clam"], "No recipe of an axis 'clam'"),
    ):
        ran = shell("axis", "port", *names, *asked)
        assert ran.code == 2 and told in ran.err and "calm" in ran.err


def test_a_judge_that_lies_fitted_needs_no_pairs(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "judge.json"
    file.write_text('{"so good": [1.0, 2.0]}')
    for text, told in (
        (f"judge_file = '{file}'\njudge = 'length'\n", "is a judge of words"),
        (f"judge_file = '{file}'\njudge_pairs = '{file}'\n", "needs no pairs"),
        ("judge_file = 'nowhere.json'\n", "not there"),
    ):
        ran = shell("axis", "make", str(written(tmp_path, WARM + text + FEW)), "--out", str(tmp_path / "out"))
        assert ran.code != 0 and told in ran.err, ran.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = 'x'", "neither pairs nor two descriptions"),
        ("name = 'x'\npositive = 'a'", "neither pairs nor two descriptions"),
        (WARM.replace("positive =", "positve ="), "positve"),
        (WARM + "[set]\nstepps = 3", "stepps"),
        (WARM + "[set]\nsteps = 0", "steps"),
        (WARM + "prompts = 'nowhere.txt'", "nowhere.txt"),
        (WARM + "[sha256]\npairs = 'ab'", "pairs is not the file"),
        ("name = ", "recipe.toml"),
        (WARM.replace("warmth", "../../warmth"), "folder's name"),
        (WARM.replace("warmth", "a/b"), "folder's name"),
    ],
)
def test_what_is_wrong_is_told_with_the_file(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        recipes.read(written(tmp_path, text))
    assert "recipe.toml" in refused.value.message and told in refused.value.message


def test_a_wrong_recipe_among_many_keeps_all_from_being_begun(shell: Shell, tmp_path: Path) -> None:
    right = written(tmp_path, WARM + FEW)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("name = 'x'", encoding="utf-8")
    ran = shell("axis", "make", str(right), str(wrong), "--out", str(tmp_path / "out"))
    assert ran.code == 2 and "wrong.toml" in ran.err
    assert not (tmp_path / "out").exists()
