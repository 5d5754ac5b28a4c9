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
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
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
_READING = {"busy_timeout": "10000", "foreign_keys": "ON"}
# An acknowledged answer outlives a loss of power: synchronous is full.
_WRITING = _READING | {"journal_mode": "WAL", "synchronous": "FULL"}


def located(address: str) -> URL:
    """What an address names, a file by its whole path. Raises InvalidInput for what names no database that keeps."""
    try:
        url = sa.make_url(address)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise _no_address() from None
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or url.host or (url.database or "").startswith("file:"):
        raise _no_address()
    if url.database in (None, "", ":memory:"):
        raise InvalidInput(f"{address} is in memory, which keeps nothing.", "Write sqlite:///file.sqlite.")
    return url.set(drivername="sqlite", database=str(Path(url.database).absolute()))


def told(url: URL) -> str:
    """A database as sentences name it: the path of a file, or an address without its password."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def first_line(error: DBAPIError) -> str:
    """What a database complained of."""
    return str(error.orig).partition("\n")[0] or "no connection"


def connect(url: str, durable: bool = True) -> Engine:
    """An engine whose tables are up to date, made if need be. Raises InvalidInput when no database can be had there.

    Not `durable`, a file is left to the system to write when it likes: for answers that can be made again.
    """
    return _opened(_engine(url, _WRITING | {"synchronous": "FULL" if durable else "OFF"}), migrate)


def connect_existing(url: str) -> Engine:
    """The same for whoever only reads: nothing is made, and where no study is kept InvalidInput says so."""
    place = located(url)
    if place.get_backend_name() == "sqlite" and not Path(str(place.database)).is_file():
        raise InvalidInput(f"There is no database at {told(place)}.", "Check --database.")

    def check(connection: Connection) -> None:
        if _revision(connection) is None:
            raise InvalidInput(f"{told(place)} holds no study.", "Check --database.")
        migrate(connection)

    return _opened(_engine(url, _READING), check)


def unmigrated(url: str) -> Engine:
    """An engine whose tables are as they are, for work that makes them in its own transaction. Raises InvalidInput."""
    return _opened(_engine(url, _WRITING), lambda _: None)


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


def _no_address() -> InvalidInput:
    return InvalidInput(
        "That is no database address.", "Write sqlite:///file.sqlite or postgresql://user:password@host/name."
    )


def _opened(engine: Engine, ready: Callable[[Connection], None]) -> Engine:
    """The engine, once `ready` has looked at its tables."""
    try:
        with engine.connect().execution_options(**READS) as connection, connection.begin():
            is_ready = _revision(connection) == tables.REVISION
        if not is_ready:  # otherwise nobody needs to wait for a writer
            with engine.connect() as connection, connection.begin():
                ready(connection)
    except DBAPIError as error:
        engine.dispose()
        raise InvalidInput(
            f"The database {told(engine.url)} cannot be used: {first_line(error)}.", "Check --database."
        ) from None
    except BaseException:
        engine.dispose()
        raise
    return engine


def _engine(url: str, pragmas: Mapping[str, str]) -> Engine:
    memory = url in ("sqlite://", "sqlite:///:memory:")  # of tests and of whoever wants to keep nothing
    parsed = sa.make_url(url) if memory else located(url)
    if parsed.get_backend_name() == "postgresql":
        return _installed(partial(sa.create_engine, parsed, pool_pre_ping=True, pool_size=10))
    # One connection: a file has one writer, and waiting for a place in this queue is fairer than SQLite's own lock.
    threads = {"check_same_thread": False}
    engine = sa.create_engine(parsed, pool_size=1, max_overflow=0, poolclass=QueuePool, connect_args=threads)
    event.listen(engine, "connect", partial(_prepare_sqlite, pragmas=pragmas))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _installed(make: Callable[[], Engine]) -> Engine:
    try:
        return make()
    except ImportError as error:
        raise InvalidInput(
            f"{error.name} is not installed.", "Install it: pip install 'alignment-playground[study]'"
        ) from None


def _prepare_sqlite(connection: Any, _: Any, pragmas: Mapping[str, str]) -> None:
    connection.isolation_level = None  # this module begins transactions itself, so that they begin as writers
    for name, value in pragmas.items():
        connection.execute(f"PRAGMA {name}={value}").close()


def _begin_sqlite(connection: Connection) -> None:
    reads = connection.get_execution_options().get("reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _revision(connection: Connection) -> str | None:
    """The newest migration a database has seen, None if it holds no study's tables."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def migrate(connection: Connection) -> None:
    """Bring the tables up to date, or make them, in this transaction. Raises InvalidInput for newer ones."""
    from alembic import command  # a moment to import, and needed once
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))  # two servers may start at once
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise InvalidInput(f"The database was made by a newer version: {error}.", "Update the playground.") from None
