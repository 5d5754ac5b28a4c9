"""A database as one file, and back: JSON lines by table in a zip, the same for SQLite and PostgreSQL.

A file that comes back is believed nothing: its rows are checked one by one, and no message tells what is in them.
"""

import json
import os
import secrets
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from playground.errors import InvalidInput
from playground.files import in_one_piece
from playground.study.database import READS, connect_existing, first_line, located, migrate, transact, unmigrated
from playground.study.rows import BackupRows
from playground.study.stimuli import Study
from playground.study.tables import REVISION, metadata

_REVISION = "revision"
_NEW = {"0001": {"withdrawn_ids", "passed"}}  # tables that a backup of an earlier revision has not
_AT_ONCE = 500  # rows
_LONGEST_LINE = 1_000_000  # bytes; the longest path of a slider comes to a fiftieth of that
_MOST_TIMES = 200  # larger unpacked than packed; rows of a study come to about twenty times
_ALWAYS = 10_000_000  # bytes that may be unpacked, however small the file


def write(url: str, path: Path) -> int:
    """Write all tables, as they stood at one moment, into a new file only its owner can read; returns the rows.

    Raises InvalidInput where there is no database, and where something is there already or belongs to the database.
    """
    database = located(url)
    if database.get_backend_name() == "sqlite":
        own = Path(str(database.database)).resolve()
        if path.resolve() in {own.with_name(own.name + end) for end in ("", "-wal", "-shm", "-journal")}:
            raise InvalidInput(f"{path} belongs to the database itself.", "Choose another name, ending in .zip.")
    if path.exists() or path.is_symlink():
        raise _in_the_way(path)
    engine = connect_existing(url)
    try:
        tables = transact(engine, _everything, READS)
    finally:
        engine.dispose()
    _archive(tables, path)
    return sum(len(rows) for rows in tables.values())


def read(path: Path, url: str, study: Study | None = None) -> int:
    """Fill an empty database from such a file, whole or not at all; returns the rows. Raises InvalidInput.

    Where a `study` is given, its rows must be such as it can go on with.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            for _, rows in _tables(path, archive, study):
                deque(rows, maxlen=0)  # all is checked before there is a database
            return _fill(path, archive, url, study)
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise _no_backup(path, reason or "it is damaged") from None


def _archive(tables: Mapping[str, list[dict[str, Any]]], path: Path) -> None:
    """Write a new file in one piece. The name is taken first, so that two commands at once cannot both have it."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise _in_the_way(path) from None
    except OSError as error:
        raise _unwritten(path, error) from None
    try:
        with in_one_piece(path, f".{os.getpid()}") as scratch:
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(_REVISION, REVISION)
                for name, rows in tables.items():
                    archive.writestr(f"{name}.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritten(path, error) from None
        raise


def _unwritten(path: Path, error: OSError) -> InvalidInput:
    return InvalidInput(f"{path} cannot be written: {error.strerror}.", "Choose another place.")


def _in_the_way(path: Path) -> InvalidInput:
    return InvalidInput(f"{path} is there already.", "Choose another name; a backup overwrites nothing.")


def _no_backup(path: Path, reason: str) -> InvalidInput:
    return InvalidInput(f"{path} is no backup of a study: {reason}.", "Give a file of: playground study backup")


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """Raise InvalidInput unless the archive holds one file for each table, of a size that rows may have."""
    names = [entry.filename for entry in archive.infolist()]
    if names.count(_REVISION) != 1 or archive.getinfo(_REVISION).file_size > 40:
        raise _no_backup(path, "it does not say of which version it is")
    new = _NEW.get(archive.read(_REVISION).decode(), set())
    wanted = [_REVISION, *(f"{table.name}.jsonl" for table in metadata.sorted_tables if table.name not in new)]
    if sorted(names) != sorted(wanted):
        raise _no_backup(path, "it does not hold one file for each table")
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > max(_ALWAYS, _MOST_TIMES * path.stat().st_size):
        raise _no_backup(path, "it would unpack to far more than rows take")
    if archive.read(_REVISION).decode() not in (REVISION, *_NEW):
        raise InvalidInput(f"{path} was made by another version.", "Restore it with the version that wrote it.")


def _tables(
    path: Path, archive: zipfile.ZipFile, study: Study | None
) -> Iterator[tuple[Table, Iterator[dict[str, Any]]]]:
    """The tables in an order that can be filled, each with its rows, checked as they are read."""
    rows, revision = BackupRows(study), archive.read(_REVISION).decode()
    for table in metadata.sorted_tables:
        if table.name not in _NEW.get(revision, set()):
            yield table, _rows(path, archive, table, rows, revision)


def _rows(
    path: Path, archive: zipfile.ZipFile, table: Table, rows: BackupRows, revision: str
) -> Iterator[dict[str, Any]]:
    with archive.open(f"{table.name}.jsonl") as file:
        for number, line in enumerate(_lines(file), start=1):
            try:
                row = _brought_up(table, json.loads(line), revision)
                wrong = rows.complaint(table, row)
            except (ValueError, RecursionError):
                row, wrong = {}, "it is no JSON"
            if wrong:
                raise _no_backup(path, f"{table.name}.jsonl, line {number}: {wrong}")
            yield row


def _brought_up(table: Table, row: Any, revision: str) -> Any:
    """A row of an earlier revision as its migration would leave it; whatever is no such row as it is."""
    if revision == REVISION or not isinstance(row, dict):
        return row
    match table.name:
        case "studies":
            return {"secret": secrets.token_urlsafe(24), **row}
        case "people":
            return {"group": "", "blocks": 0, "pilot": False, **row}
        case "trials":
            return {"task": row.get("kind"), **row}
    return row


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines, none read much further than the longest that a row may have."""
    while line := file.readline(_LONGEST_LINE):
        yield line


def _fill(path: Path, archive: zipfile.ZipFile, url: str, study: Study | None) -> int:
    database = located(url)
    file = Path(str(database.database)) if database.get_backend_name() == "sqlite" else None
    made = [file.with_name(file.name + end) for end in ("", "-wal", "-shm")] if file and not file.exists() else []
    engine = unmigrated(url)

    def fill(connection: Connection) -> int:
        migrate(connection)
        if any(connection.execute(sa.select(table).limit(1)).first() for table in metadata.sorted_tables):
            raise InvalidInput("The database is not empty.", "Restore into a new one; nothing was changed.")
        try:
            return sum(_insert(connection, table, rows) for table, rows in _tables(path, archive, study))
        except (IntegrityError, DataError):  # before anybody thinks that trying again may help
            raise _no_backup(path, "its rows do not fit together") from None

    try:
        count = transact(engine, fill)
        made = []
        return count
    except DBAPIError as error:
        raise InvalidInput(f"The database cannot be filled: {first_line(error)}.", "Nothing was changed.") from None
    finally:
        engine.dispose()
        for half in made:
            half.unlink(missing_ok=True)


def _insert(connection: Connection, table: Table, rows: Iterator[dict[str, Any]]) -> int:
    """Insert rows, some at once, and let new ones be numbered after them; returns how many there were."""
    count = 0
    while some := list(islice(rows, _AT_ONCE)):
        connection.execute(sa.insert(table), some)
        count += len(some)
    if "id" in table.c:
        _go_on_after(connection, table)
    return count


def _everything(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    return {
        table.name: [
            _plain(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns)).mappings()
        ]
        for table in metadata.sorted_tables
    }


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


def _go_on_after(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after the restored ones; SQLite does by itself."""
    if connection.dialect.name == "postgresql":
        highest = sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0) + 1).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        connection.execute(sa.select(sa.func.setval(sequence, highest, False)))
