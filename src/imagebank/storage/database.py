"""The engine: how connections are set up, how writers take turns, and what driver errors mean to the bank."""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import psycopg
import psycopg.errors
from sqlalchemy import Connection, Engine, Table, bindparam, create_engine, event, make_url, text
from sqlalchemy import exc as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.sql.elements import ClauseElement

from imagebank.errors import BankError, OutOfSpace, Unavailable
from imagebank.storage.direct import Driver, Lender
from imagebank.storage.numbered import Numbered

_BUSY_MS: Final = 30_000
STREAMED: Final = 1_000
"""Rows that are fetched at a time."""
_OPTIONS: Final = "-c jit=off -c work_mem=16MB"
"""Compiling takes longer than any question of ours; the index of words gathers its finds in memory of this size."""
_WRITES: Final = "imagebank_writes"


class Turns:
    """Lets writers of one SQLite file in one after the other, across threads and processes.

    SQLite's own busy handler sleeps and retries, so that one of many writers may wait for seconds. The kernel's
    queue on a lock file is fair; inside a process only one thread stands in it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = threading.Lock()
        self._holder: int | None = None
        self._file: int | None = None
        self._pid = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._holder == me:
            raise RuntimeError("a write transaction is open in this thread already")
        self._threads.acquire()
        try:
            fcntl.flock(self._descriptor(), fcntl.LOCK_EX)
        except OSError as error:
            self._threads.release()
            raise Unavailable("the lock file of the database cannot be used; try again") from error
        self._holder = me

    def __exit__(self, *_: object) -> None:
        self._holder = None
        try:
            if self._file is not None:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def _descriptor(self) -> int:
        # A forked child shares the parent's lock through an inherited descriptor, so it opens its own.
        if self._file is None or self._pid != os.getpid():
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._pid = os.getpid()
        return self._file

    def close(self) -> None:
        if self._file is not None and self._pid == os.getpid():
            os.close(self._file)
        self._file = None


class Database:
    """An engine and the order in which its writers take turns."""

    def __init__(self, engine: Engine, turns: Turns | None) -> None:
        self.engine = engine
        self._turns = turns
        self._lender = Lender(engine, refusing) if turns else None
        self._transacted = engine.execution_options(**{_WRITES: True})
        self._kept: Connection | None = None
        self._pid = 0

    @property
    def is_sqlite(self) -> bool:
        return self._turns is not None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reading single statements; readers never wait for writers. Raises Unavailable."""
        with refusing(), self.engine.connect() as connection, self._minding(connection):
            yield connection

    def directly(self) -> AbstractContextManager[Connection | Driver]:
        """The same for statements that are `Prepared`: on SQLite a connection of the driver, at a third of the price."""
        return self.reading() if self._lender is None else self._lender.lend()

    @contextmanager
    def streaming(self) -> Iterator[Connection]:
        """A connection for reading more rows than fit into memory. Raises Unavailable."""
        # A cursor of PostgreSQL's needs a transaction; SQLite's connections have a read transaction anyway.
        engine = self.engine if self._turns else self._transacted
        with refusing(), engine.connect() as connection, self._minding(connection):
            try:
                yield connection.execution_options(yield_per=STREAMED)
            except GeneratorExit:
                # Whoever asked has enough. A rollback would make the driver forget the statements that it prepared.
                connection.commit()
                raise
            connection.commit()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction, durable when the block has ended. Raises OutOfSpace, Unavailable."""
        if self._turns is None:
            with refusing(), self._transacted.connect() as made, self._minding(made), made.begin():
                yield made
        else:
            with refusing(), self._turns:
                writer = self._writer()
                with writer.begin():
                    yield writer

    @contextmanager
    def _minding(self, connection: Connection) -> Iterator[None]:
        """When one connection to the server is lost, drop the idle ones, too: the server went away or was restarted.

        The next call then succeeds, without a question to the server before every statement of good days.
        """
        try:
            yield
        except (sa.DBAPIError, psycopg.Error):
            if connection.invalidated or getattr(connection.connection.dbapi_connection, "closed", False):
                connection.invalidate()
                self.engine.dispose()
            raise

    def wipe(self) -> None:
        """Move the log of an SQLite file into it and empty the log, so that deleted rows are in neither.

        Raises Unavailable while somebody reads too long.
        """
        if self._turns is None:
            return
        with refusing(), self._turns, self.engine.connect() as connection:
            log = connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if log.fetchone()[0]:
                raise Unavailable("the database is read all the time, so that its log cannot be emptied; try again")

    def _writer(self) -> Connection:
        """The one connection that writes to SQLite, kept open; a forked child opens its own."""
        if self._kept is None or self._pid != os.getpid():
            self._kept = self.engine.connect().execution_options(**{_WRITES: True})
            self._pid = os.getpid()
        return self._kept

    def close(self) -> None:
        if self._kept is not None and self._pid == os.getpid():
            self._kept.close()
        self._kept = None
        if self._lender is not None:
            self._lender.close()
        self.engine.dispose()
        if self._turns is not None:
            self._turns.close()


def open_database(url: str) -> Database:
    """Open `sqlite:///path` or `postgresql://…`. Nothing is asked of the database yet; see `migrate`."""
    address = make_url(url)
    if address.get_backend_name() == "sqlite":
        if not address.database:
            raise ValueError("SQLite needs a file: sqlite:///path")
        return _open_sqlite(url, Path(address.database))
    given = address.query.get("options", "")
    engine = create_engine(
        address.set(drivername="postgresql+psycopg").difference_update_query(["options"]),
        hide_parameters=True,
        connect_args={"options": " ".join([*([given] if isinstance(given, str) else given), _OPTIONS]).strip()},
        pool_size=8,
        max_overflow=24,
        pool_timeout=30,
        pool_use_lifo=True,
        # A transaction around one SELECT would cost two round trips. Writers begin theirs below.
        isolation_level="AUTOCOMMIT",
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES):
            connection.connection.cursor().execute("BEGIN", prepare=False)  # type: ignore[call-arg]

    return Database(engine, None)


def _open_sqlite(url: str, path: Path) -> Database:
    # SQLite would make it, and the files beside it that take their mode from it, readable for everybody. Where we
    # cannot make it, SQLite says why.
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    engine = create_engine(
        url,
        # Errors are logged, and parameters hold patients' names.
        hide_parameters=True,
        paramstyle="named",
        pool_size=8,
        max_overflow=120,
        pool_use_lifo=True,
        connect_args={"check_same_thread": False, "timeout": _BUSY_MS / 1000, "cached_statements": 256},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: object) -> None:
        # The driver is not to begin transactions by itself: it would begin them without the write lock.
        connection.isolation_level = None
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "cache_size = -32000",
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        # By the driver itself: SQLAlchemy's own way costs as much as the rows of an instance.
        connection.connection.cursor().execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    return Database(engine, Turns(path.with_name(path.name + ".lock")))


class Prepared:
    """A statement that is compiled once for each kind of database and then run by the driver itself.

    For the few that run with every instance or frame, where SQLAlchemy's own work would cost more than the database's.
    It is made from the name of the dialect. Parameters are given by name; rows are plain tuples.
    """

    def __init__(self, make: Callable[[str], ClauseElement]) -> None:
        self._make = make
        self._texts: dict[str, str] = {}

    def run(self, connection: Connection | Driver, parameters: Mapping[str, Any]) -> Any:
        """A cursor of the driver, after execution."""
        return run_text(connection, self._text(connection), parameters)

    def run_many(self, connection: Connection, parameters: Sequence[Mapping[str, Any]]) -> None:
        if len(parameters) == 1:
            self.run(connection, parameters[0])
        else:
            connection.connection.cursor().executemany(self._text(connection), parameters)

    def _text(self, connection: Connection | Driver) -> str:
        name = connection.dialect.name
        text = self._texts.get(name)
        if text is None:
            text = self._texts[name] = str(self._make(name).compile(dialect=connection.dialect))
        return text


@lru_cache(maxsize=1_000)
def _numbered(text: str) -> Numbered:
    return Numbered(text)


def run_text(connection: Connection | Driver, text: str, parameters: Mapping[str, Any]) -> Any:
    """A cursor of the driver, after execution of what SQLAlchemy wrote for its database."""
    if connection.dialect.name == "postgresql":
        return _numbered(text).run(connection.connection.dbapi_connection, parameters)
    cursor = connection.connection.cursor()
    cursor.execute(text, parameters)
    return cursor


@contextmanager
def refusing() -> Iterator[None]:
    """Turn errors of the driver that are nobody's mistake into the bank's own; others pass as they are."""
    try:
        yield
    except sa.TimeoutError as error:
        raise Unavailable("the database is busy; try again") from error
    except sa.DBAPIError as error:
        _hide_values(error, error.orig)
        raise _refusal(error.orig) or error from error
    except (sqlite3.Error, psycopg.Error) as error:
        _hide_values(error, error)
        raise _refusal(error) or error from error


def _hide_values(error: BaseException, driver: BaseException | None) -> None:
    """Take out of an error's words what PostgreSQL quotes of the row: errors are logged, and rows name patients."""
    if not isinstance(driver, psycopg.Error):
        return
    for quoted in (driver.diag.message_detail, driver.diag.context):
        for each in (error, driver):
            each.args = tuple(
                part.replace(quoted, "(not shown)") if quoted and isinstance(part, str) else part for part in each.args
            )


_SQLITE_UNAVAILABLE: Final = frozenset(
    [
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
    ]
)


def _refusal(error: BaseException | None) -> BankError | None:
    match error:
        case sqlite3.Error():
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_FULL:
                return OutOfSpace("the disk of the database is full; nothing of this was kept")
            is_away = code in _SQLITE_UNAVAILABLE
        case psycopg.errors.DiskFull():
            return OutOfSpace("the disk of the database is full; nothing of this was kept")
        case psycopg.OperationalError() | psycopg.InterfaceError():
            is_away = True
        case _:
            is_away = False
    return Unavailable("the database did not answer; nothing of this was kept, try again") if is_away else None


def is_race(error: BaseException) -> bool:
    """Whether another writer was quicker, so that the same work done again will find its rows."""
    driver = error.orig if isinstance(error, sa.DBAPIError) else error
    return isinstance(
        driver,
        psycopg.errors.UniqueViolation
        | psycopg.errors.ForeignKeyViolation
        | psycopg.errors.DeadlockDetected
        | psycopg.errors.SerializationFailure,
    )


def insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless one with the same key is there; whether there was none."""
    return _insertion_of_new(table, tuple(values)).run(connection, values).fetchone() is not None


def put(connection: Connection, table: Table, key: Sequence[str], *rows: Mapping[str, Any]) -> None:
    """Insert rows, or give those with the same key these values. All have values of the same names."""
    _insertion_or_change(table, tuple(key), tuple(rows[0])).run_many(connection, rows)


@cache
def _insertion_of_new(table: Table, names: tuple[str, ...]) -> Prepared:
    # Asked for what it made: of such an insertion PostgreSQL's driver knows no number of rows.
    return Prepared(
        lambda dialect: _insertion(dialect, table, names).on_conflict_do_nothing().returning(*table.primary_key)
    )


@cache
def _insertion_or_change(table: Table, key: tuple[str, ...], names: tuple[str, ...]) -> Prepared:
    def make(dialect: str) -> ClauseElement:
        statement = _insertion(dialect, table, names)
        changes = {name: statement.excluded[name] for name in names if name not in key}
        changed: ClauseElement = statement.on_conflict_do_update(index_elements=list(key), set_=changes)
        return changed

    return Prepared(make)


def _insertion(dialect: str, table: Table, names: Sequence[str]) -> Any:
    make = sqlite_insert if dialect == "sqlite" else postgresql_insert
    return make(table).values({name: bindparam(name) for name in names})


def lock(connection: Connection, number: int) -> None:
    """Let one transaction at a time have the lock of this number, until it ends. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": number})


def lock_studies(connection: Connection, studies: Iterable[str]) -> None:
    """Let one writer at a time change these studies, until its transaction ends.

    SQLite has one writer anyway. Locks are taken in one order, so that writers do not wait for each other in a ring.
    """
    if connection.dialect.name == "postgresql":
        _LOCK.run(connection, {"studies": sorted(studies)})


_LOCK: Final = Prepared(
    lambda _: text("SELECT pg_advisory_xact_lock(hashtextextended(uid, 0)) FROM unnest(:studies ::text[]) AS uid")
)
