"""A walk through a playground that has a third slider: every room shows it, though none but the registry names it.

Run by `test_third_slider` in a process of its own, over a copy of the package to which two things were done: a field
was added to `settings.Sliders`, and `BEND`, below, to the methods.
"""

import json
import sys
from pathlib import Path
from typing import Any

FIELD = '    bend: Level = Field(default=0.0, description="0 is straight; a made-up slider.")\n'
"""The line of the registry."""

BEND = '''
"""A made-up method: it mixes a state with itself turned round."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from playground.engine.methods.base import Edited, StoredMethod
from playground.engine.methods.clm import CLM


@dataclass(frozen=True)
class Bend(StoredMethod):
    name: ClassVar[str] = "bend"
    title: ClassVar[str] = "bending"
    slider: ClassVar[str] = "bend"
    file: ClassVar[str] = CLM.file
    edits: ClassVar[bool] = True

    def moves(self, strength):
        return strength.bend != 0

    def edit(self, hidden, strengths):
        bend = torch.tensor([one.bend for one in strengths], device=hidden.device)
        moved = hidden + bend.unsqueeze(1) * hidden.flip(-1)
        return Edited(moved, hidden[:, 0], moved[:, 0])

    def save(self, folder):
        pass

    @classmethod
    def shapes(cls, model, found):
        return CLM.shapes(model, found)

    @classmethod
    def from_state(cls, model, state, card):
        return cls()

    def tried(self, embeddings, states):
        yield states
'''
"""The method's file."""


def walk(model: Path, axis: Path) -> None:
    """Walk through the rooms with a tiny model and an axis of it that was made before there was a third slider."""
    from playground.player import Player

    player = Player.open(str(model), "float32")
    card = player.axis(str(axis)).card
    assert card.safe_range.of("bend") == (0.0, 0.0), "a card from before tells of no such range"
    points = _measured(player, str(axis))
    _found(points)
    _linked(str(axis))
    _asked(player, card.name)
    _planned()


def _measured(player: Any, axis: str) -> Any:
    from playground.events import exhaust
    from playground.measure.local import LocalMeasurer
    from playground.measure.plan import SweepPlan
    from playground.measure.sweep import sweep

    plan = SweepPlan(axis=axis, alphas="0,1", bends="0,0.5,1", prompts=("Hello.", "Who?"), max_new_tokens=6)
    assert "bend 0, 0.5, 1" in plan.in_words() and plan.replies() == 12
    found = exhaust(sweep(LocalMeasurer(player), plan))
    assert [(point.alpha, point.bend) for point in found.points] == [(a, b) for b in (0, 0.5, 1) for a in (0, 1)]
    texts = {reply.reply.text for reply in found.replies if reply.reading.prompt == 0 and not reply.reply.at.alpha}
    assert len(texts) > 1, "the slider changes what is said"
    assert json.loads(found.points[-1].model_dump_json())["bend"] == 1
    return found.points


def _found(points: Any) -> None:
    from playground.measure import figures, findings
    from playground.measure.sheet import sheet

    assert findings.longest_line(points)[0] == "bend"
    assert "bend" in findings.sentence(points, "kl", "bend") and "bend 0.5" in findings.as_text(points, "kl")
    drawn = json.loads(figures.metric_curve(points, "kl", "bend").to_json())
    assert drawn["layout"]["xaxis"]["title"]["text"] == "bend"
    assert {"alpha 0", "alpha 1"} <= {trace["name"] for trace in drawn["data"]}
    assert json.loads(figures.heat_map(points, "kl").to_json())["layout"]["yaxis"]["title"]["text"] == "bend"
    assert "over alpha and bend" in sheet(points, "A sweep")


def _linked(axis: str) -> None:
    from playground.presets import Preset, parse, to_toml
    from playground.settings import Strength
    from playground.ui import share, snippets

    further = Strength(axis="calm", bend=2)
    preset = Preset(title="Bent", prompt="Hello.", axis=axis, bend=0.5, more=(further,))
    link = share.encode(preset)
    opened = share.decode(link)
    assert "bend=0.5" in link and opened is not None and opened.preset.more == (further,)
    assert parse(to_toml(preset), "bent.toml") == preset
    assert "--bend" in snippets.as_command(preset) and "bend=0.5" in snippets.as_python(preset)


def _asked(player: Any, axis: str) -> None:
    from playground.serving.hosting import ServerSettings
    from playground.serving.limits import LimitedPlayer
    from playground.ui import app, constants
    from playground.ui.endpoints import Endpoints
    from playground.ui.play.dial import Dial

    hosted = LimitedPlayer(player, ServerSettings())
    given: dict[str, Any] = {"prompt": "Hello.", "axis": axis, "bends": [0, 1], "max_new_tokens": 6}
    *_, replies = Endpoints(hosted).say(None, **given)
    assert [reply["bend"] for reply in replies] == [0, 1] and replies[0]["text"] != replies[1]["text"]
    assert "bends: Strengths of bend" in (Endpoints.say.__doc__ or "")
    page = app.build(hosted)
    dials = [block for block in page.blocks.values() if isinstance(block, Dial)]
    assert [dial.elem_id for dial in dials] == ["alpha", "control", "bend"]
    assert "curves_bends" in {getattr(block, "elem_id", None) for block in page.blocks.values()}
    assert "bend" in constants.CONSTANTS["sliders"]


def _planned() -> None:
    from playground.study import plan

    assert plan.parse(plan.example().replace('slider = "alpha"', 'slider = "bend"')).slider == "bend"


if __name__ == "__main__":
    walk(Path(sys.argv[1]), Path(sys.argv[2]))
