"""Versions of the site's rules, and what waits to be sent by them, in the database."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import orjson
from sqlalchemy import Connection, Row, delete, func, select

from imagebank.model.access import Scope
from imagebank.model.imaging import Instance
from imagebank.model.rules import Text, Version
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Database, Prepared, insert_new, lock
from imagebank.storage.instances import INSTANCE, instance_of
from imagebank.storage.rows import clean, dumps, micros, moment
from imagebank.storage.select import studies_in
from imagebank.storage.sets import one_of

_VERSION, _ROUTE = tables.rules_version, tables.route
_LOCK: Final = 0x72756C6573
_NEWEST: Final = Prepared(lambda _: select(func.max(_VERSION.c.number)))


class SQLRules:
    """A `RulesReader` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name

    def newest(self) -> int:
        with self._database.reading() as connection:
            found = _NEWEST.run(connection, {}).fetchone()
        return int(found[0] or 0) if found else 0

    def version(self, number: int | None = None) -> Version | None:
        with self._database.reading() as connection:
            return _version(connection, number)

    def versions(self, limit: int) -> list[Version]:
        with self._database.reading() as connection:
            rows = connection.execute(select(_VERSION).order_by(_VERSION.c.number.desc()).limit(limit))
            return [_of_row(row) for row in rows]

    def deposited(self, scope: Scope, limit: int, before: int | None = None) -> list[tuple[int, Instance]]:
        statement = INSTANCE.where(*studies_in(scope, self._dialect))
        if before is not None:
            statement = statement.where(tables.instance.c.id < before)
        with self._database.reading() as connection:
            rows = connection.execute(statement.order_by(tables.instance.c.id.desc()).limit(limit)).all()
        return [(row[0], instance_of(cast("tuple[Any, ...]", row))) for row in rows]

    def routed(self, device: str, study: Uid) -> list[Uid]:
        wanted = select(_ROUTE.c.sop_instance_uid).where(
            _ROUTE.c.device == clean(device), _ROUTE.c.study_instance_uid == study
        )
        with self._database.reading() as connection:
            return [Uid(uid) for uid in connection.scalars(wanted.order_by(_ROUTE.c.sop_instance_uid))]


class RulesChanges:
    """A `RulesWriter` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    def lock(self) -> None:
        lock(self._connection, _LOCK)

    def newest(self) -> Version | None:
        return _version(self._connection, None)

    def put_version(self, version: Version) -> None:
        values = {
            "number": version.number,
            "digest": version.digest,
            "rules": clean(version.text.rules),
            "tables": dumps([list(pair) for pair in version.text.tables]),
            "at": micros(version.at),
            "by": clean(version.by),
            "way": version.way,
        }
        insert_new(self._connection, _VERSION, values)

    def route(self, device: str, study: Uid, instances: Iterable[Uid]) -> None:
        for uid in instances:
            values = {"device": clean(device), "study_instance_uid": study, "sop_instance_uid": uid}
            insert_new(self._connection, _ROUTE, values)

    def routed(self, device: str, study: Uid, instances: Sequence[Uid]) -> None:
        self._connection.execute(
            delete(_ROUTE).where(
                _ROUTE.c.device == clean(device),
                _ROUTE.c.study_instance_uid == study,
                one_of(self._dialect, _ROUTE.c.sop_instance_uid, sorted(instances)),
            )
        )


def _version(connection: Connection, number: int | None) -> Version | None:
    wanted = select(_VERSION).order_by(_VERSION.c.number.desc()).limit(1)
    if number is not None:
        wanted = wanted.where(_VERSION.c.number == number)
    row = connection.execute(wanted).one_or_none()
    return None if row is None else _of_row(row)


def _of_row(row: Row[Any]) -> Version:
    given = tuple((name, content) for name, content in orjson.loads(row.tables or "[]"))
    return Version(row.number, Text(row.rules, given), moment(row.at), row.by, row.way, row.digest)
