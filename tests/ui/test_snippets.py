"""What the page hands out runs as it stands, and asks for what the page showed."""

import json
import shlex
from collections.abc import Generator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from playground import player
from playground.cli import generate
from playground.cli import main as cli
from playground.comparator import against_base, comparator
from playground.events import Event, Finished
from playground.measure.plan import SweepPlan, parse_grid
from playground.presets import Preset
from playground.settings import Request, Row, Sampling, Sliders, Strength, conversation
from playground.ui import snippets

SHOWN = Preset(
    title="Shown",
    prompt='It\'s "late" & dark,\nsay $HOME -- 1',
    system="Be brief.",
    axis="calm",
    alpha=-1.25,
    control=0.5,
    temperature=0.7,
    seed=11,
    max_new_tokens=9,
    updates=3,
    step_size=0.25,
)
STRENGTH = Strength(axis="calm", alpha=-1.25, control=0.5, updates=3, step_size=0.25)


def asked(preset: Preset, *strengths: Strength, **sampling: Any) -> Request:
    row = Row(messages=conversation(preset.prompt, preset.system or None), strengths=strengths, seed=preset.seed)
    return Request(
        rows=(row,),
        sampling=Sampling(temperature=preset.temperature, **sampling),
        max_new_tokens=preset.max_new_tokens,
    )


class Listener:
    """In the player's place: keeps what it is asked."""

    heard: Request | None = None
    model: str = ""

    @classmethod
    def open(cls, model: str = "smollm2", *rest: Any) -> "Listener":
        Listener.model = model
        return cls()

    def run(self, request: Request) -> Generator[Event, None, None]:
        Listener.heard = request
        yield Finished(0, Sliders(), "Yes.", (1,), None, 1.5, 0.25, 8.0, "stop")


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> type[Listener]:
    monkeypatch.setattr(player, "Player", Listener)
    monkeypatch.setattr(generate, "_open", lambda model, *rest: Listener.open(model))
    return Listener


FURTHER = Strength(axis="warm=er", alpha=0.5, control=-1, updates=4, method="steering_vector")


def ask_by_command(preset: Preset) -> None:
    program, *arguments = shlex.split(snippets.as_command(preset, "tiny").replace("\\\n", " "))
    assert program == "playground"
    ran = CliRunner().invoke(cli.app, arguments)
    assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize("prompt", [SHOWN.prompt, "--help"])
@pytest.mark.parametrize("further", [(), (FURTHER,), (FURTHER, Strength(axis="far", control=2, merge="logits"))])
@pytest.mark.parametrize("sampling", [{}, {"top_k": 5, "top_p": 0.5, "repetition_penalty": 1.1}])
def test_the_command_asks_for_what_was_shown(
    listener: type[Listener], prompt: str, further: tuple[Strength, ...], sampling: dict[str, Any]
) -> None:
    preset = SHOWN.model_copy(update={"prompt": prompt, "more": further, **sampling})
    ask_by_command(preset)
    assert listener.heard == asked(preset, STRENGTH, *further, **sampling)
    assert listener.model == "tiny"


def test_without_an_axis_the_command_names_none(listener: type[Listener]) -> None:
    preset = Preset(title="Base", prompt="Hello.")
    assert snippets.as_command(preset) == "playground generate Hello. \\\n  --seed 0 \\\n  --max-new-tokens 128"
    ask_by_command(preset)
    assert listener.heard == asked(preset)


def test_the_program_asks_for_what_was_shown(listener: type[Listener], capsys: pytest.CaptureFixture[str]) -> None:
    further = Strength(axis="warm", alpha=0.5)
    preset = SHOWN.model_copy(update={"more": (further,), "top_k": 5})
    exec(compile(snippets.as_python(preset, "tiny"), "copied", "exec"), {})
    assert listener.heard == asked(preset, STRENGTH, further, top_k=5)
    assert listener.model == "tiny"
    assert capsys.readouterr().out == "Yes.\n1.5\n0.25\n8.0\n"


def test_a_program_without_an_axis_runs_too(listener: type[Listener]) -> None:
    preset = Preset(title="Base", prompt="Hello.")
    exec(compile(snippets.as_python(preset), "copied", "exec"), {})
    assert listener.heard == asked(preset)


def test_the_command_of_a_sweep_measures_the_same_plan() -> None:
    plan = SweepPlan(
        axis="calm", alphas=(-1, 0.1, 2.5), controls=(-0.5, 0), prompts=("a", "b"), seeds=2, seed=5, updates=7
    )
    words = shlex.split(snippets.sweep_command(plan, "my prompts.txt", "out", "tiny").replace("\\\n", " "))
    command: Any = typer.main.get_command(cli.app)
    parsed = command.commands["sweep"].make_context("sweep", words[2:]).params
    assert parse_grid(parsed["alphas"]) == plan.alphas
    assert parse_grid(parsed["controls"]) == plan.controls
    assert (str(parsed["prompts"]), str(parsed["out"]), parsed["model"]) == ("my prompts.txt", "out", "tiny")
    for name in ("axis", "seeds", "seed", "temperature", "max_new_tokens", "updates", "step_size", "batch"):
        assert parsed[name] == getattr(plan, name), name


def test_llm_comparator_gets_every_field_it_requires() -> None:
    numbers = {"judge": 2.0, "length": 9.0}, {"judge": -1.0, "length": 12.0}
    rewards = {"reward": 0.0}, {"reward": 1.0}
    pairs = [against_base("Hello?", "Hi!!", "Hi.", *numbers), against_base("Odd", "b", "a", *rewards)]
    file = json.loads(json.dumps(comparator("calm on tiny", ("alpha 1", "base"), pairs), allow_nan=False))
    assert set(file) == {"metadata", "models", "examples"}
    assert [model["name"] for model in file["models"]] == ["alpha 1", "base"]
    required = {
        "input_text",
        "tags",
        "output_text_a",
        "output_text_b",
        "score",
        "individual_rater_scores",
        "custom_fields",
    }
    assert all(set(example) == required for example in file["examples"])
    first, second = file["examples"]
    assert (first["output_text_a"], first["output_text_b"]) == ("Hi!!", "Hi.")
    assert first["score"] == 1.5, "the steered reply has 3 more, which is cut at the scale's end"
    assert first["custom_fields"] == {"judge": [2.0, -1.0], "length": [9.0, 12.0]}
    assert second["score"] is None, "no judge read it"
    schema = file["metadata"]["custom_fields_schema"]
    assert {field["name"] for field in schema} == {"judge", "length", "reward"}
    assert {field["type"] for field in schema} == {"per_model_number"}
