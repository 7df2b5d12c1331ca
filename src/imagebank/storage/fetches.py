"""What is brought in from other banks, in the database."""

from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, insert, select, update

from imagebank.model.access import Role
from imagebank.model.fetch import Fetch
from imagebank.model.transfer import State
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Database
from imagebank.storage.rows import clean, dumps, micros, moment

_T = tables.fetch


def _fetch_of(row: Row[Any]) -> Fetch:
    return Fetch(
        row.id,
        row.by,
        Role(row.role),
        row.organization,
        row.address,
        row.url,
        bytes(row.secret),
        tuple(Uid(each) for each in orjson.loads(row.studies)),
        moment(row.made_at),
        moment(row.ends_at),
        row.total,
        row.kept,
        State(row.state),
        row.reason,
        moment(row.ended_at) if row.ended_at else None,
    )


class SQLFetches:
    """A `FetchReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _found(self, statement: Select[Any]) -> list[Fetch]:
        with self._database.reading() as connection:
            return [_fetch_of(row) for row in connection.execute(statement)]

    def fetch(self, identifier: str) -> Fetch | None:
        return next(iter(self._found(select(_T).where(_T.c.id == identifier))), None)

    def fetches(self, by: str, limit: int) -> list[Fetch]:
        chosen = select(_T).order_by(_T.c.made_at.desc(), _T.c.id).limit(limit)
        return self._found(chosen.where(_T.c.by == clean(by)) if by else chosen)


class FetchChanges:
    """A `FetchWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, one: Fetch) -> None:
        values = {
            "id": one.id,
            "by": clean(one.by),
            "role": one.role.value,
            "organization": clean(one.organization),
            "address": clean(one.address),
            "url": one.url,
            "secret": one.secret,
            "studies": dumps(list(one.studies)),
            "made_at": micros(one.made_at),
            "ends_at": micros(one.ends_at),
            "total": one.total,
            "kept": one.kept,
            "state": one.state.value,
            "reason": clean(one.reason),
            "ended_at": micros(one.ended_at) if one.ended_at else 0,
        }
        self._connection.execute(insert(_T).values(values))

    def progress(self, identifier: str, total: int, kept: int, reason: str) -> bool:
        return self._change(identifier, {"total": total, "kept": kept, "reason": clean(reason)})

    def settle(self, identifier: str, state: State, reason: str, at: datetime) -> bool:
        ended = {"state": state.value, "reason": clean(reason), "ended_at": micros(at), "secret": b""}
        return self._change(identifier, ended)

    def _change(self, identifier: str, values: dict[str, Any]) -> bool:
        is_open = (_T.c.id == identifier, _T.c.state == State.WAITING.value)
        return self._connection.execute(update(_T).where(*is_open).values(values)).rowcount == 1
