"""Alerts about exams that may be repeats, in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, or_, select, text, tuple_, update

from imagebank.model.access import LONG_AGO, Scope
from imagebank.model.alert import Alert, Answer, Outcome
from imagebank.model.exam import Contrast, Exam, Group, Side
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Database, put
from imagebank.storage.rows import clean, micros, moment
from imagebank.storage.select import studies_in

_ALERT, _STUDY = tables.repeat_alert, tables.study
_NEWEST: Final = (_ALERT.c.at.desc(), _ALERT.c.id)
_SHADOW: Final = Outcome.UNSHOWN.value


def _alert(row: Row[Any]) -> Alert:
    said = Outcome(row.outcome)
    answered = said not in (Outcome.SHOWN, Outcome.UNSHOWN)
    return Alert(
        row.id,
        moment(row.at),
        row.organization,
        PatientId(row.issuer, row.identifier),
        Uid(row.study),
        Exam(
            Group(row.modality_group),
            tuple(row.regions.split(";")) if row.regions else (),
            Side(row.side),
            Contrast(row.contrast),
            row.kind,
            row.purpose,
        ),
        row.day,
        row.days,
        row.rule,
        row.severity,
        row.way,
        row.user_name,
        row.department,
        row.order_number,
        row.task,
        Answer(said, moment(row.answered_at), row.reason, row.comment, row.answered_by) if answered else None,
    )


def _values(one: Alert) -> dict[str, Any]:
    return {
        "id": one.id,
        "at": micros(one.at),
        "organization": clean(one.organization),
        "department": clean(one.department),
        "issuer": clean(one.patient.issuer),
        "identifier": clean(one.patient.identifier),
        "user_name": clean(one.user),
        "order_number": clean(one.order),
        "way": one.way,
        "task": one.task,
        "modality_group": one.exam.group.value,
        "regions": ";".join(one.exam.regions),
        "side": one.exam.side.value,
        "contrast": one.exam.contrast.value,
        "kind": one.exam.kind,
        "purpose": one.exam.purpose,
        "day": one.day,
        "study": str(one.study),
        "days": one.days,
        "rule": clean(one.rule),
        "severity": one.severity,
        **_answered(one.answer or Answer(one.outcome, LONG_AGO)),
    }


def _answered(answer: Answer) -> dict[str, Any]:
    return {
        "outcome": answer.outcome.value,
        "reason": clean(answer.reason),
        "comment": clean(answer.comment),
        "answered_by": clean(answer.by),
        "answered_at": micros(answer.at),
    }


def _of(organization: str) -> list[ColumnElement[bool]]:
    return [_ALERT.c.organization == clean(organization)] if organization else []


class SQLAlerts:
    """An `AlertReader` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name

    def _found(self, scope: Scope, *wanted: ColumnElement[bool], limit: int | None = None) -> list[Alert]:
        with self._database.reading() as connection:
            chosen = self._chosen(scope).where(*wanted).order_by(*_NEWEST).limit(limit)
            return [_alert(row) for row in connection.execute(chosen)]

    def _chosen(self, scope: Scope) -> Select[Any]:
        """Alerts whose study the scope shows."""
        conditions = studies_in(scope, self._dialect)
        there = select(text("1")).select_from(_STUDY).where(_STUDY.c.study_instance_uid == _ALERT.c.study, *conditions)
        return select(_ALERT).where(there.correlate(_ALERT).exists()) if conditions else select(_ALERT)

    def alert(self, identifier: str, scope: Scope) -> Alert | None:
        return next(iter(self._found(scope, _ALERT.c.id == clean(identifier))), None)

    def alerts(self, identifiers: Collection[str], organization: str, scope: Scope) -> list[Alert]:
        named = [clean(one) for one in identifiers]
        return self._found(scope, _ALERT.c.id.in_(named), *_of(organization)) if named else []

    def of_patients(self, patients: Collection[PatientId], organization: str, scope: Scope, limit: int) -> list[Alert]:
        pairs = [(clean(one.issuer), clean(one.identifier)) for one in patients]
        if not pairs:
            return []
        theirs = tuple_(_ALERT.c.issuer, _ALERT.c.identifier).in_(pairs)
        return self._found(scope, theirs, _ALERT.c.outcome != _SHADOW, *_of(organization), limit=limit)

    def of_order(self, organization: str, numbers: Collection[str], scope: Scope) -> list[Alert]:
        named = [clean(one) for one in numbers if one]
        return self._found(scope, *_of(organization), _ALERT.c.order_number.in_(named)) if named else []

    def of_task(self, task: str, scope: Scope) -> Alert | None:
        return next(iter(self._found(scope, _ALERT.c.task == clean(task), limit=1)), None)

    def between(self, since: datetime, until: datetime, scope: Scope) -> Sequence[Alert]:
        return self._found(scope, _ALERT.c.at >= micros(since), _ALERT.c.at < micros(until))[::-1]

    def like(self, alert: Alert, since: datetime, scope: Scope) -> Alert | None:
        values = _values(alert)
        same = [_ALERT.c[name] == values[name] for name in _SAME]
        found = self._found(scope, *same, _ALERT.c.at >= micros(since), limit=1)
        return found[0] if found else None

    def by_another_way(self, alert: Alert, since: datetime, scope: Scope) -> list[Alert]:
        values = _values(alert)
        same = [_ALERT.c[name] == values[name] for name in _TELLING]
        return self._found(scope, *same, _ALERT.c.way != alert.way, _ALERT.c.at >= micros(since))


_TELLING: Final = (
    *("organization", "issuer", "identifier", "study", "rule", "severity"),
    *("modality_group", "regions", "side"),
)
"""What two alerts have in common that tell of the same exam of one patient, for an order of the same."""
_SAME: Final = (*_TELLING, "user_name", "order_number", "way", "contrast", "kind", "outcome")
"""What two alerts have in common that say the same to the same user."""


class AlertChanges:
    """An `AlertWriter` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, alert: Alert) -> None:
        put(self._connection, _ALERT, ["id"], _values(alert))

    def name_task(self, identifier: str, task: str) -> None:
        named = update(_ALERT).where(_ALERT.c.id == clean(identifier))
        self._connection.execute(named.values(task=clean(task)))

    def answer(self, identifier: str, answer: Answer) -> bool:
        given = _answered(answer)
        is_new = _ALERT.c.answered_at <= given["answered_at"]
        differs = or_(*(_ALERT.c[name] != value for name, value in given.items() if name != "answered_at"))
        changed = update(_ALERT).where(_ALERT.c.id == clean(identifier), _ALERT.c.outcome != _SHADOW, is_new, differs)
        return self._connection.execute(changed.values(**given)).rowcount == 1

    def forget(self, patients: Sequence[PatientId]) -> list[Alert]:
        pairs = [(clean(one.issuer), clean(one.identifier)) for one in patients]
        theirs = tuple_(_ALERT.c.issuer, _ALERT.c.identifier).in_(pairs)
        empty = dict.fromkeys(("issuer", "identifier", "order_number", "comment", "study", "task"), "")
        forgotten = update(_ALERT).where(theirs).values(**empty).returning(_ALERT)
        return [_alert(row) for row in self._connection.execute(forgotten)]
