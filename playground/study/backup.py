"""A database as one file, and back: JSON lines by table in a zip, the same for SQLite and PostgreSQL."""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from playground.errors import InvalidInput
from playground.study.database import READS, connect, transact
from playground.study.tables import REVISION, metadata

_REVISION = "revision"


def write(url: str, path: Path) -> int:
    """Write all tables, as they stood at one moment, into a new file only its owner can read; returns the rows."""
    engine = connect(url)
    try:
        tables = transact(engine, _everything, READS)
    finally:
        engine.dispose()
    scratch = path.with_suffix(f"{path.suffix}.part")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_REVISION, REVISION)
            for name, rows in tables.items():
                archive.writestr(f"{name}.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
        scratch.replace(path)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", "Choose another place.") from None
    return sum(len(rows) for rows in tables.values())


def read(path: Path, url: str) -> int:
    """Fill an empty database from such a file, whole or not at all; returns the rows. Raises InvalidInput."""
    try:
        with zipfile.ZipFile(path) as archive:
            revision = archive.read(_REVISION).decode()
            tables = {table.name: _lines(archive.read(f"{table.name}.jsonl")) for table in metadata.sorted_tables}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"{path} is no backup of a study: {error}.", "Give a file of study backup.") from None
    if revision != REVISION:
        raise InvalidInput(f"{path} was made by another version.", "Restore it with the version that wrote it.")
    engine = connect(url)

    def fill(connection: Connection) -> int:
        if any(connection.execute(sa.select(table).limit(1)).first() for table in metadata.sorted_tables):
            raise InvalidInput("The database is not empty.", "Restore into a new one; nothing was changed.")
        for table in metadata.sorted_tables:
            if tables[table.name]:
                connection.execute(sa.insert(table), tables[table.name])
            if "id" in table.c:
                _go_on_after(connection, table)
        return sum(len(rows) for rows in tables.values())

    try:
        return transact(engine, fill)
    finally:
        engine.dispose()


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


def _lines(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in raw.decode().splitlines()]


def _go_on_after(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after the restored ones; SQLite does by itself."""
    if connection.dialect.name == "postgresql":
        highest = sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0) + 1).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        connection.execute(sa.select(sa.func.setval(sequence, highest, False)))
