"""Files at the edge: what people's editors and exporters write is read, the rest is refused by its reason."""

import codecs
import gzip
import json
from pathlib import Path

import pytest

from playground import files
from playground.errors import InvalidInput

SEPARATORS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""What Python's splitlines takes for line ends, and JSON Lines do not."""


@pytest.mark.parametrize(
    "raw",
    [
        "é one\ntwo".encode(),
        codecs.BOM_UTF8 + "é one\r\ntwo".encode(),
        "é one\rtwo".encode("utf-16"),
        codecs.BOM_UTF16_BE + "é one\r\ntwo".encode("utf-16-be"),
        gzip.compress(codecs.BOM_UTF8 + "é one\ntwo".encode(), mtime=0),
        gzip.compress("é one\n".encode(), mtime=0) + gzip.compress(b"two", mtime=0),
    ],
)
def test_a_text_is_read_in_every_encoding_that_names_itself(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(raw)
    assert files.read_lines(tmp_path / "a.txt") == ["é one", "two"]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"one\ntw\xffo", "line 2 is no UTF-8"),
        ("one\ntwo \ud83d".encode("utf-8", "surrogatepass"), "line 2 is no UTF-8"),
        ("grüße".encode("latin-1"), "line 1 is no UTF-8"),
        ("one".encode("utf-16-le"), "line 1 holds a zero byte"),
        (codecs.BOM_UTF16_LE + b"\x00", "line 1 is no UTF-16"),
        (gzip.compress(b"one" * 50, mtime=0)[:-9], "the gzip file ends too early"),
        (b"\x1f\x8bbroken", "cannot be read"),
    ],
)
def test_what_is_no_text_is_refused_with_file_and_line(tmp_path: Path, raw: bytes, says: str) -> None:
    (tmp_path / "a.txt").write_bytes(raw)
    with pytest.raises(InvalidInput) as told:
        files.read_text(tmp_path / "a.txt")
    assert says in told.value.message and "a.txt" in told.value.message
    assert told.value.hint


def test_a_missing_file_a_folder_and_an_impossible_path_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "gone", tmp_path, Path("a\0b"), Path("x" * 5000)):
        with pytest.raises(InvalidInput):
            files.read_text(path)


def test_what_is_too_large_is_refused_before_it_is_held(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 101)
    (tmp_path / "bomb.txt").write_bytes(gzip.compress(b"a" * 10_000_000, mtime=0))
    assert len(files.read_text(tmp_path / "a.txt", 101)) == 101
    for name in ("a.txt", "bomb.txt"):
        with pytest.raises(InvalidInput, match="larger than 100 bytes"):
            files.read_text(tmp_path / name, 100)
    with pytest.raises(InvalidInput, match="larger than 100 bytes"):
        files.read_text(Path("/dev/zero"), 100)  # its size says 0


@pytest.mark.parametrize("name", ["a.jsonl", "a.JSONL", "a.ndjson", "a.Jsonl.GZ"])
@pytest.mark.parametrize("plain", [True, False])
def test_json_lines_are_known_by_every_name(tmp_path: Path, name: str, plain: bool) -> None:
    (tmp_path / name).write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n\xef\xbb\xbf{"a": "' + SEPARATORS[3:].encode() + b'"}')
    found = list(files.read_entries(tmp_path / name, plain))
    assert [where for where, _ in found] == ["line 1", "line 3"]
    assert [json.loads(text, strict=False)["a"] for _, text in found] == [1, SEPARATORS[3:]]


@pytest.mark.parametrize("name", ["a.txt", "a.TXT", "a", "a.txt.gz"])
def test_plain_text_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("one\n\n[two]\n", encoding="utf-8")
    assert list(files.read_entries(tmp_path / name, plain=True)) == [("line 1", "one"), ("line 3", "[two]")]


def test_a_list_of_objects_is_read_where_objects_are_wanted(tmp_path: Path) -> None:
    for name in ("a.json", "a.jsonl"):
        (tmp_path / name).write_text('\n[{"a": "\\ud83d"},\n {"a": 2}]\n', encoding="utf-8")
        found = list(files.read_entries(tmp_path / name, plain=False))
        assert [(where, json.loads(text)["a"]) for where, text in found] == [("item 1", "\ud83d"), ("item 2", 2)]
    (tmp_path / "lines.json").write_text('{"a": 1}\n{"a": 2}\n', encoding="utf-8")
    assert len(list(files.read_entries(tmp_path / "lines.json", plain=False))) == 2


@pytest.mark.parametrize(
    ("name", "plain", "says"),
    [
        ("a.csv", True, "is a table with columns"),
        ("a.CSV.gz", False, "is a table with columns"),
        ("a.json", True, "is one JSON value"),
        ("a.json", False, "is one JSON value"),
        ("a.parquet", False, "is a table in binary"),
        ("a.yaml", True, "is of a kind that is not read here"),
    ],
)
def test_other_kinds_are_refused_by_their_reason(tmp_path: Path, name: str, plain: bool, says: str) -> None:
    (tmp_path / name).write_text('{\n"a": 1}', encoding="utf-8")
    with pytest.raises(InvalidInput, match=says) as told:
        list(files.read_entries(tmp_path / name, plain))
    assert ".jsonl" in told.value.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("1" * 5000, "not JSON"),
        ("[" * 200_000, "deeper than 64"),
        ("[" * 80 + "]" * 80, "deeper than 64"),
        ('{"a":' * 500 + "1" + "}" * 500, "deeper than 64"),
        (r'{"a": ["\ud83d"]}', "half of a character"),
        (r'{"\udc00": 1}', "half of a character"),
    ],
)
def test_json_that_cannot_be_used_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        files.parse_json(text)


@pytest.mark.parametrize(
    "text", ["a = ", "a = " + "[" * 5000, "a = " + "9" * 5000, "a = [" * 3, ".".join("a" * 99) + "=1"]
)
def test_toml_that_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        files.parse_toml(text)


def test_depth_and_whole_characters_are_no_reason_to_refuse() -> None:
    assert files.parse_json(r'["\ud83d\ude00", ' + "[" * 60 + "]" * 60 + "]")[0] == "\U0001f600"


def test_lines_of_our_own_end_at_a_newline_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [f"one{SEPARATORS}\r", "", "two"]
    files.write_json_lines(path, lines)
    files.add_json_lines(path, ["three"])
    assert files.whole_lines(path) == [*lines, "three"]


def test_a_torn_last_line_is_left_out_and_cut_off_only_by_who_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": "\xc3')
    assert files.read_json_lines(path, json.loads) == [{"a": 1}]
    assert path.stat().st_size > 9
    files.mend(path)
    assert path.read_bytes() == b'{"a": 1}\n'
    files.mend(tmp_path / "none")
    assert files.whole_lines(tmp_path / "none") == []


@pytest.mark.parametrize("raw", [b'{"a": 1}\n{"a"\n', b'{"a": 1}\n\xff\n'])
def test_a_damaged_line_of_our_own_is_named(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(raw)
    with pytest.raises(InvalidInput, match=r"a\.jsonl is damaged: line 2"):
        files.read_json_lines(tmp_path / "a.jsonl", json.loads)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"a": "\u2028"})
    assert files.read_json(path) == {"a": "\u2028"}
    with pytest.raises(UnicodeEncodeError):
        files.write_text(path, "half \ud83d")
    assert files.read_json(path) == {"a": "\u2028"}
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]
