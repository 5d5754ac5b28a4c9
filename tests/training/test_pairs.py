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


def test_a_null_reply_is_the_models_own_and_read_only_where_it_is_written(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", pair(rejected=None), pair(chosen=None), pair())
    found = pairs.load(path, incomplete=True)
    assert [(one.chosen, one.rejected) for one in found] == [("yes", ""), ("", "no"), ("yes", "no")]
    with pytest.raises(InvalidInput, match=r"2 bad pairs.*a reply is null"):
        pairs.load(path)
    with pytest.raises(InvalidInput, match="the same"):
        pairs.load(write(tmp_path / "q.jsonl", pair(chosen=None, rejected=None)), incomplete=True)


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


TURNS = [{"role": "user", "content": "Hi"}]
TALK = [*TURNS, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "So?"}]


def says(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


@pytest.mark.parametrize(
    ("record", "prompt"),
    [
        ({"prompt": TURNS, "chosen": says("A"), "rejected": says("B")}, ["Hi"]),
        ({"prompt": "Hi", "chosen": says("A"), "rejected": says("B")}, ["Hi"]),
        ({"prompt": TURNS, "chosen": says("A")[0], "rejected": says("B")[0]}, ["Hi"]),
        ({"chosen": [*TURNS, *says("A")], "rejected": [*TURNS, *says("B")]}, ["Hi"]),
        ({"chosen": [*TALK, *says("A")], "rejected": [*TALK, *says("B")]}, ["Hi", "Hello", "So?"]),
        ({"prompt": "So? ", "chosen": [*TALK, *says("A")], "rejected": [*TALK, *says("B")]}, ["Hi", "Hello", "So?"]),
        (
            {
                "prompt": "Hi",
                "messages": 1,
                "score": 2,
                "chosen": [*TURNS, *says("A")],
                "rejected": [*TURNS, *says("B")],
            },
            ["Hi"],
        ),
        ({"chosen": "\n\nHuman: Hi\n\nAssistant: A", "rejected": "\n\nHuman: Hi\n\nAssistant: B"}, ["Hi"]),
        (
            {
                "chosen": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: So?\n\nAssistant: A",
                "rejected": "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: So?\n\nAssistant: B",
            },
            ["Hi", "Hello", "So?"],
        ),
        ({"prompt": "\n\nHuman: Hi\n\nAssistant:", "chosen": " A", "rejected": " B"}, ["Hi"]),
    ],
)
def test_the_commonest_public_formats_are_read(tmp_path: Path, record: object, prompt: list[str]) -> None:
    [one] = pairs.load(write(tmp_path / "p.jsonl", record))
    assert [turn.content for turn in one.prompt] == prompt
    assert (one.chosen, one.rejected) == ("A", "B")


def test_a_list_of_pairs_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    for name in ("p.json", "p.jsonl"):
        (tmp_path / name).write_text(json.dumps([pair(1), pair(2)], indent=1), encoding="utf-8-sig")
        assert len(pairs.load(tmp_path / name)) == 2
    (tmp_path / "q.json").write_text(json.dumps([pair(1), {"prompt": "a", "chosen": "b"}]))
    with pytest.raises(InvalidInput, match="item 2: 'rejected' is missing"):
        pairs.load(tmp_path / "q.json")


SHARED = [{"from": "human", "value": "Hi"}]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (pair(prompt=SHARED), "ShareGPT's format ('from', 'value')"),
        ({"conversations": SHARED, "chosen": "a", "rejected": "b"}, "ShareGPT's format ('conversations')"),
        ({"prompt": "a", "completion": "b", "label": True}, "an unpaired format ('completion')"),
        ({"messages": TURNS}, "one conversation ('messages')"),
        ({"input": {}, "preferred_output": [], "non_preferred_output": []}, "OpenAI's preference format"),
        (pair(prompt=[{**TURNS[0], "name": "bob"}]), "names who speaks"),
        (pair(prompt=[*TURNS, {"role": "tool", "content": "{}"}, *TURNS]), "calls tools"),
        (pair(prompt=[*TURNS, {"role": "assistant", "content": None, "tool_calls": [{}]}, *TURNS]), "calls tools"),
        (pair(tools=[{"name": "f"}]), "calls tools"),
        (pair(images=["a.png"]), "holds pictures"),
        (pair(prompt=[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]), "a content in parts"),
        (pair(prompt=[{**TURNS[0], "self": "me"}]), "a message with 'self'"),
        (pair(prompt=[{"role": "developer", "content": "Hi"}]), "whose role is none of"),
        (pair(chosen=[*TURNS]), "'chosen' does not end with the assistant's turn"),
        (pair(prompt="Ho", chosen=[*TURNS, *says("A")], rejected=[*TURNS, *says("B")]), "different conversations"),
        ({"chosen": [*TURNS, *says("A")], "rejected": [*TALK, *says("B")]}, "different conversations"),
        ({"chosen": "a", "rejected": "b"}, "'prompt' is missing"),
        (
            {"chosen": "\n\nHuman: Hi\n\nAssistant: A", "rejected": "\n\nHuman: Ho\n\nAssistant: B"},
            "different conversations",
        ),
        (pair(chosen="\u200b"), "'chosen' is not a text or is empty"),
        (pair(rejected="\u2060\ufe0f\u00ad "), "'rejected' is not a text or is empty"),
        (pair(prompt="\u200b\ufeff"), "prompt is empty"),
        (pair(prompt=[{"role": "system", "content": "\u200b"}, *TURNS]), "nothing to read in the system text"),
        (pair(chosen=[]), "'chosen' is not a text or is empty"),
        (pair(chosen=["a"]), "neither a text nor a list of messages"),
        ('{"prompt": "Hi \\ud83d", "chosen": "a", "rejected": "b"}', "half of a character"),
        ('{"prompt": ' + "[" * 5000, "deeper than"),
    ],
)
def test_other_formats_are_refused_by_their_name(tmp_path: Path, record: object, reason: str) -> None:
    with pytest.raises(InvalidInput, match="1 bad pairs") as told:
        pairs.load(write(tmp_path / "p.jsonl", pair(), record))
    assert f"line 2: {reason}" in told.value.message or reason in told.value.message
    assert "TRL" in told.value.hint


@pytest.mark.parametrize("name", ["p.JSONL", "p.ndjson", "p.Jsonl.GZ"])
def test_prompts_of_json_lines_are_known_by_every_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b'\xef\xbb\xbf{"prompt": "one\xe2\x80\xa8two"}\r\n{"prompt": "three"}\r\n')
    assert pairs.load_prompts(tmp_path / name) == ["one\u2028two", "three"]


@pytest.mark.parametrize(
    ("name", "reason"), [("p.csv", "table"), ("p.json", "one JSON value"), ("p.xlsx", "spreadsheet")]
)
def test_prompts_of_another_kind_are_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / name).write_text('["What is rain?"]')
    with pytest.raises(InvalidInput, match=reason):
        pairs.load_prompts(tmp_path / name)


def test_prompts_with_half_a_character_or_nothing_to_see_are_refused(tmp_path: Path) -> None:
    for line in ('{"prompt": "Hi \\ud83d"}', '{"prompt": "\u200b"}', '{"prompt": ["a"]}', '["a"]', "1"):
        with pytest.raises(InvalidInput, match=r"p\.jsonl line 2"):
            pairs.load_prompts(write(tmp_path / "p.jsonl", {"prompt": "a"}, line))
    (tmp_path / "p.txt").write_text("\ufeffone\u200b\n\u200b\n", encoding="utf-8")
    assert pairs.load_prompts(tmp_path / "p.txt") == ["one\u200b"]
