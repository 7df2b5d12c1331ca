"""Whose studies are, and whether anything is reported of a patient: asked of every study that comes, by the driver itself."""

from collections.abc import Collection
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, literal_column, or_, select

from imagebank.model.access import Scope
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Prepared
from imagebank.storage.direct import Driver
from imagebank.storage.rows import clean
from imagebank.storage.sets import among, members
from imagebank.storage.shape import Shape, parameters_of, shape_of
from imagebank.storage.visible import is_visible

_STUDY, _PATIENT, _REPORT, _KNOWN = tables.study, tables.patient, tables.report, tables.identity


def patients(connection: Connection | Driver, studies: Collection[str], scope: Scope) -> list[PatientId]:
    """The patients of those studies that are in scope."""
    dialect = connection.dialect.name
    asked = {"of_studies": members(dialect, sorted(studies)), **parameters_of(scope, dialect)}
    return [PatientId(*row) for row in _patients(shape_of(scope)).run(connection, asked).fetchall()]


@cache
def _patients(shape: Shape) -> Prepared:
    chosen = select(_PATIENT.c.issuer, _PATIENT.c.identifier).distinct()
    chosen = chosen.join_from(_STUDY, _PATIENT, _PATIENT.c.id == _STUDY.c.patient_row)

    def written(dialect: str) -> Select[Any]:
        return chosen.where(among(dialect, _STUDY.c.study_instance_uid, "of_studies"), *is_visible(shape, dialect))

    return Prepared(written)


def owned(connection: Connection | Driver, study: Uid, scope: Scope) -> tuple[str, str, PatientId] | None:
    """The organization, attributes and patient of a study in scope; None where there is no such study."""
    asked = {"study": study, **parameters_of(scope, connection.dialect.name)}
    row = _owned(shape_of(scope)).run(connection, asked).fetchone()
    return None if row is None else (row[0], row[1], PatientId(row[2], row[3]))


@cache
def _owned(shape: Shape) -> Prepared:
    chosen = select(_STUDY.c.organization, _STUDY.c.json, _PATIENT.c.issuer, _PATIENT.c.identifier)
    chosen = chosen.join_from(_STUDY, _PATIENT, _PATIENT.c.id == _STUDY.c.patient_row)
    chosen = chosen.where(_STUDY.c.study_instance_uid == bindparam("study"))
    return Prepared(lambda dialect: chosen.where(*is_visible(shape, dialect)))


def is_reported_of(connection: Connection | Driver, patient: PatientId) -> bool:
    """Whether there is a report of a patient, or of another record of the same person."""
    asked = {"issuer": clean(patient.issuer), "identifier": clean(patient.identifier)}
    return bool(_REPORTED.run(connection, asked).fetchone()[0])


def _reported() -> Select[Any]:
    # Two questions, each by an index: asked by one condition, the database would go through every report.
    one: Select[Any] = select(literal_column("1"))
    own = one.where(_REPORT.c.issuer == bindparam("issuer"), _REPORT.c.identifier == bindparam("identifier"))
    mine, linked = _KNOWN.alias(), _KNOWN.alias()
    is_person = (mine.c.issuer == bindparam("issuer"), mine.c.identifier == bindparam("identifier"))
    is_linked = (mine.c.person != literal_column("''"), linked.c.person == mine.c.person)
    is_theirs = (_REPORT.c.issuer == linked.c.issuer, _REPORT.c.identifier == linked.c.identifier)
    theirs = one.select_from(mine, linked, _REPORT).where(*is_person, *is_linked, *is_theirs)
    return select(or_(own.exists(), theirs.exists()))


_REPORTED: Final = Prepared(lambda _: _reported())
