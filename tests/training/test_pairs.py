"""Pairs files: what is read, what is refused and how it is told."""

import gzip
import json
from pathlib import Path

import pytest

from playground.errors import InvalidInput
from playground.training import pairs


def write(path: Path, *records: object) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records), encoding="utf-8")
    return path


def pair(number: int = 0, **more: object) -> dict[str, object]:
    return {"prompt": f"prompt {number}", "chosen": "yes", "rejected": "no", **more}


def test_text_and_messages_are_both_prompts(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "So?"},
    ]
    found = pairs.load(write(tmp_path / "p.jsonl", pair(source="x"), pair(prompt=turns), ""))
    assert [len(one.prompt) for one in found] == [1, 3]
    assert found[0].prompt[0].role == "user"


def test_gzip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(pair()).encode()))
    assert len(pairs.load(path)) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ({"prompt": "a", "chosen": "b"}, "'rejected' is missing"),
        (pair(chosen=" "), "'chosen' is not a text or is empty"),
        (pair(chosen=3), "'chosen' is not a text"),
        (pair(chosen="same", rejected="same "), "are the same"),
        (pair(prompt=7), "neither a text nor a list"),
        (pair(prompt=[{"role": "robot", "content": "x"}]), "role"),
        (pair(prompt="  "), "prompt is empty"),
        (pair(prompt=[{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]), "user's turn"),
    ],
)
def test_a_bad_line_is_told_by_number_and_reason(tmp_path: Path, line: object, reason: str) -> None:
    with pytest.raises(InvalidInput, match=r"1 bad pairs\. line 2: ") as told:
        pairs.load(write(tmp_path / "p.jsonl", pair(), line, pair()))
    assert reason in told.value.message
    assert told.value.hint


def test_many_bad_lines_are_counted(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"9 bad pairs.*\(and 4 more\)"):
        pairs.load(write(tmp_path / "p.jsonl", *["oops"] * 9))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\x1f\x8bbroken"])
def test_what_is_no_pairs_file_is_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("p.jsonl", "p.jsonl.gz"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InvalidInput):
            pairs.load(path)
    with pytest.raises(InvalidInput, match="no file"):
        pairs.load(tmp_path / "nowhere.jsonl")


def test_lines_can_be_picked_by_a_key(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", pair(trait="calm"), pair(trait="loud"))
    assert len(pairs.load(path, ("trait", "loud"))) == 1
    with pytest.raises(InvalidInput, match="with trait shy"):
        pairs.load(path, ("trait", "shy"))


def test_prefixes_of_a_conversation_stay_on_one_side(tmp_path: Path) -> None:
    records = []
    for number in range(60):
        first = {"role": "user", "content": f"question {number}"}
        more = [{"role": "assistant", "content": "answer"}, {"role": "user", "content": "And?"}]
        records += [pair(prompt=[first]), pair(prompt=[first, *more])]
    parts = pairs.split(pairs.load(write(tmp_path / "p.jsonl", *records)), 0.2)
    firsts = [{pairs.first_user_message(one.prompt) for one in part} for part in parts]
    assert firsts[0] and firsts[1] and not firsts[0] & firsts[1]
    assert len(parts.train) + len(parts.development) == len(records)


def test_too_few_prompts_are_refused(tmp_path: Path) -> None:
    found = pairs.load(write(tmp_path / "p.jsonl", pair()))
    with pytest.raises(InvalidInput, match="too few"):
        pairs.split(found, 0.15)


def test_prompts_are_read_from_text_and_jsonl(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one\n\ntwo\none\n", encoding="utf-8")
    assert pairs.load_prompts(tmp_path / "p.txt") == ["one", "two"]
    assert pairs.load_prompts(write(tmp_path / "p.jsonl", {"prompt": "one"})) == ["one"]
    with pytest.raises(InvalidInput, match="line 2"):
        pairs.load_prompts(write(tmp_path / "q.jsonl", {"prompt": "one"}, {"text": "two"}))
