"""A study is tried out in seconds: an example that is whole, a tiny model in place of a real one, own replies."""

import json
from pathlib import Path

import pandas as pd
import pytest

from playground.errors import InvalidInput
from playground.study import building, own_replies, plan, stimuli
from tests.cli.test_cli import Shell
from tests.study.made import SHORT
from tests.study.test_cli import files, refused

OWN = SHORT.replace("strengths =", 'replies = "mine.csv"\nstrengths =')


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    return Shell(capsys, monkeypatch)


def test_the_example_is_built_answered_and_analysed(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "look"
    ran = shell("study", "new", str(folder), "--example")
    assert ran.code == 0, ran.err
    study = stimuli.load(folder)
    assert len(study.stimuli) == 7 * 7
    assert all(one.reward is not None and one.kl is not None for one in study.stimuli.values())
    assert "best" in ran.out
    assert json.loads((folder / "analysis" / "analysis.json").read_text())["about"]["study"] == "how-outgoing"
    assert (folder / "analysis" / "report.html").stat().st_size > 10_000
    people = shell("study", "people", str(folder), "--database", f"sqlite:///{folder / 'simulated.sqlite'}")
    assert people.out.count("completed") == 40
    before = files(folder)
    refused(shell("study", "new", str(folder), "--example"), "there already")
    assert files(folder) == before


def test_a_tiny_model_rehearses_a_plan_of_a_shipped_axis(shell: Shell, tmp_path: Path) -> None:
    source = SHORT.replace("strengths =", "max_new_tokens = 4\nstrengths =")
    (tmp_path / "study.toml").write_text(source)
    build = ("study", "build", str(tmp_path / "study.toml"), "--out", str(tmp_path / "out"), "--model", "tiny")
    ran = shell(*build)
    assert ran.code == 0, ran.err
    assert "rehearsal" in ran.out
    study = stimuli.load(tmp_path / "out")
    assert study.manifest.axis == "extraversion"
    assert len({one.reply for one in study.stimuli.values()}) > 2
    first = (tmp_path / "out" / "stimuli.parquet").read_bytes()
    assert shell(*build).code == 0
    assert (tmp_path / "out" / "stimuli.parquet").read_bytes() == first


def test_conditions_may_have_models_of_their_own(shell: Shell, tmp_path: Path) -> None:
    source = SHORT.replace("strengths =", "max_new_tokens = 4\nstrengths =")
    source += '[[conditions]]\nid = "one"\n[[conditions]]\nid = "two"\nmodel = "tiny:qwen2"\nstrengths = [0.0, 2.0]\n'
    (tmp_path / "study.toml").write_text(source)
    build = ("study", "build", str(tmp_path / "study.toml"), "--out", str(tmp_path / "out"), "--model", "tiny")
    ran = shell(*build)
    assert ran.code == 0, ran.err
    study = stimuli.load(tmp_path / "out")
    made = {name: one["model"]["architecture"] for name, one in study.manifest.conditions.items()}
    assert set(made) == {"one", "two"}
    assert made["one"] != made["two"]
    assert study.at("work", 0, 0.0, "one").reply != study.at("work", 0, 0.0, "two").reply
    simulated = f"sqlite:///{tmp_path / 'out' / 'simulated.sqlite'}"
    assert shell("study", "simulate", str(tmp_path / "out"), "--people", "8").code == 0
    analyse = ("study", "analyse", str(tmp_path / "out"), "--database", simulated)
    refused(shell(*analyse), "no condition ''")
    ran = shell(*analyse, "--condition", "one")
    assert ran.code == 0, ran.err
    assert (tmp_path / "out" / "analysis" / "one" / "report.html").is_file()


# -- replies of one's own ----------------------------------------------------------------------------------------------


def own_table() -> pd.DataFrame:
    rows = [
        {"prompt": prompt, "strength": strength, "reply": f'My {prompt} at {strength}, "quoted".\nIn two lines.'}
        for prompt in ("work", "home")
        for strength in (-1, 0.0, 1, 2)
    ]
    return pd.DataFrame(rows)


def test_a_table_of_replies_becomes_a_study(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(OWN)
    own_table().to_csv(tmp_path / "mine.csv", index=False, encoding="utf-8-sig")
    ran = shell("study", "build", str(tmp_path / "study.toml"), "--out", str(tmp_path / "out"))
    assert ran.code == 0, ran.err
    study = stimuli.load(tmp_path / "out")
    one = study.at("home", 0, 2.0)
    assert one.reply == own_table().iloc[-1]["reply"]
    assert (one.slider, one.strength, one.reward, one.kl) == ("alpha", 2.0, None, None)
    assert one.tokens == len(one.reply.split())
    assert shell("study", "simulate", str(tmp_path / "out"), "--people", "3").code == 0
    database = f"sqlite:///{tmp_path / 'out' / 'simulated.sqlite'}"
    ran = shell("study", "export", str(tmp_path / "out"), "--out", str(tmp_path / "data"), "--database", database)
    assert ran.code == 0, ran.err


def test_what_a_table_tells_of_a_reply_is_kept(tmp_path: Path) -> None:
    own_table().assign(reward=1.5, tokens=9, kl=0.25).to_csv(tmp_path / "mine.csv", index=False)
    study = building.take(plan.parse(OWN), OWN, tmp_path / "mine.csv", tmp_path / "out")
    assert {(one.reward, one.tokens, one.kl, one.perplexity) for one in study.stimuli.values()} == {
        (1.5, 9, 0.25, None)
    }


BROKEN = {
    "no reply column": (lambda table: table.drop(columns="reply"), "no column 'reply'"),
    "an unknown column": (lambda table: table.assign(rewrad=1), "rewrad"),
    "a missing reply": (lambda table: table.iloc[1:], "lacks the reply of prompt 'work', strength -1"),
    "another prompt": (lambda table: table.replace("home", "hoem"), "lacks the reply of prompt 'home'"),
    "a reply too many": (lambda table: pd.concat([table, table.iloc[:1].assign(strength=3)]), "has the reply of"),
    "a reply twice": (lambda table: pd.concat([table, table.iloc[:1]]), "there twice"),
    "an empty reply": (lambda table: table.assign(reply=" "), "line 2: the reply is empty"),
    "no number": (lambda table: table.assign(strength="strong"), "strength is no number"),
    "half a seed": (lambda table: table.assign(seed=0.5), "seed is no whole number"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_table_that_does_not_fit_is_refused_by_line_or_reply(tmp_path: Path, kind: str) -> None:
    change, says = BROKEN[kind]
    change(own_table()).to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(InvalidInput, match=says):
        building.take(plan.parse(OWN), OWN, tmp_path / "mine.csv", tmp_path / "out")


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no file"):
        own_replies.read(tmp_path / "nosuch.csv")
    (tmp_path / "x.csv").write_text("prompt,strength,reply\nwork,1\n")
    with pytest.raises(InvalidInput, match="line 2"):
        own_replies.read(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text('prompt,strength,reply\nwork,1,"never ends')
    with pytest.raises(InvalidInput, match="line"):
        own_replies.read(tmp_path / "x.csv")


def test_answered_replies_of_ones_own_cannot_change(shell: Shell, tmp_path: Path) -> None:
    from playground.study.database import sqlite_url
    from playground.study.store import Store

    (tmp_path / "study.toml").write_text(OWN)
    own_table().to_csv(tmp_path / "mine.csv", index=False)
    build = ("study", "build", str(tmp_path / "study.toml"), "--out", str(tmp_path / "out"))
    assert shell(*build).code == 0
    with Store.open(sqlite_url(tmp_path / "out" / "study.sqlite"), stimuli.load(tmp_path / "out")) as store:
        store.enrol("form-0001")
    assert shell(*build).code == 0
    own_table().assign(reply="Another.").to_csv(tmp_path / "mine.csv", index=False)
    refused(shell(*build), "another version")
