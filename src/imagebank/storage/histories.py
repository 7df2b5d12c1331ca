"""All that the database has of some patient records."""

import time
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Row, Select, Table, and_, bindparam, case, null, or_, select

from imagebank.model.access import Scope
from imagebank.model.attribute import Level
from imagebank.model.delay import Delay, until
from imagebank.model.exam import Held, Said
from imagebank.model.imaging import DataSet, Found
from imagebank.model.person import PatientId
from imagebank.model.query import Query
from imagebank.model.report import Report, Waiting, Which
from imagebank.model.timeline import Place
from imagebank.model.uid import Uid
from imagebank.ports.steady import SEARCH_S, hold
from imagebank.storage import tables, whose
from imagebank.storage.database import Prepared
from imagebank.storage.found import found
from imagebank.storage.orders import report_of
from imagebank.storage.outlines import SQLOutlines, about_studies, are, without_waiting
from imagebank.storage.rows import clean, moment, picking, unpack_said, unpack_set
from imagebank.storage.select import NEWEST, SERIES_ORDER, behind, matches, series_of, studies_in
from imagebank.storage.sets import one_of
from imagebank.storage.shape import Shape, parameters_of, shape_of
from imagebank.storage.visible import is_visible, reports_in
from imagebank.storage.waiting import lengths_of, moments_of, waits

_PATIENT, _STUDY, _REPORT, _FINDING = tables.patient, tables.study, tables.report, tables.finding
_DOCUMENTS: Final = tables.series
_OF_DOCUMENTS: Final = (_DOCUMENTS.c.series_instance_uid, _DOCUMENTS.c.types, _DOCUMENTS.c.since)
_SERIES: Final = Query(Level.SERIES)
_EVERYTHING: Final = Scope(organizations=None)
_FEW: Final = 8
"""Records by which a statement is kept; who has more is asked for anew."""


class SQLHistories(SQLOutlines):
    """A `HistoryReader` on SQLite or PostgreSQL."""

    def patient_of(self, study: Uid, scope: Scope) -> PatientId | None:
        with self._database.directly() as connection:
            found = whose.patients(connection, [study], scope)
        return found[0] if found else None

    def place_of(self, study: Uid, scope: Scope) -> Place | None:
        chosen = (_STUDY.c.study_instance_uid == study, *studies_in(scope, self._dialect))
        statement = select(_STUDY.c.study_date, _STUDY.c.study_time).where(*chosen)
        with self._database.reading() as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else Place(row.study_date, row.study_time, study)

    def series(
        self, patients: Collection[PatientId], scope: Scope, after: Place | None = None, most: int | None = None
    ) -> list[Found]:
        statement = matches(_SERIES, scope, self._dialect).where(_theirs(patients))
        if after is not None:
            statement = statement.where(behind(after))
        if most is not None:
            first = select(_STUDY.c.id).where(_theirs(patients), *studies_in(scope, self._dialect))
            first = first.where(behind(after)) if after is not None else first
            statement = statement.where(_STUDY.c.id.in_(first.order_by(*NEWEST).limit(most).correlate(None)))
        with self._database.reading() as connection:
            return list(found(connection.execute(statement), Level.SERIES))

    def exams(self, patients: Collection[PatientId], scope: Scope) -> list[Held]:
        began = time.perf_counter()
        named = {n: one for n, one in enumerate(patients) if one.identifier}
        if scope.binding or not 0 < len(named) <= _FEW:
            # What headers say is said of all series together, also of those that wait.
            told = without_waiting(scope, self._dialect)
            said = case((and_(*told), _FINDING.c.said), else_=null()) if told else _FINDING.c.said
            statement = _exams(said).where(_theirs(patients), *studies_in(scope, self._dialect))
            with self._database.reading() as connection:
                rows = [tuple(row) for row in connection.execute(statement)]
        else:
            asked = parameters_of(scope, self._dialect)
            for n, one in named.items():
                asked |= {f"issuer_{n}": clean(one.issuer), f"identifier_{n}": clean(one.identifier)}
            with self._database.directly() as connection:
                rows = _exams_of(shape_of(scope), tuple(named)).run(connection, asked).fetchall()
        if not rows and scope != _EVERYTHING:
            hold(began, SEARCH_S[self._dialect])
        return [
            Held(Uid(uid), day or "", organization, unpack_said(said) if said else None)
            for uid, day, organization, said in rows
        ]

    def rows(self, studies: Collection[Uid], keys: frozenset[str], scope: Scope) -> list[tuple[Uid, DataSet]]:
        if not studies:
            return []
        uid, text, below = _STUDY.c.study_instance_uid, _STUDY.c.json, _DOCUMENTS.c.json.label("below")
        statement = (
            select(uid, text, below)
            .join_from(_STUDY, _DOCUMENTS, _DOCUMENTS.c.study_row == _STUDY.c.id)
            .where(one_of(self._dialect, uid, [*studies]), *studies_in(scope, self._dialect))
            .where(*series_of(scope, self._dialect))
            .order_by(_STUDY.c.id, *SERIES_ORDER)
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        pick = picking(keys)
        above: dict[str, DataSet] = {}
        for row in rows:
            if row.study_instance_uid not in above:
                above[row.study_instance_uid] = pick(row.json)
        return [(Uid(study), above[study] | pick(below)) for study, _, below in rows]

    def said(self, scope: Scope, before: int | None, most: int) -> list[tuple[int, PatientId, str, Said]]:
        statement = (
            select(_STUDY.c.id, _PATIENT.c.issuer, _PATIENT.c.identifier, _STUDY.c.json, _FINDING.c.said)
            .join_from(_STUDY, _FINDING, _FINDING.c.study_row == _STUDY.c.id)
            .join(_PATIENT, _PATIENT.c.id == _STUDY.c.patient_row)
            .where(_FINDING.c.said != "", *studies_in(scope, self._dialect))
            .order_by(_STUDY.c.id.desc())
            .limit(most)
        )
        statement = statement if before is None else statement.where(_STUDY.c.id < before)
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return [
            (row.id, PatientId(row.issuer, row.identifier), _name_in(orjson.loads(row.json)), unpack_said(row.said))
            for row in rows
        ]

    def accessions(self, patients: Collection[PatientId], scope: Scope) -> list[tuple[Uid, str]]:
        theirs = (_theirs(patients), *studies_in(scope, self._dialect))
        statement = select(_STUDY.c.study_instance_uid, _STUDY.c.accession_number).where(*theirs)
        with self._database.reading() as connection:
            return [(Uid(uid), accession or "") for uid, accession in connection.execute(statement)]

    def reports(self, patients: Collection[PatientId], scope: Scope) -> list[tuple[Uid, Report]]:
        theirs = (are(_REPORT, patients), are(_PATIENT, patients), *reports_in(scope, self._dialect))
        newest = (_REPORT.c.event_at.desc(), _REPORT.c.id.desc())
        statement = about_studies(scope, self._dialect).where(*theirs).order_by(*newest)
        with self._database.reading() as connection:
            rows = connection.execute(statement).all()
        return [(Uid(row.study_instance_uid), report_of(row)) for row in rows]

    def waiting(
        self, patients: Collection[PatientId], delays: Sequence[Delay], at: datetime, scope: Scope
    ) -> list[Waiting]:
        if not (scope.reports and delays and patients):
            return []
        theirs = (are(_REPORT, patients), are(_PATIENT, patients), self._wait(_REPORT, delays, at))
        reports = about_studies(scope, self._dialect).where(*theirs)
        documents = (
            select(
                _STUDY.c.study_instance_uid,
                _STUDY.c.organization,
                _PATIENT.c.issuer,
                _PATIENT.c.identifier,
                *_OF_DOCUMENTS,
            )
            .join_from(_STUDY, _PATIENT, _PATIENT.c.id == _STUDY.c.patient_row)
            .join(_DOCUMENTS, _DOCUMENTS.c.study_row == _STUDY.c.id)
            .where(_theirs(patients), self._wait(_DOCUMENTS, delays, at))
            .where(*studies_in(scope, self._dialect))
        )
        with self._database.reading() as connection:
            found = [_waiting(row, delays, report_of(row).which) for row in connection.execute(reports)]
            found += [_waiting(row, delays, _which_of(row)) for row in connection.execute(documents)]
        return sorted(dict.fromkeys(found), key=lambda one: (one.until, one.study))

    def _wait(self, table: Table, delays: Sequence[Delay], at: datetime) -> ColumnElement[bool]:
        return waits(lengths_of(delays), table, self._dialect, dict(moments_of(delays, at)))


def _exams(said: ColumnElement[Any]) -> Select[Any]:
    """Studies with what is said of them, the newest first."""
    return (
        select(_STUDY.c.study_instance_uid, _STUDY.c.study_date, _STUDY.c.organization, said.label("said"))
        .join_from(_STUDY, _FINDING, _FINDING.c.study_row == _STUDY.c.id, isouter=True)
        .order_by(*NEWEST)
    )


@lru_cache(maxsize=64)
def _exams_of(shape: Shape, numbers: tuple[int, ...]) -> Prepared:
    """The same of a few records, where nothing waits; asked for every study that comes."""
    each = [
        and_(_PATIENT.c.issuer == bindparam(f"issuer_{n}"), _PATIENT.c.identifier == bindparam(f"identifier_{n}"))
        for n in numbers
    ]
    theirs = _STUDY.c.patient_row.in_(select(_PATIENT.c.id).where(or_(*each)))
    return Prepared(lambda dialect: _exams(_FINDING.c.said).where(theirs, *is_visible(shape, dialect)))


def _waiting(row: Row[*tuple[Any, ...]], delays: Sequence[Delay], which: Which) -> Waiting:
    return Waiting(Uid(row.study_instance_uid), which, *until(unpack_set(row.types), moment(row.since), delays))


def _which_of(row: Row[*tuple[Any, ...]]) -> Which:
    whose = PatientId(row.issuer, row.identifier)
    return Which(row.organization, whose, series=Uid(row.series_instance_uid))


def _name_in(study: DataSet) -> str:
    values = study.get("00100010", {}).get("Value") or [{}]
    return " ".join(str(one) for one in values[0].values()) if isinstance(values[0], dict) else str(values[0])


def _theirs(patients: Collection[PatientId]) -> ColumnElement[bool]:
    return _STUDY.c.patient_row.in_(select(_PATIENT.c.id).where(are(_PATIENT, patients)))
