"""Durable jobs in a table of the index's own database. Why not a library: docs/decisions/0010."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from imagebank.ports import Job
from imagebank.storage import tables
from imagebank.storage.database import Database, Prepared, is_race
from imagebank.storage.rows import clean, dumps, micros, moment

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


_TAKE: Final = Prepared(
    lambda _: (
        update(_T)
        .where(_T.c.id == bindparam("number"))
        .values(state=literal_column(f"'{_TAKEN}'"), attempt=_T.c.attempt + literal_column("1"), due=bindparam("until"))
    )
)
_FORGET: Final = Prepared(
    lambda _: delete(_T).where(
        _T.c.kind == bindparam("kind"), _T.c.key == bindparam("key"), _T.c.state == literal_column(f"'{_WAITING}'")
    )
)
_FINISH: Final = Prepared(lambda _: delete(_T).where(_T.c.id == bindparam("number")))

# Still taken, by a lease that has ended: one of the same key may wait meanwhile.
_GIVE_BACK: Final = Prepared(
    lambda _: (
        update(_T)
        .where(_T.c.id == bindparam("number"), _T.c.attempt == bindparam("attempt"))
        .values(attempt=_T.c.attempt - literal_column("1"), due=bindparam("at"))
    )
)


def _next(kinds: ColumnElement[bool]) -> Select[Any]:
    """The jobs of some kinds and one state that are due, the first first; who asks has them to itself until it commits."""
    columns = (_T.c.due, _T.c.id, _T.c.kind, _T.c.payload, _T.c.attempt)
    # By one state at a time the index has them in this order; by two, all that are due would be sorted for each.
    found = select(*columns).where(_T.c.state == bindparam("state"), kinds, _T.c.due <= bindparam("at"))
    most: BindParameter[int] = bindparam("most", type_=Integer())
    none: ColumnElement[int] = literal_column("0")
    return found.order_by(_T.c.due, _T.c.id).limit(most).offset(none).with_for_update(skip_locked=True)


_MORE: Final = Prepared(lambda _: _next(_T.c.kind == bindparam("kind")))


@cache
def _asked_of(kinds: tuple[str, ...]) -> tuple[Prepared, Prepared]:
    """Whether a job of these kinds is due, and the first of one state."""
    names = ", ".join(f"'{kind}'" for kind in kinds)
    among: ColumnElement[bool] = literal_column(f"job.kind IN ({names})")
    states: ColumnElement[bool] = literal_column(f"job.state IN ('{_WAITING}', '{_TAKEN}')")
    due = select(select(_T.c.id).where(states, among, _T.c.due <= bindparam("at")).exists())
    return Prepared(lambda _: due), Prepared(lambda _: _next(among))


def defer(connection: Connection, kind: str, payload: dict[str, Any], due: datetime, key: str) -> None:
    """Enqueue within a transaction of the index, so that the job is there if and only if the rows are."""
    row = {"kind": kind, "key": key, "payload": dumps(payload), "due": micros(due), "state": _WAITING}
    (_DEFER_OR_MOVE if key else _DEFER).run(connection, row)


def start(connection: Connection, kind: str, payload: dict[str, Any], due: datetime, key: str) -> None:
    """Enqueue within a transaction of the index, unless a job of that kind and key waits already."""
    _START.run(connection, {"kind": kind, "key": key, "payload": dumps(payload), "due": micros(due), "state": _WAITING})


def forget(connection: Connection, kind: str, key: str) -> None:
    """Take a waiting job back within a transaction of the index."""
    _FORGET.run(connection, {"kind": kind, "key": key})


_LAST_ARRIVAL: Final = Prepared(
    lambda _: select(tables.instance.c.received_at).where(
        tables.instance.c.id == select(func.max(tables.instance.c.id)).scalar_subquery()
    )
)


class SQLJobs:
    """`Jobs` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, kinds: Sequence[str], now: datetime, lease_s: float) -> Job | None:
        return next(iter(self.take(kinds, now, lease_s)), None)

    def take(
        self, kinds: Sequence[str], now: datetime, lease_s: float, together: Collection[str] = (), most: int = 1
    ) -> list[Job]:
        at, until = micros(now), micros(now + timedelta(seconds=lease_s))
        due, first = _asked_of(tuple(kinds))
        # Most of the time nothing is due; then no writer is kept waiting.
        with self._database.reading() as connection:
            if not due.run(connection, {"at": at}).fetchone()[0]:
                return []
        with self._database.writing() as connection:
            each = [
                (first.run(connection, {"at": at, "state": state, "most": 1}), state) for state in (_WAITING, _TAKEN)
            ]
            found = sorted((row, state) for cursor, state in each for row in cursor.fetchall())[:1]
            taken = [row for row, _ in found]
            if taken and most > 1 and (kind := taken[0][2]) in together:
                asked = {"at": at, "state": found[0][1], "kind": kind, "most": most}
                more = _MORE.run(connection, asked).fetchall()
                taken += [row for row in more if row[1] != taken[0][1]][: most - 1]
            if taken:
                _TAKE.run_many(connection, [{"number": row[1], "until": until} for row in taken])
        return [Job(number, kind, orjson.loads(payload), attempt + 1) for _, number, kind, payload, attempt in taken]

    def finish(self, *jobs: Job) -> None:
        with self._database.writing() as connection:
            _FINISH.run_many(connection, [{"number": job.id} for job in jobs])

    def give_back(self, now: datetime, *jobs: Job) -> None:
        with self._database.writing() as connection:
            _GIVE_BACK.run_many(
                connection, [{"number": one.id, "attempt": one.attempt, "at": micros(now)} for one in jobs]
            )

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

    def last_arrival(self) -> datetime | None:
        with self._database.reading() as connection:
            row = _LAST_ARRIVAL.run(connection, {}).fetchone()
        return moment(row[0]) if row else None

    def laid_aside(self) -> list[tuple[Job, str]]:
        """Jobs that were given up, each with its reason, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(_T).where(_T.c.state == _LAID_ASIDE).order_by(_T.c.id))
            return [(Job(row.id, row.kind, orjson.loads(row.payload), row.attempt), row.reason) for row in rows]
