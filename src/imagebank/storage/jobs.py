"""Durable jobs in a table of the index's own database. Why not a library: docs/decisions/0010."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from imagebank.ports import Job
from imagebank.storage import tables
from imagebank.storage.database import Database, Prepared, is_race
from imagebank.storage.rows import clean, dumps, micros

_T = tables.job
_WAITING: Final = "waiting"
_TAKEN: Final = "taken"
_LAID_ASIDE: Final = "laid aside"
_ATTEMPTS: Final = 3
_STEP_MICROS: Final = 1_000_000


def _insertion(dialect: str) -> Any:
    make = sqlite_insert if dialect == "sqlite" else postgresql_insert
    return make(_T).values({name: bindparam(name) for name in ("kind", "key", "payload", "due", "state")})


def _moving(dialect: str) -> Any:
    """An insertion that moves the job of that kind and key which waits already to the later time.

    It moves by a second at least: instances come by hundreds in one, and each would write the rows of four jobs anew.
    """
    statement = _insertion(dialect)
    new = statement.excluded
    second: ColumnElement[int] = literal_column(str(_STEP_MICROS))
    return statement.on_conflict_do_update(
        index_elements=[_T.c.kind, _T.c.key],
        index_where=tables.IS_WAITING,
        set_={"due": case((new.due > _T.c.due, new.due), else_=_T.c.due), "payload": new.payload},
        where=or_(new.due >= _T.c.due + second, new.payload != _T.c.payload),
    )


def _unless_there(dialect: str) -> Any:
    return _insertion(dialect).on_conflict_do_nothing(
        index_elements=[_T.c.kind, _T.c.key], index_where=tables.IS_WAITING
    )


_DEFER: Final = Prepared(_insertion)
_START: Final = Prepared(_unless_there)
_DEFER_OR_MOVE: Final = Prepared(_moving)


def defer(connection: Connection, kind: str, payload: dict[str, Any], due: datetime, key: str) -> None:
    """Enqueue within a transaction of the index, so that the job is there if and only if the rows are."""
    row = {"kind": kind, "key": key, "payload": dumps(payload), "due": micros(due), "state": _WAITING}
    (_DEFER_OR_MOVE if key else _DEFER).run(connection, row)


def start(connection: Connection, kind: str, payload: dict[str, Any], due: datetime, key: str) -> None:
    """Enqueue within a transaction of the index, unless a job of that kind and key waits already."""
    _START.run(connection, {"kind": kind, "key": key, "payload": dumps(payload), "due": micros(due), "state": _WAITING})


def forget(connection: Connection, kind: str, key: str) -> None:
    """Take a waiting job back within a transaction of the index."""
    connection.execute(delete(_T).where(_T.c.kind == kind, _T.c.key == key, _T.c.state == _WAITING))


class SQLJobs:
    """`Jobs` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, kinds: Sequence[str], now: datetime, lease_s: float) -> Job | None:
        at = micros(now)
        first = (
            select(_T.c.id)
            .where(_T.c.state.in_([_WAITING, _TAKEN]), _T.c.kind.in_(list(kinds)), _T.c.due <= at)
            .order_by(_T.c.due, _T.c.id)
            .limit(1)
        )
        # Most of the time nothing is due; then no writer is kept waiting.
        with self._database.reading() as connection:
            if connection.scalar(first) is None:
                return None
        with self._database.writing() as connection:
            row = connection.execute(
                update(_T)
                .where(_T.c.id == first.with_for_update(skip_locked=True).scalar_subquery())
                .values(state=_TAKEN, attempt=_T.c.attempt + 1, due=micros(now + timedelta(seconds=lease_s)))
                .returning(_T.c.id, _T.c.kind, _T.c.payload, _T.c.attempt)
            ).one_or_none()
        return Job(row.id, row.kind, orjson.loads(row.payload), row.attempt) if row else None

    def finish(self, job: Job) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(_T).where(_T.c.id == job.id))

    def fail(self, job: Job, reason: str, retry_at: datetime | None) -> None:
        for _ in range(_ATTEMPTS):
            try:
                with self._database.writing() as connection:
                    self._fail(connection, job, reason, retry_at)
            except Exception as error:
                # Another job of the same kind and key was deferred in between; it will do.
                if not is_race(error):
                    raise
            else:
                return

    def _fail(self, connection: Connection, job: Job, reason: str, retry_at: datetime | None) -> None:
        # Whoever overran its lease has no say any more: the attempt has gone on.
        mine = (_T.c.id == job.id) & (_T.c.attempt == job.attempt) & (_T.c.state == _TAKEN)
        if retry_at is None:
            connection.execute(update(_T).where(mine).values(state=_LAID_ASIDE, reason=clean(reason)))
            return
        other = _T.alias("other")
        waits = select(1).where(
            other.c.kind == _T.c.kind, other.c.key == _T.c.key, other.c.key != "", other.c.state == _WAITING
        )
        gone = connection.execute(delete(_T).where(mine, waits.correlate(_T).exists()))
        if not gone.rowcount:
            values = {"state": _WAITING, "due": micros(retry_at), "reason": clean(reason)}
            connection.execute(update(_T).where(mine).values(**values))

    def laid_aside(self) -> list[tuple[Job, str]]:
        """Jobs that were given up, each with its reason, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(_T).where(_T.c.state == _LAID_ASIDE).order_by(_T.c.id))
            return [(Job(row.id, row.kind, orjson.loads(row.payload), row.attempt), row.reason) for row in rows]
