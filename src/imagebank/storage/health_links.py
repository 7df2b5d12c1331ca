"""Health links in the database."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from imagebank.model.access import Scope
from imagebank.model.health_link import Access, Flag, Kept, Waiting
from imagebank.storage import tables
from imagebank.storage.database import Database
from imagebank.storage.rows import clean, micros, moment

_LINK, _FILE = tables.health_link, tables.health_link_file
_STANDS: Final = _LINK.c.ended_at == 0


class SQLHealthLinks:
    """A `HealthLinkReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def link(self, digest: bytes, scope: Scope) -> Kept | None:
        return self._one(select(_LINK).where(_LINK.c.digest == digest), scope)

    def link_of(self, card: str, scope: Scope) -> Kept | None:
        return self._one(select(_LINK).where(_LINK.c.card == clean(card), _STANDS), scope)

    def _one(self, statement: Select[Any], scope: Scope) -> Kept | None:
        if scope.organizations is not None:
            return None
        with self._database.reading() as connection:
            row = connection.execute(statement).first()
        return None if row is None else _link_of(row)


class HealthLinkChanges:
    """A `HealthLinkWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put_link(self, link: Kept) -> None:
        before = update(_LINK).where(_LINK.c.card == link.card, _STANDS)
        self._connection.execute(before.values(ended_at=micros(link.made_at)))
        values = {
            "digest": link.digest,
            "card": link.card,
            "flags": "".join(sorted(link.flags)),
            "access": link.access.value,
            "made_at": micros(link.made_at),
        }
        self._connection.execute(insert(_LINK).values(**values))

    def leave(self, file: Waiting) -> None:
        values = {"digest": file.digest, "card": file.card, "content": file.content, "ends_at": micros(file.ends_at)}
        self._connection.execute(insert(_FILE).values(**values))

    def take(self, digest: bytes, now: datetime) -> Waiting | None:
        waits = (_FILE.c.digest == digest, _FILE.c.ends_at > micros(now))
        row = self._connection.execute(delete(_FILE).where(*waits).returning(*_FILE.c)).one_or_none()
        if row is None:
            return None
        return Waiting(bytes(row.digest), row.card, bytes(row.content), moment(row.ends_at))

    def sweep_links(self, now: datetime) -> None:
        self._connection.execute(delete(_FILE).where(_FILE.c.ends_at <= micros(now)))
        self._connection.execute(delete(_LINK).where(_LINK.c.card.not_in(select(tables.card.c.id))))


def _link_of(row: Row[Any]) -> Kept:
    flags = frozenset(Flag(letter) for letter in row.flags)
    ended_at = moment(row.ended_at) if row.ended_at else None
    return Kept(bytes(row.digest), row.card, flags, Access(row.access), moment(row.made_at), ended_at)
