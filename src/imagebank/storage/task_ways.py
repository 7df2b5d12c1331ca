"""Where tasks of the reconciliation queue come from in the database: each kind has a way that is walked in its own order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    cast,
    func,
    literal_column,
    or_,
    select,
    text,
    true,
)

from imagebank.model.access import Scope
from imagebank.model.identity import Likeness
from imagebank.model.person import PatientId
from imagebank.model.task import (
    ASIDE,
    FILED,
    Kind,
    Mark,
    Priority,
    State,
    Task,
    same_person,
    unidentified,
)
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.persons import evidence_of, shown
from imagebank.storage.rows import micros, moment
from imagebank.storage.select import studies_in
from imagebank.storage.sets import one_of

_TASK, _OF, _LIKENESS = tables.task, tables.task_study, tables.likeness
_STUDY, _SERIES, _INSTANCE, _PATIENT = tables.study, tables.series, tables.instance, tables.patient
_ONE, _OTHER = tables.identity.alias("one"), tables.identity.alias("other")
_DEPARTMENT: Final = "00081040"
_NOTHING: Final[ColumnElement[str]] = literal_column("''", Text)
MARK: Final = tuple(
    _TASK.c[name] for name in ("taken_by", "taken_until", "postponed_until", "how", "by", "at", "reason")
)
PREFIX: Final = f"{Kind.UNIDENTIFIED}-"
_STUDY_TASK: Final = literal_column(f"'{PREFIX}'", Text).concat(_STUDY.c.study_instance_uid)
_PAIR_TASK: Final = (
    literal_column(f"'{Kind.SAME_PERSON}-'", Text)
    .concat(cast(_LIKENESS.c.first, Text))
    .concat(literal_column("'-'", Text))
    .concat(cast(_LIKENESS.c.second, Text))
)
OPENED: Final = (
    select(func.min(_INSTANCE.c.received_at))
    .join_from(_SERIES, _INSTANCE, _INSTANCE.c.series_row == _SERIES.c.id)
    .where(_SERIES.c.study_row == _STUDY.c.id)
    .correlate(_STUDY)
    .scalar_subquery()
)
_OF_STUDY: Final = (
    select(func.max(_SERIES.c.institutional_department_name))
    .where(_SERIES.c.study_row == _STUDY.c.id)
    .correlate(_STUDY)
    .scalar_subquery()
)


@dataclass(frozen=True, slots=True)
class Way:
    """One source of tasks: how they are chosen, in which order, and what its rows are.

    `kind`, `department` and `opened` are what they are counted by.
    """

    name: str
    chosen: Select[Any]
    order: tuple[ColumnElement[Any], ...]
    kind: ColumnElement[Any]
    department: ColumnElement[Any]
    opened: ColumnElement[Any]
    read: Callable[[Connection, Sequence[Row[Any]]], list[Task]]


def _stands(state: State | None, now: datetime) -> ColumnElement[bool]:
    """What somebody must have done, or not, about what follows from the objects for it to stand so."""
    at = micros(now)
    match state:
        case State.OPEN:
            return or_(_TASK.c.id.is_(None), and_(_TASK.c.how != ASIDE, _TASK.c.postponed_until <= at))
        case State.POSTPONED:
            return and_(_TASK.c.how != ASIDE, _TASK.c.postponed_until > at)
        case State.ASIDE:
            return _TASK.c.how == ASIDE
    return true()


def _waits(state: State | None, now: datetime) -> ColumnElement[bool]:
    """The same of what was filed, which waits only while nobody has settled it."""
    if state in (State.OPEN, State.POSTPONED):
        # The condition of the index, in its very words.
        return and_(text("is_filed = 1 AND how = ''"), _stands(state, now))
    return and_(_TASK.c.is_filed == 1, _stands(state, now))


def _studies(scope: Scope, dialect: str, state: State | None, now: datetime) -> Way:
    """Studies that name nobody, in the order in which they came."""
    joined = _PATIENT.join(_STUDY, _STUDY.c.patient_row == _PATIENT.c.id)
    columns = (_STUDY.c.id.label("study_row"), _STUDY.c.study_instance_uid, _STUDY.c.organization)
    chosen = (
        select(_PATIENT.c.id, *columns, OPENED.label("opened"), *MARK)
        .select_from(joined.outerjoin(_TASK, _TASK.c.id == _STUDY_TASK))
        .where(text("patient.identifier = ''"), *studies_in(scope, dialect), _stands(state, now))
    )
    kind = literal_column(f"'{Kind.UNIDENTIFIED}'", Text)
    return Way("u", chosen, (_PATIENT.c.id,), kind, _OF_STUDY, OPENED, _read_studies)


def _pairs(scope: Scope, dialect: str, state: State | None, now: datetime) -> Way:
    """Pairs of records that are alike, of which a study of both is shown."""
    joined = _LIKENESS.join(_ONE, _ONE.c.id == _LIKENESS.c.first).join(_OTHER, _OTHER.c.id == _LIKENESS.c.second)
    names = (of.c[name].label(f"{of.name}_{name}") for of in (_ONE, _OTHER) for name in ("issuer", "identifier"))
    order = (_LIKENESS.c.at, _LIKENESS.c.first, _LIKENESS.c.second)
    columns = (*(_LIKENESS.c[name] for name in ("score", "evidence", "bar")), _LIKENESS.c.at.label("opened"))
    both = [condition for each in (_ONE, _OTHER) for condition in shown(scope, dialect, each)]
    chosen = (
        select(*(column.label(f"like_{column.name}") for column in order), *columns, *names, *MARK)
        .select_from(joined.outerjoin(_TASK, _TASK.c.id == _PAIR_TASK))
        .where(*both, _stands(state, now))
    )
    kind = literal_column(f"'{Kind.SAME_PERSON}'", Text)
    return Way("p", chosen, order, kind, _NOTHING, _LIKENESS.c.at, _read_pairs)


def filed(scope: Scope, dialect: str, state: State | None, now: datetime) -> Way:
    """What was filed, where there are studies that it is about, and all of them are there and shown."""
    one = select(text("1"))
    there = one.select_from(_STUDY).where(_STUDY.c.study_instance_uid == _OF.c.study, *studies_in(scope, dialect))
    about = one.select_from(_OF).where(_OF.c.task == _TASK.c.id).correlate(_TASK)
    hidden = about.where(~there.correlate(_OF).exists())
    # That something was ordered is known to whoever ordered it, and not to all who have the study.
    ours = [] if scope.orders_of is None else [or_(_TASK.c.kind != Kind.REPEAT, _known_to(scope, dialect))]
    chosen = select(_TASK).select_from(_TASK).where(_waits(state, now), *ours, about.exists(), ~hidden.exists())
    order = (_TASK.c.priority, _TASK.c.opened_at, _TASK.c.id)
    return Way("f", chosen, order, _TASK.c.kind, _TASK.c.department, _TASK.c.opened_at, _read_filed)


def _known_to(scope: Scope, dialect: str) -> ColumnElement[bool]:
    return one_of(dialect, _TASK.c.organization, sorted(scope.orders_of or ()))


Make = Callable[[Scope, str, State | None, datetime], Way]
WAYS: Final[Mapping[Kind, Make]] = {
    Kind.UNIDENTIFIED: _studies,
    Kind.SAME_PERSON: _pairs,
    **dict.fromkeys(FILED, filed),
}
ALL: Final[tuple[Make, ...]] = (_studies, _pairs, filed)


def _mark(row: Row[Any], task: str) -> Mark:
    if row.how is None:  # nobody has done anything about it
        return Mark(task)
    taken, postponed = moment(row.taken_until), moment(row.postponed_until)
    return Mark(task, row.taken_by, taken, postponed, row.how, row.by, moment(row.at), row.reason)


def _still(row: Row[Any], task: str) -> Mark:
    """The mark of what follows from the objects: it waits, whatever was done once, unless it was laid aside."""
    mark = _mark(row, task)
    return mark if mark.how == ASIDE else replace(mark, how="")


def _read_studies(connection: Connection, rows: Sequence[Row[Any]]) -> list[Task]:
    departments = _departments(connection, [row.study_row for row in rows])
    tasks = []
    for row in rows:
        study = Uid(row.study_instance_uid)
        about = departments.get(row.study_row, "")
        opened, mark = moment(row.opened or 0), _still(row, unidentified(study))
        tasks.append(Task(mark.task, Kind.UNIDENTIFIED, row.organization, (study,), opened, about, mark=mark))
    return tasks


def _departments(connection: Connection, studies: Sequence[int]) -> dict[int, str]:
    """The department of each study as it is written, of the first series that names one."""
    named = select(_SERIES.c.study_row, _SERIES.c.json).where(
        _SERIES.c.study_row.in_(studies), _SERIES.c.institutional_department_name != ""
    )
    found: dict[int, str] = {}
    for study, json in connection.execute(named.order_by(_SERIES.c.series_number, _SERIES.c.id)):
        values = orjson.loads(json).get(_DEPARTMENT, {}).get("Value") or [""]
        found.setdefault(study, str(values[0]))
    return found


def _read_pairs(_: Connection, rows: Sequence[Row[Any]]) -> list[Task]:
    tasks = []
    for row in rows:
        task = same_person(row.like_first, row.like_second)
        one = PatientId(row.one_issuer, row.one_identifier)
        other = PatientId(row.other_issuer, row.other_identifier)
        like = Likeness(one, other, row.score / 100, evidence_of(row.evidence), row.bar)
        opened, mark = moment(row.opened), _still(row, task)
        tasks.append(Task(task, Kind.SAME_PERSON, one.issuer, (), opened, likeness=like, mark=mark))
    return tasks


def _read_filed(connection: Connection, rows: Sequence[Row[Any]]) -> list[Task]:
    studies: dict[str, list[Uid]] = {}
    theirs = select(_OF).where(_OF.c.task.in_([row.id for row in rows])).order_by(_OF.c.task, _OF.c.study)
    for each in connection.execute(theirs):
        studies.setdefault(each.task, []).append(Uid(each.study))
    return [
        Task(
            row.id,
            Kind(row.kind),
            row.organization,
            tuple(studies.get(row.id, ())),
            moment(row.opened_at),
            row.department,
            Priority(row.priority),
            row.note,
            mark=_mark(row, row.id),
        )
        for row in rows
    ]


def read_named(connection: Connection, rows: Sequence[Row[Any]]) -> list[Task]:
    tasks = _read_studies(connection, rows)
    return [replace(task, mark=_mark(row, task.id)) for task, row in zip(tasks, rows, strict=True)]
