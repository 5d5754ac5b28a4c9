"""The command line: what each command prints, and that a mistake gets two lines and exit code 2, never a traceback."""

import io
import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from playground import descriptions, sources
from playground.cards import Card
from playground.cli import main as cli
from playground.cli.doctor import rows_within
from playground.cli.making import in_words
from playground.cli.progress import printable
from playground.events import Finished, Started, Token, from_json
from playground.player import Player
from playground.training.recipe import Recipe
from tests.conftest import FolderOf
from tests.tiny_axis import make_tiny_axis


@dataclass
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Shell:
    """Runs the console script's function in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.capture, self.patch = capture, patch

    def __call__(self, *arguments: str) -> Ran:
        self.patch.setattr(sys, "argv", ["playground", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        printed = self.capture.readouterr()
        code = left.value.code
        return Ran(code if isinstance(code, int) else 0 if code is None else 1, printed.out, printed.err)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


@pytest.fixture(scope="module")
def cheer(tmp_path_factory: pytest.TempPathFactory, tiny_folder: FolderOf) -> Path:
    """An axis of the tiny model."""
    return make_tiny_axis(tmp_path_factory.mktemp("axes") / "some-folder", tiny_folder("llama"), name="cheer")


@pytest.fixture
def tiny(tiny_folder: FolderOf) -> list[str]:
    """Options that choose the tiny model and short replies."""
    return ["--model", str(tiny_folder("llama")), "--dtype", "float32", "--max-new-tokens", "6"]


def test_say_prints_each_event_as_a_line_of_json(shell: Shell, tiny: list[str], cheer: Path) -> None:
    grid = ["--alpha", "-0.5", "--alpha", "2", "--control", "0", "--control", "1"]
    ran = shell("say", "Hi", "--axis", str(cheer), *grid, "--json", *tiny)
    assert ran.code == 0, ran.err
    events = [from_json(line) for line in ran.out.splitlines()]
    assert isinstance(events[0], Started)
    ends = sorted((event for event in events if isinstance(event, Finished)), key=lambda end: end.row)
    assert [(end.at.alpha, end.at.control) for end in ends] == [(-0.5, 0.0), (-0.5, 1.0), (2.0, 0.0), (2.0, 1.0)]
    for end in ends:
        tokens = [event for event in events if isinstance(event, Token) and event.row == end.row]
        assert "".join(token.text for token in tokens) == end.text
        assert tuple(token.id for token in tokens) == end.token_ids
        assert end.strengths[0].axis == str(cheer), "events speak of an axis as the request did"
        assert end.reward is not None
        assert (end.alpha_interval is None) == (end.at.control != 0)
    wanted = {"event", "row", "alpha", "control", "text", "token_ids", "alpha_interval", "reward", "kl", "perplexity",
              "finish_reason"}  # fmt: skip
    assert wanted <= set(json.loads(ran.out.splitlines()[-1]))


def test_say_merges_at_the_embeddings_where_that_is_asked(shell: Shell, tiny: list[str], cheer: Path) -> None:
    ran = shell("say", "Hi", "--axis", str(cheer), "--merge", "embeddings", "--json", *tiny)
    end = from_json(ran.out.splitlines()[-1])
    assert isinstance(end, Finished)
    assert end.strengths[0].merge == "embeddings" and end.alpha_interval is None


def test_say_without_an_axis_is_the_base_model(shell: Shell, tiny: list[str]) -> None:
    ran = shell("say", "Hi", "--json", *tiny)
    end = from_json(ran.out.splitlines()[-1])
    assert isinstance(end, Finished)
    assert (end.at.alpha, end.at.control, end.reward, end.strengths) == (0.0, 0.0, None, ())
    assert end.kl == 0


def test_say_reads_well_row_after_row(shell: Shell, tiny: list[str], cheer: Path) -> None:
    options = ["say", "Hi", "--axis", str(cheer), "--alpha", "0", "--alpha", "1", *tiny]
    told = shell(*options).out
    ends = [
        event for line in shell(*options, "--json").out.splitlines() if isinstance(event := from_json(line), Finished)
    ]
    first, second = "== alpha 0, control 0 ==", "== alpha 1, control 0 =="
    assert told.startswith(first)
    assert told.count("\n-- ") == 2
    top, bottom = told.split(second)
    for part, end in zip((top, bottom), sorted(ends, key=lambda end: end.row), strict=True):
        assert printable(end.text).strip() in part
        assert f"reward {end.reward:.2f}" in part
        assert f"{len(end.token_ids)} tokens" in part


def test_a_reply_gives_the_terminal_no_orders() -> None:
    assert printable("a\x1b[2J\x07\n\tb") == "a[2J\n\tb"


def test_the_same_command_says_the_same(shell: Shell, tiny: list[str]) -> None:
    options = ["say", "Hi", "--temperature", "1.0", "--json", *tiny]
    same, again, other = (shell(*options, "--seed", seed).out for seed in ("3", "3", "4"))
    assert same == again != other


def test_a_reply_ends_before_any_of_the_texts_that_stop_it(shell: Shell, tiny: list[str]) -> None:
    (whole, *_) = (from_json(line) for line in reversed(shell("say", "Hi", "--json", *tiny).out.splitlines()))
    assert isinstance(whole, Finished) and len(whole.text) > 4
    asked = ["say", "Hi", "--stop", "nowhere", "--stop", whole.text[2:4], "--json", *tiny]
    end = from_json(shell(*asked).out.splitlines()[-1])
    assert isinstance(end, Finished)
    assert (end.text, end.finish_reason) == (whole.text[: whole.text.index(whole.text[2:4])], "stop")


MISTAKES = {
    "unknown axis": (["--axis", "nope"], "nope"),
    "strength without an axis": (["--alpha", "1"], "needs an axis"),
    "nan": (["--axis", "a", "--alpha", "nan"], "finite"),
    "infinity": (["--axis", "a", "--control", "inf"], "finite"),
    "negative updates": (["--axis", "a", "--updates", "-1"], "updates"),
    "negative length": (["--max-new-tokens", "-2"], "max_new_tokens"),
    "negative temperature": (["--temperature", "-1"], "temperature"),
    "unknown model": (["--model", "nope"], "nope"),
    "unknown dtype": (["--dtype", "int3"], "int3"),
    "missing folder": (["--model", "./not/here"], "not/here"),
    "no number": (["--alpha", "much"], "--alpha"),
    "unknown option": (["--aplha", "1"], "--aplha"),
    "unknown place": (["--merge", "weights"], "embeddings"),
    "a place without an axis": (["--merge", "embeddings"], "--axis"),
}


@pytest.mark.parametrize(("options", "word"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_gets_a_message_and_exit_code_2(shell: Shell, tiny: list[str], options: list[str], word: str) -> None:
    ran = shell("say", "Hi", *tiny, *options)
    assert ran.code == 2
    assert word in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("prompt", ["", "  ", "word " * 600], ids=["empty", "blank", "longer than the context"])
def test_a_prompt_that_cannot_be_used_is_told(shell: Shell, tiny: list[str], prompt: str) -> None:
    ran = shell("say", prompt, *tiny)
    assert ran.code == 2
    assert len(ran.err.strip().splitlines()) >= 2
    assert ran.out == ""


def test_an_axis_of_another_base_model_is_refused(shell: Shell, tiny_folder: FolderOf, cheer: Path) -> None:
    ran = shell("say", "Hi", "--axis", str(cheer), "--model", str(tiny_folder("qwen2")))
    assert ran.code == 2
    assert "architecture" in ran.err
    assert ran.out == ""


def test_control_c_is_no_traceback(shell: Shell, tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(player: Player, request: object):
        yield Started((1,))
        raise KeyboardInterrupt

    monkeypatch.setattr(Player, "run", interrupted)
    ran = shell("say", "Hi", *tiny)
    assert ran.code not in (0, 2)
    assert "Traceback" not in ran.err


def test_fetch_and_list_tell_name_and_path(shell: Shell, own_cache: Path) -> None:
    fetched = json.loads(shell("model", "fetch", "tiny", "--json").out)
    assert [model["name"] for model in fetched] == ["tiny"]
    assert (Path(fetched[0]["path"]) / "config.json").is_file()
    listed = json.loads(shell("model", "list", "--json").out)
    assert isinstance(listed, list)
    assert all(set(model) == {"name", "path"} for model in listed)
    assert not any(model["name"] == "smollm2" for model in listed)


@pytest.mark.real
def test_the_embedded_model_is_listed(shell: Shell, embedded: Path) -> None:
    listed = json.loads(shell("model", "list", "--json").out)
    assert {"name": "smollm2", "path": str(embedded)} in listed


def test_axes_are_told_as_cards(shell: Shell, cheer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.places.AXES", cheer.parent)
    assert [Card(**card) for card in json.loads(shell("axes", "--json").out)] == [Card.load(cheer)]
    told = shell("axes").out
    assert all(name in told for name in descriptions.gallery())
    for part in ("cheer", "gloomy", "cheerful", "alpha -1 to 1.5", "control 0 to 1"):
        assert part in told


def test_an_axis_made_on_the_page_is_listed_and_steers_by_its_name(
    shell: Shell, cheer: Path, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    shutil.copytree(cheer, tmp_path / "alignment-playground" / "axes" / "a-folder")
    assert "cheer" in [card["name"] for card in json.loads(shell("axes", "--json").out)]
    ran = shell("say", "Hi.", "--axis", "cheer", "--json", *tiny)
    assert ran.code == 0, ran.err


def test_an_axis_of_other_weights_is_told_so(shell: Shell, cheer: Path, tmp_path: Path) -> None:
    sibling = sources.build_tiny(tmp_path / "sibling", "llama", seed=9)
    for command in ("generate", "spectrum"):
        ran = shell(command, "Hi", "--axis", str(cheer), "--model", str(sibling), "--max-new-tokens", "2")
        assert ran.code == 0 and "other values" in ran.err, ran.err


def test_a_layer_that_did_not_pass_its_guard_is_not_called_ready(cheer: Path) -> None:
    card = Card.load(cheer)
    assert "cheer is ready in out" in in_words(card, Path("out"), "smollm2")
    means = {"perplexity_ratio": 1.6, "diversity_ratio": 0.8, "relevance_ratio": 0.9, "passed": 0.0}
    failed = card.model_copy(
        update={"checks": {f"guard_{name}": mean for name, mean in means.items()}, "recipe": Recipe().model_dump()}
    )
    told = in_words(failed, Path("out"), "smollm2")
    assert "ready" not in told and "1.60 times the base's perplexity (at most 1.35)" in told


def test_damaged_axes_and_presets_are_named_and_keep_no_command_shut(
    shell: Shell, cheer: Path, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "data" / "alignment-playground" / "axes"
    shutil.copytree(cheer, shipped / "cheer")
    for folder, raw in ((shipped / "deep", b'{"a":' * 20_000), (own / "mine", b"{}"), (own / "half", b"\xff\n")):
        folder.mkdir(parents=True)
        (folder / "card.json").write_bytes(raw)
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "a.toml").write_bytes(b"title = ")
    monkeypatch.setattr("playground.places.AXES", shipped)
    monkeypatch.setattr("playground.places.PRESETS", tmp_path / "presets")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    listed = shell("axes", "--json")
    assert listed.code == 0
    assert [card["name"] for card in json.loads(listed.out)] == ["cheer"]
    assert listed.err.count("Left out") == 3
    assert all(str(folder) in listed.err for folder in (shipped / "deep", own / "mine", own / "half"))
    checks = {check["name"]: check for check in json.loads(shell("doctor", "--json", *tiny[:4]).out)["checks"]}
    assert not checks["axes"]["ok"] and str(own / "half") in checks["axes"]["detail"] and checks["axes"]["fix"]
    assert not checks["presets"]["ok"] and "a.toml" in checks["presets"]["detail"] and checks["presets"]["fix"]
    assert checks["reply"]["ok"]
    assert shell("say", "Hi.", *tiny, "--axis", "cheer").code == 0


def test_the_doctor_tries_the_model(shell: Shell, tiny: list[str]) -> None:
    report = json.loads(shell("doctor", "--json", *tiny[:4]).out)
    checks = {check["name"]: check for check in report["checks"]}
    assert report["ok"] == all(check["ok"] for check in report["checks"])
    names = {"python", "packages", "memory", "disk", "processor", "axes", "presets", "cache", "model", "fit", "reply"}
    names |= {"room on cpu"}
    assert names == set(checks)
    assert checks["reply"]["ok"] and checks["fit"]["ok"]
    assert "rows of 256 tokens in two streams" in checks["room on cpu"]["detail"]
    assert checks["fit"]["detail"].startswith("identity off by 0, logits off by ")
    assert all(check["fix"] for check in report["checks"] if not check["ok"])


def test_rows_are_what_keys_and_values_leave_room_for() -> None:
    """100 bytes a token in each of two streams: 51,200 a row of 256 tokens."""
    assert rows_within(3 * 51_200, kv_bytes=100) == 3
    assert rows_within(3 * 51_200 - 1, kv_bytes=100) == 2
    assert rows_within(0, kv_bytes=100) == 0


@pytest.mark.parametrize(("device", "finding"), [("cuda:999", "GPU"), ("gpu", "is not known")])
def test_a_device_that_is_not_here_is_told_and_no_model_is_loaded(shell: Shell, device: str, finding: str) -> None:
    told = shell("generate", "Hi.", "--model", "tiny", "--device", device)
    assert told.code == 2 and finding in told.err and "Traceback" not in told.err


def test_the_doctor_finds_the_missing_model_and_says_how_to_get_it(shell: Shell, own_cache: Path) -> None:
    report = json.loads(shell("doctor", "--json").out)
    model = next(check for check in report["checks"] if check["name"] == "model")
    assert not model["ok"]
    assert "playground model fetch" in model["fix"]
    assert "FIX  model" in shell("doctor").out


def test_the_module_is_the_console_script() -> None:
    ran = subprocess.run([sys.executable, "-m", "playground", "--version"], capture_output=True, text=True, check=True)
    from playground import __version__

    assert ran.stdout.strip() == __version__


def test_settings_of_control_need_an_axis(shell: Shell, tiny: list[str]) -> None:
    ran = shell("say", "Hi", "--updates", "3", *tiny)
    assert ran.code == 2
    assert "--axis" in ran.err


# --- sweep ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """A file of two prompts."""
    (tmp_path / "prompts.txt").write_text("Tell me about rain.\nWho are you?\n")
    return tmp_path / "prompts.txt"


def test_a_sweep_leaves_tables_a_chart_and_a_summary(
    shell: Shell, tiny: list[str], cheer: Path, asked: Path, tmp_path: Path
) -> None:
    out = tmp_path / "measured"
    what = ["sweep", "--axis", str(cheer), "--alphas", "-1:1:1", "--prompts", str(asked), "--out", str(out)]
    ran = shell(*what, "--encoder", "none", "--json", *tiny)
    assert ran.code == 0, ran.err
    summary = json.loads(ran.out)
    assert [(point["alpha"], point["control"]) for point in summary["points"]] == [(-1, 0), (0, 0), (1, 0)]
    assert summary["command"].startswith("playground sweep --axis")
    assert ran.err.startswith("Measuring alpha -1, 0, 1; control 0: 3 strengths × 2 prompts = 6 replies.\n")
    assert "sweep: 6 of 6 replies" in ran.err
    files = {"points.parquet", "replies.parquet", "curve.html", "summary.json"}
    assert files <= {path.name for path in out.iterdir()}
    again = shell(*what, "--encoder", "none", *tiny)
    assert again.code == 0, again.err
    assert "Reward" in again.out and str(out) in again.out
    assert "sweep: 6 of 6 replies" in again.err


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (["--alphas", "0:1"], "start:end:step"),
        (["--alphas", "nan"], "start:end:step"),
        (["--controls", "1:0:0.5"], "lead upwards"),
        (["--prompts", "nowhere.txt"], "no file"),
        (["--seeds", "0"], "seeds"),
        (["--temperature", "0", "--seeds", "2"], "Greedy"),
        (["--encoder", "nowhere"], "no sentence encoder"),
        (["--axis", "nobody"], "no axis named"),
        (["--dtype", "int3"], "dtype"),
        (["--max-new-tokens", "100000"], "beyond"),
    ],
)
def test_a_sweep_of_nonsense_is_told_in_two_lines(
    shell: Shell, tiny: list[str], cheer: Path, asked: Path, tmp_path: Path, wrong: list[str], word: str
) -> None:
    what = ["--axis", str(cheer), "--prompts", str(asked), "--out", str(tmp_path / "out"), "--encoder", "none"]
    ran = shell("sweep", *what, *tiny, *wrong)
    assert ran.code == 2
    assert word in ran.err and "Traceback" not in ran.err
    assert not (tmp_path / "out").exists()


def test_a_sweep_tells_how_it_read_a_comma_before_anything_is_loaded(
    shell: Shell, cheer: Path, asked: Path, tmp_path: Path
) -> None:
    what = ["--axis", str(cheer), "--prompts", str(asked), "--out", str(tmp_path / "out"), "--encoder", "none"]
    ran = shell("sweep", *what, "--alphas", "0,5", "--model", str(tmp_path / "nowhere"))
    assert ran.code == 2
    assert "alpha 0, 5;" in ran.err.splitlines()[0]


def test_a_full_disk_stops_a_sweep_with_the_way_on(
    shell: Shell, tiny: list[str], cheer: Path, asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playground.measure import report

    def full(*anything: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "write", full)
    what = ["--axis", str(cheer), "--prompts", str(asked), "--out", str(tmp_path / "out"), "--encoder", "none"]
    ran = shell("sweep", *what, "--alphas", "0", *tiny)
    assert ran.code == 2
    assert "No space left" in ran.err and "run the same command to go on" in ran.err


def test_the_axes_tell_their_judge(shell: Shell, cheer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from playground import cards

    judge = cards.Judge(kind="words", file="judge.json", agreement=0.9, pairs=40)
    monkeypatch.setattr(cards, "known", lambda: {cheer: Card.load(cheer).model_copy(update={"judge": judge})})
    assert "words, agrees with 90% of 40 labelled pairs" in shell("axes").out
    assert json.loads(shell("axes", "--json").out)[0]["judge"]["kind"] == "words"


def test_the_command_that_a_new_axis_ends_with_can_be_run(shell: Shell, tiny_folder: FolderOf, tmp_path: Path) -> None:
    out, model = tmp_path / "a new axis", str(tiny_folder("llama"))
    few = {
        "pairs": 16, "samples": 1, "invent_tokens": 8, "steps": 1, "check_every": 1, "guard_prompts": 2, "rollouts": 16,
        "scale_prompts": 2, "reply_tokens": 8, "refine_rounds": 0, "value_epochs": 1, "measured_prompts": 2,
        "measured_tokens": 8, "climb_steps": 1,
    }  # fmt: skip
    ran = shell(
        "axis", "invent", "--name", "warmth", "--positive", "a warm person", "--negative", "a cold person",
        "--out", str(out), "--model", model, "--dtype", "float32",
        *(word for name, value in few.items() for word in ("--set", f"{name}={value}")),
    )  # fmt: skip
    assert ran.code == 0, ran.err
    card = Card.load(out)
    assert shlex.split(card.command)[:3] == ["playground", "axis", "invent"]
    _, found, tried = ran.out.rpartition("Try: playground ")
    assert found
    asked = [float(value) for name, value in pairwise(shlex.split(tried)) if name == "--alpha"]
    assert asked == sorted({*card.safe_range.of("alpha"), 0.0}), "no strength beyond what was found safe"
    said = shell(*shlex.split(tried), "--dtype", "float32", "--max-new-tokens", "6", "--json")
    assert said.code == 0, said.err
    ends = [event for event in map(from_json, said.out.splitlines()) if isinstance(event, Finished)]
    assert sorted(end.at.alpha for end in ends) == asked


def test_a_path_that_is_no_text_is_refused_before_any_work(shell: Shell, tmp_path: Path) -> None:
    out = str(tmp_path / "caf\udce9")  # how Python reads a name in Latin-1
    ran = shell("axis", "invent", "--name", "x", "--positive", "a", "--negative", "b", "--out", out)
    assert ran.code == 2
    first, hint = ran.err.splitlines()
    assert first.endswith("caf\\udce9' is no UTF-8.") and hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_letters_gets_what_it_can_show(
    tiny: list[str], tiny_folder: FolderOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    folder = make_tiny_axis(tmp_path / "axis", tiny_folder("llama"), name="größe 冷静")
    said = ["say", "Grüße", "--axis", str(folder), "--temperature", "2", *tiny[:4], "--max-new-tokens", "40"]

    def printed(*arguments: str, encoding: str) -> str:
        terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setattr(sys, "argv", ["playground", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert not left.value.code
        terminal.flush()
        return terminal.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]

    whole, shown = (
        [from_json(line) for line in printed(*said, "--json", encoding=name).split("\n")[:-1]]
        for name in ("utf-8", encoding)
    )
    assert shown == whole
    assert any(not event.text.isascii() for event in whole if isinstance(event, Finished)), "a case that tells"
    assert "?" in printed(*said, encoding=encoding)
