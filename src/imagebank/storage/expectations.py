"""What was announced of studies, in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, delete, or_, select

from imagebank.model.expectation import Expectation, Origin
from imagebank.model.order import State
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Prepared, lock_studies, put
from imagebank.storage.rows import clean, dumps, micros, moment
from imagebank.storage.sets import one_of

_WORD, _FOUND, _ORDER, _STUDY = tables.expectation, tables.completeness, tables.imaging_order, tables.study
_SERIES, _INSTANCE = tables.series, tables.instance
_DONE: Final = State.DONE.value
_PLANNED: Final = (State.SCHEDULED.value, State.STARTED.value)


def packed(value: object) -> str:
    """A value as JSON that any database takes."""
    return clean(dumps(msgspec.to_builtins(value, enc_hook=str)))


def as_uid(kind: type, value: Any) -> Any:
    return kind(value)  # the only type of ours that JSON has as a plain text


class ExpectationChanges:
    """An `ExpectationsWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    def put(self, expectation: Expectation) -> None:
        key = {
            "study": str(expectation.study),
            "organization": clean(expectation.organization),
            "origin": expectation.origin.value,
            "key": clean(expectation.key),
        }
        if expectation.is_withdrawn:
            self._connection.execute(delete(_WORD).where(*(_WORD.c[name] == value for name, value in key.items())))
            return
        patient = {"issuer": clean(expectation.patient.issuer), "identifier": clean(expectation.patient.identifier)}
        put(self._connection, _WORD, list(key), key | patient | {"word": packed(expectation)})

    def about(self, study: Uid) -> list[Expectation]:
        words = _WORDS.run(self._connection, {"study": study}).fetchall()
        said = [msgspec.json.decode(word, type=Expectation, dec_hook=as_uid) for (word,) in words]
        return [
            *said,
            *map(_ordered, self._connection.execute(_ORDERS, {"of": study}) if self._is_ordered(study) else ()),
        ]

    def _is_ordered(self, study: Uid) -> bool:
        """Whether there is an order of a study at all, which of most there is not."""
        return _IS_ORDERED.run(self._connection, {"study": study}).fetchone() is not None

    def held(self, instances: Sequence[str], organization: str) -> frozenset[str]:
        if not instances:
            return frozenset()
        joined = _INSTANCE.join(_SERIES, _SERIES.c.id == _INSTANCE.c.series_row).join(
            _STUDY, _STUDY.c.id == _SERIES.c.study_row
        )
        of_them = one_of(self._dialect, _INSTANCE.c.sop_instance_uid, list(instances))
        chosen = select(_INSTANCE.c.sop_instance_uid).select_from(joined)
        return frozenset(self._connection.scalars(chosen.where(of_them, _STUDY.c.organization == organization)))

    def owner_of(self, study: Uid) -> str | None:
        lock_studies(self._connection, [study])
        row = _OWNER.run(self._connection, {"study": study}).fetchone()
        return row[0] if row else None

    def withdraw(self, study: Uid) -> list[Expectation]:
        words = [one for one in self.about(study) if one.origin is not Origin.ORDER]
        for table in (_WORD, _FOUND):
            self._connection.execute(delete(table).where(table.c.study == study))
        return words

    def forget(self, patient: PatientId) -> None:
        for table in (_WORD, _FOUND):
            whose = (table.c.issuer == clean(patient.issuer), table.c.identifier == clean(patient.identifier))
            self._connection.execute(delete(table).where(*whose))

    def overdue(self, before: datetime, since: datetime, limit: int) -> list[Uid]:
        rows = _ORDER.c
        done = and_(rows.state == _DONE, rows.state_at >= micros(since), rows.state_at <= micros(before))
        # As DICOM writes local times.
        first, last = f"{since:%Y%m%d%H%M}", f"{before:%Y%m%d%H%M}"
        planned = and_(rows.state.in_(_PLANNED), rows.scheduled_at >= first, rows.scheduled_at <= last)
        late = select(rows.study).where(rows.study != "", or_(done, planned), ~_is_here(rows.study), ~_came_elsewhere())
        absent = select(_FOUND.c.study).where(_FOUND.c.progress == "missing", ~_is_here(_FOUND.c.study))
        found = self._connection.scalars(late.union(absent).limit(limit))
        return [Uid(study) for study in found]


_WORDS: Final = Prepared(
    lambda _: select(_WORD.c.word).where(_WORD.c.study == bindparam("study")).order_by(_WORD.c.origin, _WORD.c.key)
)
_OWNER: Final = Prepared(
    lambda _: select(_STUDY.c.organization).where(_STUDY.c.study_instance_uid == bindparam("study"))
)
_IS_ORDERED: Final = Prepared(lambda _: select(_ORDER.c.id).where(_ORDER.c.study == bindparam("study")))


def _is_here(study: "ColumnElement[str]") -> ColumnElement[bool]:
    return select(_STUDY.c.id).where(_STUDY.c.study_instance_uid == study).exists()


def _came_elsewhere() -> ColumnElement[bool]:
    """Whether an order's study came under a UID of its modality's own: its accession number tells."""
    same = (_STUDY.c.accession_number == _ORDER.c.accession, _STUDY.c.organization == _ORDER.c.organization)
    other = (_ORDER.c.accession != "", _STUDY.c.study_instance_uid != _ORDER.c.study)
    found: Select[Any] = select(_STUDY.c.id).where(*same, *other)
    return found.correlate(_ORDER).exists()


_ORDERS: Final = (
    select(_ORDER)
    .where(_ORDER.c.study == bindparam("of"), _ORDER.c.state.in_([_DONE, *_PLANNED]), ~_came_elsewhere())
    .order_by(_ORDER.c.id)
)


def _ordered(row: Row[Any]) -> Expectation:
    """What an order says of its study: that there is one, once it is done; until then that there will be."""
    return Expectation(
        Uid(row.study),
        row.organization,
        PatientId(row.issuer, row.identifier),
        Origin.ORDER,
        str(row.id),
        moment(row.state_at or row.event_at),
        row.filler or row.placer,
        is_certain=row.state == _DONE,
        modality=row.modality,
        accession=row.accession,
        reason=row.scheduled_at,
    )
