"""Studies as wholes, and reports by their digests, in the database."""

import time
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select

from imagebank.model.access import Scope
from imagebank.model.imaging import Digest
from imagebank.model.outline import Held, Wanted
from imagebank.model.person import PatientId
from imagebank.model.report import Report
from imagebank.model.uid import Uid
from imagebank.ports.steady import SEARCH_S, hold
from imagebank.storage import tables
from imagebank.storage.database import Database
from imagebank.storage.orders import report_of, with_segment
from imagebank.storage.rows import clean, micros, moment, pack_digest
from imagebank.storage.select import NEWEST, studies_in
from imagebank.storage.sets import one_of
from imagebank.storage.shape import delay_moments
from imagebank.storage.visible import reports_in
from imagebank.storage.waiting import lengths_of, waits

_PATIENT, _STUDY, _SERIES, _INSTANCE = tables.patient, tables.study, tables.series, tables.instance
_KNOWN, _REPORT = tables.identity, tables.report
_EVERYTHING: Final = Scope(organizations=None)


class SQLOutlines:
    """An `OutlineReader` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name

    def held(self, wanted: Wanted, scope: Scope) -> list[Held]:
        began = time.perf_counter()
        statement = _outlines().where(*_asked(wanted, self._dialect), *studies_in(scope, self._dialect))
        with self._database.reading() as connection:
            rows = connection.execute(statement.order_by(*NEWEST).limit(wanted.limit).offset(wanted.offset)).all()
        if not rows and scope != _EVERYTHING:
            hold(began, SEARCH_S[self._dialect])
        return [
            Held(
                Uid(row.study_instance_uid),
                row.organization,
                PatientId(row.issuer, row.identifier),
                row.own or "",
                moment(row.updated_at or 0),
            )
            for row in rows
        ]

    def report(self, digest: Digest, scope: Scope) -> list[tuple[Uid, Report]]:
        statement = about_studies(scope, self._dialect).where(
            _REPORT.c.digest == pack_digest(digest), _are_one(_REPORT, _PATIENT), *reports_in(scope, self._dialect)
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement.order_by(*NEWEST)).all()
        return [(Uid(row.study_instance_uid), report_of(row)) for row in rows]


def _outlines() -> Select[Any]:
    of_study = select(func.max(_INSTANCE.c.received_at)).join_from(
        _SERIES, _INSTANCE, _INSTANCE.c.series_row == _SERIES.c.id
    )
    updated_at = of_study.where(_SERIES.c.study_row == _STUDY.c.id).correlate(_STUDY).scalar_subquery()
    known = and_(_KNOWN.c.issuer == _PATIENT.c.issuer, _KNOWN.c.identifier == _PATIENT.c.identifier)
    names = (_STUDY.c.study_instance_uid, _STUDY.c.organization, _PATIENT.c.issuer, _PATIENT.c.identifier)
    return (
        select(*names, _KNOWN.c.own, updated_at.label("updated_at"))
        .join_from(_STUDY, _PATIENT, _PATIENT.c.id == _STUDY.c.patient_row)
        .outerjoin(_KNOWN, and_(known, _PATIENT.c.identifier != ""))
    )


def _asked(wanted: Wanted, dialect: str) -> list[ColumnElement[bool]]:
    rows = _STUDY.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.patients is not None:
        # By their rows, so that SQLite begins at the patients and not at the newest of all studies.
        theirs = _PATIENT.alias("theirs")
        conditions.append(rows.patient_row.in_(select(theirs.c.id).where(are(theirs, wanted.patients))))
    if wanted.studies:
        conditions.append(one_of(dialect, rows.study_instance_uid, wanted.studies))
    if wanted.accessions:
        conditions.append(one_of(dialect, rows.accession_number, [clean(text) for text in wanted.accessions]))
    if wanted.modalities:
        find = func.instr if dialect == "sqlite" else func.strpos
        conditions.append(or_(*(find(rows.modalities, f"\\{each}\\") > 0 for each in wanted.modalities)))
    # A study without a date is in no span of days.
    conditions += [rows.study_date >= wanted.since] if wanted.since else []
    conditions += [rows.study_date < wanted.until, rows.study_date != ""] if wanted.until else []
    if wanted.updated_since is not None:
        conditions.append(_has_since(micros(wanted.updated_since)))
    if wanted.updated_before is not None:
        conditions.append(~_has_since(micros(wanted.updated_before)))
    return conditions


def _has_since(moment: int) -> ColumnElement[bool]:
    """Whether an object of a study came at this moment or later."""
    came = select(_INSTANCE.c.id).join_from(_SERIES, _INSTANCE, _INSTANCE.c.series_row == _SERIES.c.id)
    return came.where(_SERIES.c.study_row == _STUDY.c.id, _INSTANCE.c.received_at >= moment).correlate(_STUDY).exists()


def about_studies(scope: Scope, dialect: str) -> Select[Any]:
    """Versions of reports, be they shown or not, each with every study in scope that it may be about by UID or accession number."""
    return (
        with_segment(_REPORT)
        .add_columns(_STUDY.c.study_instance_uid)
        .join(_STUDY, _is_about())
        .join(_PATIENT, _PATIENT.c.id == _STUDY.c.patient_row)
        .where(*studies_in(scope, dialect))
    )


def _is_about() -> ColumnElement[bool]:
    by_accession = and_(
        _REPORT.c.study == "", _REPORT.c.accession != "", _STUDY.c.accession_number == _REPORT.c.accession
    )
    # Whoever sends for one organization says nothing about the studies of another.
    own = _STUDY.c.organization == _REPORT.c.organization
    return and_(own, or_(_STUDY.c.study_instance_uid == _REPORT.c.study, by_accession))


def without_waiting(scope: Scope, dialect: str) -> list[ColumnElement[bool]]:
    """What a study must be so that nothing of it waits under a scope's delays: what is written of it tells all that is said."""
    if not scope.binding:
        return []
    lengths, moments = lengths_of(scope.binding), delay_moments(scope)
    theirs = [] if scope.patients is None else [are(_REPORT, scope.patients)]
    report = select(1).select_from(_REPORT).where(*theirs, _is_about(), waits(lengths, _REPORT, dialect, moments))
    series = select(1).where(_SERIES.c.study_row == _STUDY.c.id, waits(lengths, _SERIES, dialect, moments))
    return [~each.correlate(_STUDY).exists() for each in (report, series)]


def _are_one(first: Any, second: Any) -> ColumnElement[bool]:
    """Whether two rows are of one record, or of two that are linked as one person's."""
    mine, theirs = _KNOWN.alias("mine"), _KNOWN.alias("theirs")
    same = (first.c.issuer == second.c.issuer, first.c.identifier == second.c.identifier, first.c.identifier != "")
    linked = select(mine.c.id).where(
        mine.c.issuer == first.c.issuer,
        mine.c.identifier == first.c.identifier,
        theirs.c.issuer == second.c.issuer,
        theirs.c.identifier == second.c.identifier,
        mine.c.person == theirs.c.person,
        mine.c.person != "",
    )
    return or_(and_(*same), linked.correlate(first, second).exists())


def are(table: Any, patients: Collection[PatientId]) -> ColumnElement[bool]:
    """Whether a row is of one of these records; of nobody, where there is no identifier."""
    by_issuer: dict[str, list[str]] = {}
    for one in patients:
        if one.identifier:
            by_issuer.setdefault(clean(one.issuer), []).append(clean(one.identifier))
    # Issuer by issuer: for a list of pairs SQLite goes through all rows, and not to its index of both columns.
    each = (and_(table.c.issuer == issuer, table.c.identifier.in_(theirs)) for issuer, theirs in by_issuer.items())
    return or_(false(), *each)
