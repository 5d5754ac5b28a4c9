"""What a page shows, for other places: as a command, as Python, as a file that LLM Comparator opens.

Pure: settings and replies in, texts out. What is written here runs as it stands.
"""

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from playground import presets
from playground.comparator import Compared, comparator
from playground.errors import InvalidInput
from playground.measure.plan import GRID
from playground.presets import Preset
from playground.settings import MAIN, SLIDERS, Options, Sampling, Settings, Strength, changed
from playground.ui import share

if TYPE_CHECKING:
    from playground.measure.plan import SweepPlan
_OPTIONS = tuple(name for name in Strength.model_fields if name not in ("axis", *SLIDERS))


def as_command(preset: Preset, model: str = "smollm2") -> str:
    """The `playground generate` that gives this reply."""
    options: list[tuple[str, object]] = []
    strengths = [*_first(preset), *preset.more]
    for strength in strengths:
        # Several axes take their own values, by name; one alone needs none.
        of = f"{strength.axis}=" if len(strengths) > 1 else ""
        told = [name for name in (*SLIDERS, *changed(strength, _OPTIONS)) if not of or name != MAIN]
        options.append(("--axis", f"{of}{_text(strength.amounts[MAIN])}" if of else strength.axis))
        options += [(_option(name), f"{of}{_text(getattr(strength, name))}") for name in told]
    options += [(_option(name), getattr(preset, name)) for name in changed(preset, Sampling.model_fields)]
    options += [("--seed", preset.seed), ("--max-new-tokens", preset.max_new_tokens)]
    options += [("--system", preset.system)] if preset.system else []
    options += [("--model", model)] if model != "smollm2" else []
    if preset.prompt.startswith("-"):  # at the end, behind a lone --, so that it is not read as an option
        return f"{_command(['playground', 'generate'], options)} \\\n  -- {shlex.quote(preset.prompt)}"
    return _command(["playground", "generate", preset.prompt], options)


def as_python(preset: Preset, model: str = "smollm2") -> str:
    """A program that prints this reply and its numbers."""
    strengths = [*_first(preset), *preset.more]
    system = f", system={preset.system!r}" if preset.system else ""
    opened = "" if model == "smollm2" else repr(model)
    listed = "".join(f"\n    {_call('Strength', strength)}," for strength in strengths)
    sampling = ", ".join(f"{name}={getattr(preset, name)!r}" for name in changed(preset, Sampling.model_fields))
    return (
        "from playground import Request, Row, Sampling, Strength, conversation\n"
        "from playground.events import Finished\n"
        "from playground.player import Player\n\n"
        f"player = Player.open({opened})\n"
        f"messages = conversation({preset.prompt!r}{system})\n"
        f"strengths = ({listed}\n)\n"
        f"row = Row(messages=messages, strengths=strengths, seed={preset.seed})\n"
        f"request = Request(rows=(row,), sampling=Sampling({sampling}), max_new_tokens={preset.max_new_tokens})\n"
        "for event in player.run(request):\n"
        "    if isinstance(event, Finished):\n"
        "        print(event.text, event.reward, event.kl, event.perplexity, sep='\\n')\n"
    )


def sweep_command(plan: "SweepPlan", prompts: str = "prompts.txt", out: str = "sweep", model: str = "smollm2") -> str:
    """The `playground sweep` that measures this plan, its prompts in the file `prompts`."""
    options: list[tuple[str, object]] = [
        ("--axis", plan.axis),
        *((_option(GRID.format(name)), _grid(grid)) for name, grid in plan.grids.items()),
        ("--prompts", prompts),
        *((_option(name), getattr(plan, name)) for name in ("seeds", "seed", "temperature", "max_new_tokens")),
        *((_option(name), getattr(plan, name)) for name in changed(plan, (*Options.model_fields, "batch"))),
        ("--out", out),
        *([("--model", model)] if model != "smollm2" else []),
    ]
    return _command(["playground", "sweep"], options)


def as_json(value: object) -> str:
    """What a person may read as well."""
    return json.dumps(value, ensure_ascii=False, indent=1)


def menu(preset: Preset, name: str, model: str, pairs: Sequence[Compared], live: bool) -> dict[str, Any]:
    """All of it for a page's menu: texts by kind, `why` one is missing, and whether the replies are of now.

    `name` is how the model is called to people, `model` how commands call it.
    """
    found: dict[str, Any] = {"live": live, "why": {}}
    try:
        found["link"] = share.encode(preset, name)
    except InvalidInput as error:
        found["why"]["link"] = f"{error.message} {error.hint}"
    found["command"] = as_command(preset, model)
    found["python"] = as_python(preset, model)
    found["preset"] = presets.to_toml(preset)
    strengths = [*_first(preset), *preset.more]
    strength = ", ".join(
        f"{s.axis} {' '.join(f'{name} {amount:g}' for name, amount in s.amounts.items())}" for s in strengths
    )
    models = (strength or "unsteered", "base")
    found["comparator"] = as_json(comparator(f"{name}, {models[0]}", models, pairs)) if pairs else ""
    found["why"]["comparator"] = "There is nothing to compare yet. Run the prompt first."
    return found


def _first(preset: Preset) -> list[Strength]:
    if not preset.axis:
        return []
    return [Strength(**{name: getattr(preset, name) for name in ("axis", *SLIDERS, *Options.model_fields)})]


def _call(name: str, settings: Settings) -> str:
    values = settings.model_dump(exclude_defaults=True)
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in values.items())})"


def _command(words: Sequence[str], options: Iterable[tuple[str, object]]) -> str:
    said = [shlex.join(words), *(f"{name}{_value(value)}" for name, value in options)]
    return " \\\n  ".join(said)


def _value(value: object) -> str:
    text = _text(value)
    return f"={shlex.quote(text)}" if text.startswith("-") else f" {shlex.quote(text)}"


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _grid(strengths: Sequence[float]) -> str:
    return ",".join(f"{strength!r}".removesuffix(".0") for strength in strengths)
