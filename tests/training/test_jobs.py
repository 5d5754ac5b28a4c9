"""Axes in the making: processes that outlive a page, stop, go on, fail in words, and never meet."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from playground.errors import InvalidInput
from playground.events import Finished, Progress, to_json
from playground.settings import Sliders
from playground.training.jobs import TrainingJobs, TrainingRequest

SENTENCES = {"positive": "a calm person", "negative": "a hectic person"}
TOLD = Progress("identity layer", 3, 60, "steps", 1.0, 57.0)

TRAINING = """
import os, pathlib, signal, sys
given = dict(zip(sys.argv, sys.argv[1:]))
out = pathlib.Path(given["--out"])
out.mkdir(exist_ok=True)
print(os.environ["TOLD"], flush=True)
if given["--name"] == "slow":
    open(os.environ["BEGUN"], "w").close()
    signal.pause()
if given["--name"] == "broken":
    sys.exit("There is nothing to learn.\\nGive more pairs.")
(out / "card.json").write_text("{}")
"""


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Waits until the slow training has told how far it is."""
    path = tmp_path / "begun"
    os.mkfifo(path)
    monkeypatch.setenv("BEGUN", str(path))
    monkeypatch.setenv("TOLD", to_json(TOLD))
    return lambda: path.open().close()


def jobs(folder: Path) -> TrainingJobs:
    return TrainingJobs(folder, "tiny", "float32", ["--set", "steps=1"], [sys.executable, "-c", TRAINING])


@pytest.fixture
def shop(tmp_path: Path, begun: Callable[[], None]) -> TrainingJobs:
    return jobs(tmp_path / "axes")


def end(shop: TrainingJobs, slug: str) -> None:
    shop._at_work[slug].wait()
    shop._watching[slug].join()  # others may see it then, too


def test_two_sentences_or_pairs_are_a_command() -> None:
    invent = TrainingRequest(name=" Calm ", **SENTENCES, positive_pole="calm", minutes=12.5).arguments(Path("out"))
    assert invent == [
        "axis", "invent", "--positive", "a calm person", "--negative", "a hectic person", "--name", "Calm",
        "--positive-pole", "calm", "--negative-pole", "less", "--minutes", "12.5", "--out", "out",
    ]  # fmt: skip
    train = TrainingRequest(name="calm", pairs="p.jsonl").arguments(Path("out"))
    assert train[:4] == ["axis", "train", "--pairs", "p.jsonl"]
    both = TrainingRequest(name="calm", pairs="p.jsonl", **SENTENCES).arguments(Path("out"))
    assert both[1] == "invent" and "--pairs" in both
    with pytest.raises(InvalidInput, match="two sentences, or from pairs"):
        TrainingRequest(name="calm", positive="a calm person").arguments(Path("out"))


def test_every_command_is_one_the_program_has() -> None:
    from typer.testing import CliRunner

    from playground.cli.main import app

    for order in (TrainingRequest(name="calm", **SENTENCES), TrainingRequest(name="calm", pairs="p.jsonl")):
        told = CliRunner().invoke(app, [*order.arguments(Path("out"))[:2], "--help"], env={"COLUMNS": "200"}).output
        asked = [word for word in order.arguments(Path("out")) if word.startswith("--")]
        assert [word for word in asked if word not in told] == []


@pytest.mark.parametrize(("name", "slug"), [("calm", "calm"), ("  größe ", "größe"), ("冷静", "冷静")])
def test_a_name_becomes_a_folder_inside_the_workshop(name: str, slug: str) -> None:
    assert TrainingRequest(name=name).slug() == slug


def test_no_two_names_share_a_folder_and_none_leaves_the_workshop() -> None:
    names = ["calm", "Calm", "Calm & kind", "calm kind", "größe", "grüße", "???", "!!!", "../../etc", "etc", "😀" * 60]
    slugs = [TrainingRequest(name=name).slug() for name in names]
    assert len({slug.casefold() for slug in slugs}) == len(names)
    assert all(len(slug.encode()) < 100 and "/" not in slug and not slug.startswith(".") for slug in slugs)
    for name in ("", " ", "\u200b", "two\nlines"):
        with pytest.raises(InvalidInput, match="name"):
            TrainingRequest(name=name)


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b'{"order": {}, "pid": 5}', b'{"order": {"name": "x"}, "pid": -1}', b"\xff", b"[" * 9999]
)
def test_a_damaged_record_hides_no_other_and_is_named(shop: TrainingJobs, raw: bytes) -> None:
    slug = shop.begin(TrainingRequest(name="quick", **SENTENCES))
    end(shop, slug)
    (shop.folder / "bad.json").write_bytes(raw)
    assert [one.slug for one in shop.all()] == [slug]
    with pytest.raises(InvalidInput, match=r"bad\.json is damaged"):
        shop.look("bad")


def test_damaged_files_of_a_training_are_passed_over(shop: TrainingJobs) -> None:
    slug = shop.begin(TrainingRequest(name="broken", **SENTENCES))
    end(shop, slug)
    work = shop.folder / slug / "training"
    work.mkdir(parents=True)
    (work / "pairs.jsonl").write_bytes(b'{"prompt": "\xff"}\n')
    (work / "guard.jsonl").write_text(f'{{"event": "progress"}}\n{said(1.0, "Ah")}\n')
    (shop.folder / f"{slug}.log").write_bytes(b'{"event": "progress"}\n\xff "progress"\n')
    one = shop.look(slug)
    assert (one.pair, one.says, one.progress) == (None, ((1.0, "Ah"),), None)


def test_it_tells_how_far_it_is_stops_and_goes_on(shop: TrainingJobs, begun: Callable[[], None]) -> None:
    slug = shop.begin(TrainingRequest(name="slow", **SENTENCES))
    begun()
    assert (shop.look(slug).phase, shop.look(slug).progress) == ("making", TOLD)
    with pytest.raises(InvalidInput, match="slow is being made"):
        shop.begin(TrainingRequest(name="other", **SENTENCES))
    shop.cancel(slug)
    assert (shop.look(slug).phase, shop.look(slug).problem) == ("stopped", "")
    shop.go_on(slug)
    begun()
    assert shop.look(slug).phase == "making"
    shop.close()
    assert shop.look(slug).phase == "stopped"
    shop.forget(slug)
    assert list(shop.folder.iterdir()) == []
    with pytest.raises(InvalidInput, match="nothing to resume"):
        shop.look(slug)


def test_another_page_on_the_same_folder_sees_it_and_can_stop_it(shop: TrainingJobs, begun: Callable[[], None]) -> None:
    slug = shop.begin(TrainingRequest(name="slow", **SENTENCES))
    begun()
    later = jobs(shop.folder)
    assert [(one.name, one.phase) for one in later.all()] == [("slow", "making")]
    with pytest.raises(InvalidInput, match="is being made"):
        later.begin(TrainingRequest(name="other", **SENTENCES))
    later.cancel(slug)
    end(shop, slug)
    assert later.look(slug).phase == "stopped"


def test_what_is_made_is_listed_and_its_name_is_taken(shop: TrainingJobs) -> None:
    slug = shop.begin(TrainingRequest(name="quick", **SENTENCES))
    end(shop, slug)
    assert shop.look(slug).phase == "made"
    assert list(shop.finished()) == [shop.folder / "quick"]
    with pytest.raises(InvalidInput, match="an axis named quick already"):
        shop.begin(TrainingRequest(name="quick", **SENTENCES))


def test_a_training_that_fails_says_why(shop: TrainingJobs) -> None:
    slug = shop.begin(TrainingRequest(name="broken", **SENTENCES))
    end(shop, slug)
    assert shop.look(slug).phase == "failed"
    assert shop.look(slug).problem == "There is nothing to learn. Give more pairs."
    assert jobs(shop.folder).look(slug).phase == "stopped", "on another day, going on tells"


def test_given_pairs_are_kept_since_an_upload_vanishes(shop: TrainingJobs, tmp_path: Path) -> None:
    upload = tmp_path / "mine.jsonl.gz"
    upload.write_bytes(b"pairs")
    slug = shop.begin(TrainingRequest(name="quick", pairs=str(upload)))
    end(shop, slug)
    assert (shop.folder / "quick.pairs.jsonl.gz").read_bytes() == b"pairs"


def test_a_training_from_an_upload_goes_on_when_the_upload_is_gone(
    shop: TrainingJobs, tmp_path: Path, begun: Callable[[], None]
) -> None:
    upload = tmp_path / "mine.jsonl"
    upload.write_bytes(b"pairs")
    slug = shop.begin(TrainingRequest(name="slow", pairs=str(upload)))
    begun()
    shop.cancel(slug)
    upload.unlink()
    assert shop.go_on(slug) == slug
    shop.cancel(slug)


def test_a_stopped_training_is_not_written_over_by_another_of_its_name(
    shop: TrainingJobs, tmp_path: Path, begun: Callable[[], None]
) -> None:
    upload, other = tmp_path / "mine.jsonl", tmp_path / "other.jsonl"
    upload.write_bytes(b"pairs")
    other.write_bytes(b"other pairs")
    order = TrainingRequest(name="slow", pairs=str(upload))
    slug = shop.begin(order)
    begun()
    shop.cancel(slug)
    for wrong in (order.model_copy(update={"pairs": str(other)}), TrainingRequest(name="slow", **SENTENCES)):
        with pytest.raises(InvalidInput, match="named slow was begun and stopped"):
            shop.begin(wrong)
        assert Path(shop.order(slug).pairs).read_bytes() == b"pairs"
    assert shop.begin(order.model_copy(update={"minutes": 50})) == slug, "the same goes on"
    shop.cancel(slug)


def test_where_nothing_can_be_kept_it_says_so(tmp_path: Path, begun: Callable[[], None]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidInput, match="Nothing can be kept"):
        jobs(tmp_path / "file").begin(TrainingRequest(name="quick", **SENTENCES))


def test_it_shows_what_is_learnt_and_what_the_model_says_meanwhile(shop: TrainingJobs) -> None:
    slug = shop.begin(TrainingRequest(name="broken", **SENTENCES))
    end(shop, slug)
    work = shop.folder / slug / "training"
    work.mkdir(parents=True)
    (work / "pairs.jsonl").write_text(
        '{"prompt": [{"role": "user", "content": "Hello."}], "chosen": "Slowly.", "rejected": "Now!"}\n{"half'
    )
    assert shop.look(slug).pair == ("Hello.", "Slowly.", "Now!")
    assert shop.look(slug).says == ()
    (work / "guard.jsonl").write_text(f"{said(1.0, 'Ah.')}\n{said(-1.0, 'Quick!')}\n{said(0.0, 'Hm.')}\n")
    assert shop.look(slug).says == ((-1.0, "Quick!"), (1.0, "Ah."))


def said(alpha: float, text: str) -> str:
    return to_json(Finished(0, Sliders(alpha=alpha), text, (), None, None, 0.0, 1.0, "length"))
