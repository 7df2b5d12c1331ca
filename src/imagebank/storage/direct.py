"""Reading SQLite by the driver itself: its connections, lent without a pool of SQLAlchemy's, and without a transaction.

For the few questions that stand before every answer: who asks, which instance it is, what matches. SQLAlchemy's way to
a connection and back takes as long there as SQLite does to answer.
"""

import os
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import Dialect, Engine

_KEPT: Final = 8
"""Connections that wait to be lent again; what comes back beyond them is closed."""


class Driver:
    """A connection that only reads, lent until the block ends, with what `database.Prepared` needs of SQLAlchemy's.

    What the driver says is wrong becomes Unavailable, as everywhere; the connection is not lent again then.
    """

    __slots__ = ("_lender", "connection", "dialect")

    def __init__(self, lender: "Lender", connection: Any, dialect: Dialect) -> None:
        self._lender = lender
        self.connection = connection
        self.dialect = dialect

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _where: TracebackType | None
    ) -> None:
        if isinstance(error, sqlite3.Error):
            self.connection.close()
            with self._lender.refusing():
                raise error
        self._lender.take_back(self)


class Lender:
    """Lends connections to an SQLite file, the last that came back first. `refusing` says what an error is to the bank."""

    def __init__(self, engine: Engine, refusing: Callable[[], AbstractContextManager[None]]) -> None:
        self.refusing = refusing
        self._engine = engine
        self._idle: deque[Driver] = deque()
        self._pid = os.getpid()
        self._others: list[deque[Driver]] = []

    def lend(self) -> Driver:
        if self._pid != os.getpid():
            # A forked child opens its own. Those of its parent it neither uses nor closes.
            self._others.append(self._idle)
            self._idle, self._pid = deque(), os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    def _open(self) -> Driver:
        with self.refusing():
            opened = self._engine.raw_connection()
            opened.detach()
            connection: Any = opened.dbapi_connection
            connection.execute("PRAGMA query_only = ON")
        return Driver(self, connection, self._engine.dialect)

    def take_back(self, driver: Driver) -> None:
        if len(self._idle) < _KEPT:
            self._idle.append(driver)
        else:
            driver.connection.close()

    def close(self) -> None:
        while self._pid == os.getpid() and self._idle:
            self._idle.pop().connection.close()
