"""Links by which a forgotten password is replaced, in the database."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, select, update

from imagebank.model.recovery import Fate, Recovery
from imagebank.storage import tables
from imagebank.storage.database import Database, put
from imagebank.storage.rows import clean, micros, moment

_LINK: Final = tables.recovery


class SQLRecoveries:
    """A `RecoveryReader` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _one(self, *wanted: Any) -> Recovery | None:
        with self._database.reading() as connection:
            row = connection.execute(select(_LINK).where(*wanted)).first()
        return None if row is None else _of(row)

    def recovery(self, digest: bytes) -> Recovery | None:
        return self._one(_LINK.c.digest == digest)

    def waiting(self, account: str, now: datetime) -> Recovery | None:
        return self._one(*_open_for(account), _LINK.c.ends_at > micros(now))


class RecoveryChanges:
    """A `RecoveryWriter` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, digest: bytes, one: Recovery) -> None:
        self.end(one.account, Fate.REPLACED)
        values = {
            "digest": digest,
            "account": one.account,
            "address": clean(one.address),
            "asked_at": micros(one.asked_at),
            "ends_at": micros(one.ends_at),
            "fate": one.fate.value,
        }
        put(self._connection, _LINK, ["digest"], values)

    def settle(self, digest: bytes, fate: Fate) -> bool:
        return self._end((_LINK.c.digest == digest, _LINK.c.fate == Fate.OPEN.value), fate) == 1

    def end(self, account: str, fate: Fate) -> int:
        return self._end(_open_for(account), fate)

    def _end(self, which: tuple[Any, ...], fate: Fate) -> int:
        return self._connection.execute(update(_LINK).where(*which).values(fate=fate.value)).rowcount

    def sweep(self, before: datetime) -> None:
        self._connection.execute(delete(_LINK).where(_LINK.c.ends_at <= micros(before)))


def _open_for(account: str) -> tuple[Any, ...]:
    return _LINK.c.account == account, _LINK.c.fate == Fate.OPEN.value


def _of(row: Row[Any]) -> Recovery:
    return Recovery(row.account, row.address, moment(row.asked_at), moment(row.ends_at), Fate(row.fate))
