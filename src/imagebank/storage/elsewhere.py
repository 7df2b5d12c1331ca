"""What other archives hold, in the database.

Who may know of it is judged by the very condition that judges the bank's own studies: answers stand in the place of the
tables that it names.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    union,
    update,
)

from imagebank.model.access import Role, Scope
from imagebank.model.elsewhere import Elsewhere, Line, Recall
from imagebank.model.person import PatientId, fold
from imagebank.model.transfer import State
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Database, put
from imagebank.storage.rows import clean, cut, micros, moment, pack_set, unpack_set
from imagebank.storage.visible import visible_to

_QUESTION, _STUDY, _SERIES = tables.archive_question, tables.archive_study, tables.archive_series
_LINE, _RECALL, _GIVEN = tables.archive_line, tables.archive_recall, tables.provision
_KEY: Final = ("archive", "issuer", "identifier", "study_instance_uid")


def _seen(wanted: ColumnElement[bool], scope: Scope, dialect: str) -> Select[Any]:
    """Answers that a scope would show if they were studies of the bank."""
    answers = select(_STUDY, func.row_number().over(order_by=list(_STUDY.primary_key)).label("id")).where(wanted)
    answer = answers.cte("answer")
    # These have the names of the tables that the condition is about, and hide them from it.
    patient = select(answer.c.id, answer.c.issuer, answer.c.identifier).cte("patient")
    study = select(answer, answer.c.id.label("patient_row")).cte("study")
    shown = visible_to(scope, dialect)
    found = select(study).add_cte(answer, patient, _series_of(answer, scope)).where(*shown)
    if shown:
        found = found.where(or_(study.c.modalities != "", not_(_is_any_modality_denied(scope))))
    newest = (study.c.study_date.desc(), study.c.study_time.desc(), study.c.study_instance_uid, study.c.archive)
    return found.order_by(*newest)


def _series_of(answer: CTE, scope: Scope) -> CTE:
    """The series of answers, as far as their modalities tell of any.

    Of departments and parts of the body nothing is said. So each has a series of none, by which nothing is permitted;
    and one of each that is denied to anybody, by which whatever is denied is.
    """
    nothing, given = literal(""), answer.join(_GIVEN, and_(_GIVEN.c.permits == 0, _GIVEN.c.body_part != ""))
    of_it = and_(*(answer.c[name] == _SERIES.c[name] for name in _KEY))
    own = _as_series(answer, _SERIES.c.modality, nothing, nothing).join_from(answer, _SERIES, of_it)
    parts = _as_series(answer, nothing, _GIVEN.c.body_part, nothing).select_from(given)
    denied = sorted({cut(fold(one)) for clause in scope.denies for one in clause.departments or ()})
    departments = (_as_series(answer, nothing, nothing, literal(one)) for one in denied)
    return union(own, parts, *departments).cte("series")


def _as_series(
    answer: CTE, modality: ColumnElement[str], part: ColumnElement[str], department: ColumnElement[str]
) -> Select[Any]:
    return select(
        answer.c.id.label("study_row"),
        modality.label("modality"),
        part.label("body_part_examined"),
        department.label("institutional_department_name"),
    )


def _is_any_modality_denied(scope: Scope) -> ColumnElement[bool]:
    """Whether somebody or some rule denies a modality: then who says none may have that one."""
    by_rule = any(clause.modalities for clause in scope.denies)
    by_person = exists().where(_GIVEN.c.permits == 0, _GIVEN.c.modality != "", _GIVEN.c.revoked_at == 0)
    return or_(literal(int(by_rule)) == 1, by_person)


def _of(row: Row[Any]) -> Elsewhere:
    return Elsewhere(
        row.archive,
        PatientId(row.issuer, row.identifier),
        Uid(row.study_instance_uid),
        row.organization,
        moment(row.at),
        row.study_date,
        row.study_time,
        row.description,
        row.accession,
        tuple(unpack_set(row.modalities)),
        row.objects,
    )


def _line_of(row: Row[Any]) -> Line:
    moments = [moment(at) if at else None for at in (row.since, row.rests_until, row.answered_at)]
    return Line(row.archive, row.failures, moments[0], moments[1], row.reason, moments[2])


def _recall_of(row: Row[Any]) -> Recall:
    return Recall(
        row.archive,
        Uid(row.study_instance_uid),
        PatientId(row.issuer, row.identifier),
        row.by,
        Role(row.role),
        row.organization,
        moment(row.made_at),
        row.address,
        bool(row.by_rule),
        row.total,
        row.kept,
        State(row.state),
        row.reason,
        moment(row.ended_at) if row.ended_at else None,
    )


class SQLElsewhere:
    """An `ElsewhereReader` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name

    def _rows(self, statement: Select[Any]) -> list[Row[Any]]:
        with self._database.reading() as connection:
            return list(connection.execute(statement))

    def held(self, patients: Collection[PatientId], scope: Scope) -> list[Elsewhere]:
        if not patients:
            return []
        theirs = or_(*(_is_of(_STUDY, one) for one in patients))
        return [_of(row) for row in self._rows(_seen(theirs, scope, self._dialect))]

    def one(self, archive: str, study: Uid, scope: Scope) -> Elsewhere | None:
        wanted = and_(_STUDY.c.archive == clean(archive), _STUDY.c.study_instance_uid == study)
        return next((_of(row) for row in self._rows(_seen(wanted, scope, self._dialect))), None)

    def asked_at(self, archive: str, patient: PatientId) -> datetime | None:
        wanted = select(_QUESTION.c.at).where(_QUESTION.c.archive == clean(archive), _is_of(_QUESTION, patient))
        return next((moment(row.at) for row in self._rows(wanted)), None)

    def lines(self) -> list[Line]:
        return [_line_of(row) for row in self._rows(select(_LINE).order_by(_LINE.c.archive))]

    def recall(self, archive: str, study: Uid) -> Recall | None:
        rows = self._rows(select(_RECALL).where(*_is_recall(archive, study)))
        return _recall_of(rows[0]) if rows else None

    def recalls(self, by: str, limit: int) -> list[Recall]:
        newest = (_RECALL.c.made_at.desc(), _RECALL.c.archive, _RECALL.c.study_instance_uid)
        chosen = select(_RECALL).order_by(*newest).limit(limit)
        rows = self._rows(chosen.where(_RECALL.c.by == clean(by)) if by else chosen)
        return [_recall_of(row) for row in rows]


def _is_of(table: Any, patient: PatientId) -> ColumnElement[bool]:
    return and_(table.c.issuer == clean(patient.issuer), table.c.identifier == clean(patient.identifier))


def _is_recall(archive: str, study: Uid) -> tuple[ColumnElement[bool], ...]:
    return _RECALL.c.archive == clean(archive), _RECALL.c.study_instance_uid == study


def _is_open(archive: str, study: Uid) -> tuple[ColumnElement[bool], ...]:
    return *_is_recall(archive, study), _RECALL.c.state == State.WAITING.value


class ElsewhereChanges:
    """An `ElsewhereWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def answered(self, archive: str, patient: PatientId, studies: Collection[Elsewhere], at: datetime) -> None:
        key = {
            "archive": clean(archive),
            "issuer": clean(patient.issuer),
            "identifier": clean(patient.identifier),
        }
        for table in (_SERIES, _STUDY):
            self._connection.execute(delete(table).where(_is_of(table, patient), table.c.archive == clean(archive)))
        put(self._connection, _QUESTION, list(key), key | {"at": micros(at)})
        if studies:
            rows = [key | _row(one) | {"at": micros(at)} for one in studies]
            self._connection.execute(insert(_STUDY), rows)
            self._connection.execute(insert(_SERIES), [key | each for one in studies for each in _series_rows(one)])

    def put_line(self, line: Line) -> None:
        moments = {name: getattr(line, name) for name in ("since", "rests_until", "answered_at")}
        values = {"archive": clean(line.archive), "failures": line.failures, "reason": clean(line.reason)}
        put(
            self._connection,
            _LINE,
            ["archive"],
            values | {name: micros(at) if at else 0 for name, at in moments.items()},
        )

    def put(self, recall: Recall) -> None:
        values = {
            "archive": clean(recall.archive),
            "study_instance_uid": recall.study,
            "issuer": clean(recall.patient.issuer),
            "identifier": clean(recall.patient.identifier),
            "by": clean(recall.by),
            "role": recall.role.value,
            "organization": clean(recall.organization),
            "address": clean(recall.address),
            "by_rule": int(recall.by_rule),
            "made_at": micros(recall.made_at),
            "total": recall.total,
            "kept": recall.kept,
            "state": recall.state.value,
            "reason": clean(recall.reason),
            "ended_at": micros(recall.ended_at) if recall.ended_at else 0,
        }
        put(self._connection, _RECALL, ["archive", "study_instance_uid"], values)

    def progress(self, archive: str, study: Uid, total: int, kept: int, reason: str) -> None:
        now = {"total": total, "kept": kept, "reason": clean(reason)}
        self._connection.execute(update(_RECALL).where(*_is_open(archive, study)).values(now))

    def settle(self, archive: str, study: Uid, state: State, reason: str, at: datetime) -> bool:
        end = {"state": state.value, "reason": clean(reason), "ended_at": micros(at)}
        return self._connection.execute(update(_RECALL).where(*_is_open(archive, study)).values(end)).rowcount == 1

    def forget(self, before: datetime) -> None:
        old = micros(before)
        late = select(_STUDY.c.archive).where(*(_STUDY.c[name] == _SERIES.c[name] for name in _KEY))
        self._connection.execute(delete(_SERIES).where(late.where(_STUDY.c.at < old).exists()))
        for table, at in ((_STUDY, _STUDY.c.at), (_QUESTION, _QUESTION.c.at), (_RECALL, _RECALL.c.made_at)):
            self._connection.execute(delete(table).where(at < old))

    def forget_patient(self, patient: PatientId) -> None:
        for table in (_SERIES, _STUDY, _QUESTION, _RECALL):
            self._connection.execute(delete(table).where(_is_of(table, patient)))


def _row(one: Elsewhere) -> dict[str, Any]:
    return {
        "study_instance_uid": one.study,
        "organization": clean(one.organization),
        "study_date": clean(one.date),
        "study_time": clean(one.time),
        "description": clean(one.description),
        "accession": clean(one.accession),
        "modalities": clean(pack_set(one.modalities)),
        "objects": one.objects,
    }


def _series_rows(one: Elsewhere) -> Iterator[dict[str, str]]:
    for modality in sorted({*one.modalities} or {""}):
        yield {"study_instance_uid": one.study, "modality": clean(modality)}
