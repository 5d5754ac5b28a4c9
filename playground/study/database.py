"""The connection to a study's database: SQLite in one file, or PostgreSQL for several servers at once.

Knows the dialects, brings the tables up to date, and runs work in transactions that survive a lost connection.
"""

import random
import sqlite3
import time
from collections.abc import Callable, Mapping
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.pool import QueuePool

from playground.errors import InvalidInput
from playground.study import tables

READS: Mapping[str, Any] = {"reads": True}
"""For `transact`: this work changes nothing."""


class HasEngine(Protocol):
    """Whoever has methods that are transactions."""

    engine: Engine


_T = TypeVar("_T")
_P = ParamSpec("_P")
_Self = TypeVar("_Self", bound=HasEngine)
_MIGRATING = 20250304  # any number that is always the same


def connect(url: str, durable: bool = True) -> Engine:
    """An engine whose tables are up to date. Raises InvalidInput when there is no database at the address.

    Not `durable`, a file is left to the system to write when it likes: for answers that can be made again.
    """
    try:
        engine = _engine(url, durable)
    except ImportError as error:
        raise InvalidInput(
            f"{error.name} is not installed.", "Install it: pip install 'alignment-playground[study]'"
        ) from None
    except (ArgumentError, NoSuchModuleError):
        raise InvalidInput(
            "That is no database address.",
            "Write sqlite:///file.sqlite or postgresql://user:password@host/name.",
        ) from None
    try:
        _migrate(engine)
    except DBAPIError as error:
        engine.dispose()
        reason = str(error.orig).splitlines()[0] if str(error.orig) else "no connection"
        raise InvalidInput(f"The database cannot be used: {reason}.", "Check --database.") from None
    except BaseException:
        engine.dispose()
        raise
    return engine


def transact(engine: Engine, work: Callable[[Connection], _T], options: Mapping[str, Any] | None = None) -> _T:
    """Run `work` in one transaction; when the connection is lost, or another writer was first, run it again."""
    waits = [min(0.05 * 2**attempt, 0.5) for attempt in range(16)]  # seconds, 6 in all: a server may come back
    while True:
        try:
            with engine.connect().execution_options(**(options or {})) as connection, connection.begin():
                return work(connection)
        except DBAPIError as error:
            if not waits or not _is_passing(error):
                raise
            time.sleep(waits.pop(0) * random.uniform(0.5, 1))


def writes(method: Callable[Concatenate[_Self, Connection, _P], _T]) -> Callable[Concatenate[_Self, _P], _T]:
    """Make a method one transaction: it is given the connection, and what it returns has been committed."""
    return _transaction(method, {})


def reads(method: Callable[Concatenate[_Self, Connection, _P], _T]) -> Callable[Concatenate[_Self, _P], _T]:
    """The same for a method that changes nothing, so that it holds up nobody who writes."""
    return _transaction(method, READS)


def inserted(connection: Connection, table: sa.Table, **values: Any) -> int:
    """The id of a new row."""
    key = connection.execute(sa.insert(table).values(**values)).inserted_primary_key
    assert key is not None
    return key[0]


def sqlite_url(path: Path) -> str:
    """The address of a database file."""
    return f"sqlite:///{path}"


def _transaction(
    method: Callable[Concatenate[_Self, Connection, _P], _T], options: Mapping[str, Any]
) -> Callable[Concatenate[_Self, _P], _T]:
    @wraps(method)
    def run(self: _Self, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return transact(self.engine, lambda connection: method(self, connection, *args, **kwargs), options)

    return run


def _is_passing(error: DBAPIError) -> bool:
    """Whether trying again may help: a server that is away or starting, a busy file, a deadlock, a race."""
    if isinstance(error.orig, sqlite3.OperationalError):
        return error.orig.sqlite_errorcode == sqlite3.SQLITE_BUSY
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError | IntegrityError)


def _engine(url: str, durable: bool) -> Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return sa.create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=10)
    if parsed.get_backend_name() != "sqlite":
        raise ArgumentError
    # One connection: a file has one writer, and waiting for a place in this queue is fairer than SQLite's own lock.
    threads = {"check_same_thread": False}
    engine = sa.create_engine(parsed, pool_size=1, max_overflow=0, poolclass=QueuePool, connect_args=threads)
    # An acknowledged answer outlives a loss of power: synchronous is full.
    event.listen(engine, "connect", partial(_prepare_sqlite, synchronous="FULL" if durable else "OFF"))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any, synchronous: str) -> None:
    connection.isolation_level = None  # this module begins transactions itself, so that they begin as writers
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _migrate(engine: Engine) -> None:
    with engine.connect().execution_options(**READS) as connection, connection.begin():
        known = sa.inspect(connection).has_table("alembic_version")
        version = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() if known else None
    if version == tables.REVISION:
        return
    from alembic import command  # a moment to import, and needed once
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))  # two servers may start at once
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise InvalidInput(
                f"The database was made by a newer version: {error}.", "Update the playground."
            ) from None
