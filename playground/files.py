"""Files at the edge: what people bring is read here, once and within bounds, and what we keep is written in one piece.

Texts of people may come in UTF-8 or UTF-16, with any line end, gzipped or not. JSON Lines of our own are UTF-8 and end
at a newline and nothing else: a reply may hold every other line separator that Unicode knows.
"""

import codecs
import contextlib
import errno
import hashlib
import json
import os
import re
import tomllib
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

from playground.errors import InvalidInput
from playground.texts import is_blank, is_text

MOST_BYTES = 2**29
"""The largest file of prompts or pairs, unpacked."""

MOST_OF_A_SETTING = 2**22
"""The largest card, preset, study file or record."""

JSON_LINES = ("jsonl", "ndjson")
"""How files of one JSON value a line are called."""

MOST_DEPTH = 64
"""How deep lists and tables may lie in each other."""

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_GZIP = b"\x1f\x8b"
_PLAIN = ("txt", "text", "")
_LINE_END = re.compile(r"\r\n|\r|\n")
_REASONS = {
    "csv": "is a table with columns",
    "tsv": "is a table with columns",
    "xlsx": "is a spreadsheet",
    "parquet": "is a table in binary",
    "json": "is one JSON value instead of one a line",
}

Record = TypeVar("Record")


# --- what people bring ----------------------------------------------------------------------------------------------


def read_text(path: Path, most: int = MOST_OF_A_SETTING) -> str:
    """A text file: UTF-8, or UTF-16 with a byte order mark, plain or gzipped, of at most so many bytes.

    Raises InvalidInput that names the file and, for what is no text, the line.
    """
    raw = _unpacked(path, most)
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        number = raw[: error.start].count(b"\n") + 1
        raise InvalidInput(
            f"{path} cannot be read: line {number} is no {encoding.upper()}.", "Save the file as UTF-8."
        ) from None
    if "\x00" in text:
        number = text[: text.index("\x00")].count("\n") + 1
        raise InvalidInput(f"{path} cannot be read: line {number} holds a zero byte.", "Save the file as UTF-8 text.")
    return text.removeprefix("\ufeff")


def read_lines(path: Path) -> list[str]:
    """The lines of a person's text file, whatever ends them: the newline of Unix, Windows or an old Mac."""
    return [line.removeprefix("\ufeff") for line in _LINE_END.split(read_text(path, MOST_BYTES))]


def read_entries(path: Path, plain: bool) -> Iterator[tuple[str, str]]:
    """What a file of prompts or pairs holds, one by one: where it stands, such as "line 3", and its text.

    The text is JSON where the file is (.jsonl, .ndjson, or .json with a list in it), and a line of a `plain` file
    otherwise, where such are welcome. Raises InvalidInput with the reason for every other kind of file.
    """
    suffix = suffix_of(path)
    if plain and suffix in _PLAIN:
        yield from _numbered(read_lines(path))
        return
    refused = InvalidInput(f"{path} {_REASONS.get(suffix, 'is of a kind that is not read here')}.", _welcome(plain))
    if suffix not in (*JSON_LINES, *(() if plain else (*_PLAIN, "json"))):
        raise refused
    text = read_text(path, MOST_BYTES)
    items = _list_in(text)
    if items is not None:
        yield from ((f"item {number}", json.dumps(item)) for number, item in enumerate(items, start=1))
    elif suffix == "json" and not _is_json_lines(text):
        raise refused
    else:
        yield from _numbered(_LINE_END.split(text))


def digest(path: Path) -> str:
    """sha256 of a file. Raises InvalidInput where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", "Check the file.") from None


def suffix_of(path: Path) -> str:
    """What a file's name says it is, in lower case and without the dot; .gz around it does not count."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix.removeprefix(".")


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises InvalidInput for what is no JSON, lies too deep, or holds half a character."""
    try:
        value: Any = json.loads(text)
    except RecursionError:
        raise InvalidInput(f"It lies deeper than {MOST_DEPTH} brackets.", "Make it flatter.") from None
    except ValueError as error:
        raise InvalidInput(f"It is not JSON ({error}).", "Correct it.") from None
    _check_value(value)
    return value


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises InvalidInput."""
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise InvalidInput(f"It lies deeper than {MOST_DEPTH} brackets.", "Make it flatter.") from None
    except ValueError as error:
        raise InvalidInput(f"It is not valid TOML: {error}.", "Correct that line.") from None
    _check_value(values)
    return values


def read_json(path: Path, most: int = MOST_OF_A_SETTING) -> Any:
    """The value in a JSON file. Raises InvalidInput that names the file."""
    text = read_text(path, most)
    try:
        return parse_json(text)
    except InvalidInput as error:
        raise InvalidInput(f"{path} cannot be read. {error.message}", "Restore the file.") from None


def _unpacked(path: Path, most: int) -> bytes:
    """A file's bytes, unzipped if need be, and never more of them than allowed."""
    too_large = InvalidInput(f"{path} is larger than {most:,} bytes.", "Give a smaller file.")
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > most:
                raise too_large
            raw = file.read(most + 1)
        if raw.startswith(_GZIP):
            raw = _gunzip(raw, most)
    except FileNotFoundError:
        raise InvalidInput(f"There is no file {path}.", "Check the path.") from None
    except (OSError, ValueError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{path} cannot be read: {reason}.", "Give UTF-8 text, plain or gzipped.") from None
    if len(raw) > most:
        raise too_large
    return raw


def _gunzip(raw: bytes, most: int) -> bytes:
    """The content of a gzip file, and at most a byte more of it than allowed. Raises ValueError for a torn one."""
    pieces: list[bytes] = []
    room = most + 1
    while raw and room > 0:
        member = zlib.decompressobj(wbits=31)
        piece = member.decompress(raw, room)
        pieces.append(piece)
        room -= len(piece)
        if room > 0 and not member.eof:
            raise ValueError("the gzip file ends too early")
        raw = member.unused_data.lstrip(b"\x00")
    return b"".join(pieces)


def _numbered(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix("\ufeff")
        if not is_blank(text):
            yield f"line {number}", text


def _list_in(text: str) -> list[Any] | None:
    """The items of a file that is one JSON list from its first to its last letter."""
    if text.lstrip().startswith("["):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text)
    return None


def _is_json_lines(text: str) -> bool:
    """Whether the first line with something in it is a JSON object by itself."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    with contextlib.suppress(ValueError, RecursionError):
        return isinstance(json.loads(first), dict)
    return False


def _welcome(plain: bool) -> str:
    kinds = 'one prompt a line as .txt, or one {"prompt": text} a line as .jsonl'
    return f"Give {kinds}." if plain else "Give one pair a line as .jsonl, or a list of pairs as .json."


def _check_value(value: object) -> None:
    """Refuse what lies too deep and strings that are no text, without going deep oneself."""
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        if not all(is_text(one) for one in level if isinstance(one, str)):
            raise InvalidInput(
                "It holds half of a character (a lone surrogate such as \\ud83d).", "Write the character out whole."
            )
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return
    raise InvalidInput(f"It lies deeper than {MOST_DEPTH} brackets.", "Make it flatter.")


def _inside(value: object) -> list[object]:
    """What lies in a list or a table of a parsed file, the table's keys as well."""
    if isinstance(value, dict):
        table = cast(dict[object, object], value)
        return [*table, *table.values()]
    return cast(list[object], value) if isinstance(value, list) else []


# --- what we keep ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def in_one_piece(path: Path, mark: str = "") -> Generator[Path]:
    """A file to write in the place of `path`, which is the old one or the new one, whatever happens meanwhile.

    Its own name ends in `.part`, after a `mark` in folders of people's own, where that may be a file of theirs.
    """
    scratch = path.with_name(f"{path.name}{mark}.part")
    try:
        yield scratch
        scratch.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise


def trouble(error: BaseException) -> OSError | None:
    """The system's own complaint behind an error, such as a full disk, whichever library it came through."""
    if isinstance(error, OSError):
        return error
    number = re.search(r"\(os error (\d+)\)", str(error))  # as Rust's libraries tell it
    code = errno.ENOSPC if "disk is full" in str(error) else int(number[1]) if number else 0  # SQLite has its own words
    return OSError(code, os.strerror(code)) if code else None


def write_text(path: Path, text: str) -> None:
    """Write a text file in one piece."""
    with in_one_piece(path) as scratch:
        scratch.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: object) -> None:
    """Write a small JSON file in one piece."""
    write_text(path, json.dumps(value, indent=1))


def write_json_lines(path: Path, lines: Iterable[str]) -> None:
    """Write JSON Lines in one piece."""
    write_text(path, "".join(f"{line}\n" for line in lines))


def add_json_lines(path: Path, lines: Iterable[str]) -> None:
    """Add lines to JSON Lines; they are on their way to the disk when this returns."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def whole_lines(path: Path) -> list[str]:
    """The lines of JSON Lines that are written to the end, none where there is no file. Raises InvalidInput."""
    return _whole(path)[0]


def mend(path: Path) -> None:
    """Cut off a last line torn by a kill, for whoever goes on writing."""
    _, size = _whole(path)
    if path.exists() and path.stat().st_size > size:
        os.truncate(path, size)


def read_json_lines(path: Path, parse: Callable[[str], Record]) -> list[Record]:
    """What the whole lines say. Raises InvalidInput that names the file and the line where `parse` fails."""
    found: list[Record] = []
    for number, line in enumerate(whole_lines(path), start=1):
        try:
            found.append(parse(line))
        except (InvalidInput, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise InvalidInput(
                f"{path} is damaged: line {number} cannot be read.", "Restore the file, or delete it to begin anew."
            ) from None
    return found


def read_record(path: Path, parse: Callable[[dict[str, Any]], Record]) -> Record:
    """What a small JSON table of our own says. Raises InvalidInput that names the file where `parse` fails."""
    try:
        value = read_json(path)
        if not isinstance(value, dict):
            raise TypeError
        return parse(cast(dict[str, Any], value))
    except (InvalidInput, ValueError, TypeError, KeyError, AttributeError):
        raise InvalidInput(f"{path} is damaged.", "Restore the file, or delete it to begin anew.") from None


def _whole(path: Path) -> tuple[list[str], int]:
    """Whole lines and how many bytes they take."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", "Check the file.") from None
    size = raw.rfind(b"\n") + 1
    try:
        return raw[:size].decode().split("\n")[:-1], size
    except UnicodeDecodeError as error:
        number = raw[: error.start].count(b"\n") + 1
        raise InvalidInput(
            f"{path} is damaged: line {number} is no UTF-8.", "Restore the file, or delete it to begin anew."
        ) from None
