"""What owners of accounts ask for, in the database."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, false, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from imagebank.model.person import PatientId
from imagebank.model.request import Kind, Request, State
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Database
from imagebank.storage.rows import clean, micros, moment

_REQUEST = tables.request


def _of(patients: Collection[PatientId]) -> ColumnElement[bool]:
    rows = _REQUEST.c
    same = [and_(rows.issuer == clean(one.issuer), rows.identifier == clean(one.identifier)) for one in patients]
    return or_(false(), *same)


def _request_of(row: Row[Any]) -> Request:
    return Request(
        row.id,
        Kind(row.kind),
        row.account,
        PatientId(row.issuer, row.identifier),
        row.facility,
        row.what,
        row.place,
        row.period,
        moment(row.made_at),
        moment(row.changed_at),
        State(row.state),
        row.by,
        Uid(row.study) if row.study else None,
        row.reason,
    )


class SQLRequests:
    """A `RequestReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _found(self, statement: Select[Any]) -> list[Request]:
        with self._database.reading() as connection:
            return [_request_of(row) for row in connection.execute(statement)]

    def request(self, identifier: str) -> Request | None:
        return next(iter(self._found(select(_REQUEST).where(_REQUEST.c.id == clean(identifier)))), None)

    def of_patients(self, patients: Collection[PatientId], limit: int) -> list[Request]:
        chosen = select(_REQUEST).where(_of(patients)).order_by(_REQUEST.c.made_at.desc(), _REQUEST.c.id)
        return self._found(chosen.limit(limit))

    def of_facility(self, facility: str, states: Collection[State], limit: int) -> list[Request]:
        chosen = select(_REQUEST).where(_REQUEST.c.state.in_([each.value for each in states]))
        if facility:
            chosen = chosen.where(_REQUEST.c.facility == clean(facility))
        return self._found(chosen.order_by(_REQUEST.c.made_at, _REQUEST.c.id).limit(limit))


class RequestChanges:
    """A `RequestWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, one: Request) -> bool:
        values = {
            "id": one.id,
            "kind": one.kind.value,
            "account": clean(one.account),
            "issuer": clean(one.patient.issuer),
            "identifier": clean(one.patient.identifier),
            "facility": clean(one.facility),
            "what": clean(one.what),
            "place": clean(one.where),
            "period": clean(one.when),
            "made_at": micros(one.made_at),
            **_standing(one),
        }
        into = (sqlite_insert if self._connection.dialect.name == "sqlite" else postgresql_insert)(_REQUEST)
        is_new = into.values(**values).on_conflict_do_nothing().returning(_REQUEST.c.id)
        return self._connection.scalar(is_new) is not None

    def settle(self, changed: Request, before: Collection[State]) -> bool:
        is_it = (_REQUEST.c.id == changed.id, _REQUEST.c.state.in_([each.value for each in before]))
        return self._connection.execute(update(_REQUEST).where(*is_it).values(**_standing(changed))).rowcount == 1

    def forget(self, patients: Sequence[PatientId]) -> None:
        self._connection.execute(delete(_REQUEST).where(_of(patients)))


def _standing(one: Request) -> dict[str, Any]:
    """The columns that change."""
    return {
        "changed_at": micros(one.changed_at),
        "state": one.state.value,
        "by": clean(one.by),
        "study": one.study or "",
        "reason": clean(one.reason),
    }
