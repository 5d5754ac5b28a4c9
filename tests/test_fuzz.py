"""Cards, pairs and presets as they come back from other hands: refused in one sentence, or as good as they say."""

import json
import math
import random
from pathlib import Path

import pytest

from playground import axes, cards, presets
from playground.engine.language_model import LanguageModel
from playground.engine.loading import load_model
from playground.events import Finished
from playground.measure import figures
from playground.player import Player
from playground.settings import Request, Row, Sampling, Strength, conversation
from playground.training import pairs
from playground.ui.axes import card as axis_card
from tests.conftest import FolderOf
from tests.mutants import as_json, as_toml, spoilt, tried
from tests.tiny_axis import make_tiny_axis


@pytest.fixture(scope="module")
def model(tiny_folder: FolderOf) -> LanguageModel:
    return load_model(tiny_folder("llama"))


def test_cards(tmp_path: Path, tiny_folder: FolderOf, model: LanguageModel) -> None:
    folder = make_tiny_axis(tmp_path / "axis", tiny_folder("llama"))
    record = json.loads((folder / cards.FILE_NAME).read_text(encoding="utf-8"))
    record["judge"] = {"kind": "length", "agreement": 0.5, "pairs": 10}
    record["recipe"] = {"seed": 0, "development_share": 0.15, "scales": [0.5, 1.0]}

    def use(rng: random.Random) -> None:
        (folder / cards.FILE_NAME).write_bytes(spoilt(record, rng, as_json))
        axis = axes.load(folder, model)
        player = Player(model, {axis.card.name: axis})
        row = Row(messages=conversation("Hi."), strengths=(Strength(axis=axis.card.name, alpha=1.0, control=1.0),))
        [end] = [one for one in player.run(Request(rows=(row,), max_new_tokens=1)) if isinstance(one, Finished)]
        assert all(map(math.isfinite, (end.kl, end.perplexity, end.reward or 0.0)))
        assert axis_card.card(axis.card, axis.note) and figures.caption(axis.card)
        figures.reward_curve(axis.card).to_json()
        axis.card.save(folder)
        assert cards.Card.load(folder) == axis.card

    assert tried(use) > 10


def test_pairs(tmp_path: Path, model: LanguageModel) -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    says = [{"role": "assistant", "content": text} for text in ("A", "B")]
    records = [
        {"prompt": "Hi", "chosen": "A", "rejected": "B", "trait": "calm"},
        {"prompt": turns, "chosen": "A", "rejected": "B", "chosen_ends": False},
        {"prompt": turns, "chosen": says[:1], "rejected": says[1:]},
        {"chosen": [*turns, says[0]], "rejected": [*turns, says[1]]},
        {"chosen": "\n\nHuman: Hi\n\nAssistant: A", "rejected": "\n\nHuman: Hi\n\nAssistant: B"},
    ]

    def use(rng: random.Random) -> None:
        one = rng.choice(records)
        name = rng.choice(["p.jsonl", "p.NDJSON", "p.json", "p.jsonl.gz", "p"])
        path = tmp_path / name
        path.write_bytes(spoilt([one] if rng.random() < 0.2 else one, rng, as_json) + rng.choice([b"", b"\n"]))
        found = pairs.load(path)
        for pair in found:
            assert model.prompt_ids(pair.prompt) and model.reply_ids(pair.chosen) != model.reply_ids(pair.rejected)
        pairs.save(found, tmp_path / "again.jsonl")
        assert pairs.load(tmp_path / "again.jsonl") == found

    assert tried(use) > 10


def test_presets(tmp_path: Path) -> None:
    record = {
        "title": "A morning", "prompt": "Describe it.", "system": "Be brief.", "axis": "calm", "alpha": 0.7, "seed": 3,
        "temperature": 0.5, "top_k": 40, "top_p": 0.9, "updates": 10, "step_size": 0.5, "max_new_tokens": 8,
        "more": [{"axis": "loud", "alpha": -1.0}],
    }  # fmt: skip

    def use(rng: random.Random) -> None:
        (tmp_path / "a.toml").write_bytes(spoilt(record, rng, as_toml))
        preset = presets.read(tmp_path / "a.toml")
        chosen = Strength(axis=preset.axis or "x", alpha=preset.alpha, control=preset.control)
        messages = conversation(preset.prompt, preset.system or None)
        how = Sampling(**{name: getattr(preset, name) for name in Sampling.model_fields})
        for strengths in ((chosen,), preset.more):
            row = Row(messages=messages, strengths=strengths, seed=preset.seed)
            Request(rows=(row,), sampling=how, max_new_tokens=preset.max_new_tokens)
        (tmp_path / "again.toml").write_text(presets.to_toml(preset), encoding="utf-8")
        assert presets.read(tmp_path / "again.toml") == preset

    assert tried(use) > 10
