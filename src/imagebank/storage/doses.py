"""What studies say of radiation, in the database: one row a study, written with what the search finds of it."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, func, literal_column, select
from sqlalchemy.sql import ColumnElement

from imagebank.model.access import Scope
from imagebank.model.dose import Basis, Kept, Reading
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Database, Prepared, put
from imagebank.storage.outlines import are, without_waiting
from imagebank.storage.rows import clean, unpack_said
from imagebank.storage.select import studies_in
from imagebank.storage.sets import one_of

EDITION: Final = 1
"""Counts how readings are made: what an older edition wrote is made again."""
_DOSE, _STUDY, _PATIENT, _FINDING = tables.dose, tables.study, tables.patient, tables.finding
_readings: Final = msgspec.json.Decoder(tuple[Reading, ...]).decode


class SQLDoses:
    """A `DoseReader` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name

    def of_studies(self, studies: Collection[Uid], scope: Scope) -> list[Kept]:
        return self._kept(one_of(self._dialect, _STUDY.c.study_instance_uid, sorted(studies)), scope)

    def of_patients(self, patients: Collection[PatientId], scope: Scope) -> list[Kept]:
        return self._kept(are(_PATIENT, patients), scope)

    def _kept(self, chosen: ColumnElement[bool], scope: Scope) -> list[Kept]:
        told = and_(*without_waiting(scope, self._dialect)) if scope.binding else literal_column("1 = 1")
        statement: Select[Any] = (
            select(
                _STUDY.c.study_instance_uid,
                _STUDY.c.patient_birth_date,
                _DOSE.c.readings,
                _FINDING.c.said,
                told.label("is_told"),
            )
            .join_from(_DOSE, _STUDY, _STUDY.c.id == _DOSE.c.study_row)
            .join(_PATIENT, _PATIENT.c.id == _STUDY.c.patient_row)
            .outerjoin(_FINDING, _FINDING.c.study_row == _STUDY.c.id)
            .where(chosen, *studies_in(scope, self._dialect))
            .order_by(_STUDY.c.study_instance_uid)
        )
        with self._database.reading() as connection:
            return [_read(row, scope) for row in connection.execute(statement)]

    def unread(self, limit: int, scope: Scope, after: str = "") -> list[Uid]:
        statement = (
            select(_STUDY.c.study_instance_uid)
            .outerjoin(_DOSE, _DOSE.c.study_row == _STUDY.c.id)
            .where(_STUDY.c.study_instance_uid > after, func.coalesce(_DOSE.c.edition, 0) < EDITION)
            .where(*studies_in(scope, self._dialect))
            .order_by(_STUDY.c.study_instance_uid)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [Uid(uid) for uid in connection.scalars(statement)]


def _read(row: Row[Any], scope: Scope) -> Kept:
    readings = _readings(row.readings)
    if not (scope.reports and row.is_told):
        readings = tuple(one for one in readings if one.basis is not Basis.REPORT)
    # What headers say is said of all series together, also of those that wait.
    said = unpack_said(row.said) if row.said and row.is_told else None
    return Kept(Uid(row.study_instance_uid), row.patient_birth_date or "", readings, said)


_NUMBER: Final = Prepared(lambda _: select(_STUDY.c.id).where(_STUDY.c.study_instance_uid == bindparam("study")))


class DoseChanges:
    """A `DoseWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, study: Uid, readings: Sequence[Reading]) -> None:
        row = _NUMBER.run(self._connection, {"study": study}).fetchone()
        if row is not None:
            packed = clean(msgspec.json.encode(readings).decode())
            put(self._connection, _DOSE, ["study_row"], {"study_row": row[0], "edition": EDITION, "readings": packed})


def forget(connection: Connection, studies: Sequence[int]) -> None:
    """Take out what studies say, by the numbers of their rows."""
    connection.execute(delete(_DOSE).where(one_of(connection.dialect.name, _DOSE.c.study_row, list(studies))))
