"""The reconciliation queue in the database: what follows from the objects, what was filed, and what was done about both.

A page goes on in each way from where the page before ended, so that it reads what it shows.
"""

import base64
import heapq
import time
from collections import Counter
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, case, func, insert, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from imagebank.errors import Invalid
from imagebank.model.access import LONG_AGO, Scope
from imagebank.model.person import fold
from imagebank.model.task import AGES, ASIDE, FILED, OLDER, Counts, Kind, Mark, Page, State, Task, Wanted
from imagebank.ports.steady import LOOKUP_S, hold
from imagebank.storage import tables
from imagebank.storage.database import Database
from imagebank.storage.rows import clean, cut, micros
from imagebank.storage.select import studies_in
from imagebank.storage.task_ways import ALL, MARK, OPENED, PREFIX, WAYS, Way, filed, read_named

_TASK, _OF, _LIKENESS = tables.task, tables.task_study, tables.likeness
_STUDY, _PATIENT = tables.study, tables.patient
_EVERYTHING: Final = Scope(organizations=None)
_Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class _Places(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Where each way goes on, after what it showed last."""

    u: tuple[_Number] | None = None
    p: tuple[_Number, _Number, _Number] | None = None
    f: tuple[_Number, _Number, str] | None = None


def _places(after: str) -> _Places:
    """Raises Invalid for what no page gave."""
    try:
        return (
            msgspec.json.decode(base64.urlsafe_b64decode(after.encode("ascii")), type=_Places) if after else _Places()
        )
    except (ValueError, msgspec.MsgspecError) as error:
        raise Invalid("this page of the queue is none that the bank gave") from error


def _place(way: Way, row: Row[Any]) -> tuple[Any, ...]:
    """Where in its way a row stands."""
    prefix = "like_" if way.name == "p" else ""
    return tuple(getattr(row, prefix + each.name) for each in way.order)


def _narrowed(way: Way, wanted: Wanted, after: tuple[Any, ...] | None) -> Select[Any]:
    chosen = way.chosen
    if wanted.kind in FILED:
        chosen = chosen.where(_TASK.c.kind == str(wanted.kind))
    if wanted.department:
        chosen = chosen.where(way.department == cut(fold(wanted.department)))
    if after is not None:
        chosen = chosen.where(tuple_(*way.order) > tuple_(*after) if len(after) > 1 else way.order[0] > after[0])
    return chosen.order_by(*way.order).limit(wanted.limit + 1)


def _rank(entry: tuple[Task, str, tuple[Any, ...]]) -> tuple[int, datetime]:
    return entry[0].priority, entry[0].opened_at


class SQLTasks:
    """A `TaskReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name

    def _ways(self, kind: Kind | None, scope: Scope, state: State | None, now: datetime) -> list[Way]:
        makes = ALL if kind is None else (WAYS[kind],)
        return [make(scope, self._dialect, state, now) for make in makes]

    def tasks(self, wanted: Wanted, scope: Scope, now: datetime) -> Page:
        if wanted.state is State.SETTLED:
            return self._settled(wanted, scope)
        places = _places(wanted.after)
        found: list[list[tuple[Task, str, tuple[Any, ...]]]] = []
        with self._database.reading() as connection:
            for way in self._ways(wanted.kind, scope, wanted.state, now):
                if wanted.department and way.name == "p":
                    continue  # two records are no department's
                rows = connection.execute(_narrowed(way, wanted, getattr(places, way.name))).all()
                stand = [_place(way, row) for row in rows]
                found.append([(task, way.name, at) for task, at in zip(way.read(connection, rows), stand, strict=True)])
        merged = list(islice(heapq.merge(*found, key=_rank), wanted.limit + 1))
        for _, name, at in merged[: wanted.limit]:
            setattr(places, name, at)
        tasks = tuple(task for task, *_ in merged[: wanted.limit])
        more = len(merged) > wanted.limit
        return Page(tasks, base64.urlsafe_b64encode(msgspec.json.encode(places)).decode() if more else "")

    def _settled(self, wanted: Wanted, scope: Scope) -> Page:
        """What was settled last: what was filed, and studies that were given to a patient whom they name since."""
        done = _TASK.c.how.not_in(("", ASIDE))
        newest = (_TASK.c.at.desc(), _TASK.c.id)
        tasks: list[Task] = []
        with self._database.reading() as connection:
            if wanted.kind in (None, *FILED):
                way = filed(scope, self._dialect, None, LONG_AGO)
                of_kind = [] if wanted.kind is None else [_TASK.c.kind == str(wanted.kind)]
                rows = connection.execute(way.chosen.where(done, *of_kind).order_by(*newest).limit(wanted.limit)).all()
                tasks += way.read(connection, rows)
            if wanted.kind in (None, Kind.UNIDENTIFIED):
                chosen = self._named(scope).where(done).order_by(*newest).limit(wanted.limit)
                tasks += read_named(connection, connection.execute(chosen).all())
        tasks.sort(key=lambda task: task.mark.at, reverse=True)
        return Page(tuple(tasks[: wanted.limit]))

    def _named(self, scope: Scope) -> Select[Any]:
        """Studies that name somebody, and of which somebody said something in the queue."""
        is_about = _STUDY.c.study_instance_uid == func.substr(_TASK.c.id, len(PREFIX) + 1)
        joined = _TASK.join(_STUDY, is_about).join(_PATIENT, _PATIENT.c.id == _STUDY.c.patient_row)
        columns = (_STUDY.c.id.label("study_row"), _STUDY.c.study_instance_uid, _STUDY.c.organization)
        of_kind = _TASK.c.id >= PREFIX, _TASK.c.id < PREFIX + "~"
        chosen = select(*columns, OPENED.label("opened"), *MARK).select_from(joined)
        return chosen.where(*of_kind, _PATIENT.c.identifier != "", *studies_in(scope, self._dialect))

    def task(self, task: str, scope: Scope, now: datetime) -> Task | None:
        began = time.perf_counter()
        kind = next((each for each in Kind if task.startswith(f"{each}-")), None)
        found = None if kind is None else self._one(kind, task.removeprefix(f"{kind}-"), task, scope, now)
        if found is None and scope != _EVERYTHING:
            hold(began, LOOKUP_S[self._dialect])
        return found

    def _one(self, kind: Kind, rest: str, task: str, scope: Scope, now: datetime) -> Task | None:
        way = WAYS[kind](scope, self._dialect, None, now)
        match kind:
            case Kind.UNIDENTIFIED:
                is_it = _STUDY.c.study_instance_uid == rest
            case Kind.SAME_PERSON:
                numbers = [
                    int(each) for each in rest.split("-") if each.isascii() and each.isdigit() and len(each) < 19
                ]
                is_it = tuple_(_LIKENESS.c.first, _LIKENESS.c.second) == tuple_(*(*numbers, -1, -1)[:2])
            case _:
                is_it = _TASK.c.id == task
        with self._database.reading() as connection:
            rows = connection.execute(way.chosen.where(is_it)).all()
            tasks = way.read(connection, rows)
            if not tasks and kind is Kind.UNIDENTIFIED:
                done = self._named(scope).where(_TASK.c.id == task, _TASK.c.how.not_in(("", ASIDE)))
                tasks = read_named(connection, connection.execute(done).all())
        return tasks[0] if tasks else None

    def counts(self, scope: Scope, now: datetime) -> Counts:
        kinds, departments, ages = Counter[Kind](), Counter[str](), Counter[str]()
        bounds = [(name, micros(now - timedelta(days=days))) for name, days in AGES]
        with self._database.reading() as connection:
            for way in self._ways(None, scope, State.OPEN, now):
                named = (way.kind.label("kind"), way.department.label("department"), way.opened.label("opened"))
                each = way.chosen.with_only_columns(*named, maintain_column_froms=True).subquery()
                age = case(*((each.c.opened > bound, name) for name, bound in bounds), else_=OLDER)
                counted = select(each.c.kind, each.c.department, age, func.count()).group_by(
                    each.c.kind, each.c.department, age
                )
                for kind, department, name, number in connection.execute(counted):
                    kinds[Kind(kind)] += number
                    departments[department] += number
                    ages[name] += number
        return Counts(
            tuple((kind, kinds[kind]) for kind in Kind),
            tuple(sorted(departments.items())),
            tuple((name, ages[name]) for name in (*(name for name, _ in AGES), OLDER)),
        )

    def waiting(self, scope: Scope, now: datetime, most: int) -> int:
        with self._database.reading() as connection:
            return sum(
                connection.scalars(select(func.count()).select_from(self._some(way, most))).one()
                for way in self._ways(None, scope, State.OPEN, now)
            )

    def _some(self, way: Way, most: int) -> Any:
        return way.chosen.with_only_columns(text("1"), maintain_column_froms=True).limit(most).subquery()


class TaskChanges:
    """A `TaskWriter`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert

    def file(self, task: Task) -> bool:
        values = {
            "id": task.id,
            "is_filed": 1,
            "kind": str(task.kind),
            "organization": clean(task.organization),
            "department": cut(fold(task.department)),
            "priority": int(task.priority),
            "opened_at": micros(task.opened_at),
            "note": clean(task.note),
            "at": 0,
        }
        new = self._insert(_TASK).values(**values).on_conflict_do_nothing().returning(_TASK.c.id)
        if self._connection.scalar(new) is None:
            return False
        about = [{"task": task.id, "study": study} for study in sorted(set(task.studies))]
        self._connection.execute(insert(_OF), about)
        return True

    def take(self, task: str, by: str, now: datetime, until: datetime) -> bool:
        values = {"taken_by": clean(by), "taken_until": micros(until)}
        new = self._insert(_TASK).values(id=task, is_filed=0, at=0, **values)
        is_free = or_(_TASK.c.taken_by == clean(by), _TASK.c.taken_until <= micros(now))
        taken = new.on_conflict_do_update(index_elements=["id"], set_=values, where=is_free)
        return self._connection.scalar(taken.returning(_TASK.c.id)) is not None

    def let_go(self, task: str, by: str) -> bool:
        mine = update(_TASK).where(_TASK.c.id == task, _TASK.c.taken_by == clean(by))
        return self._connection.execute(mine.values(taken_by="", taken_until=0)).rowcount == 1

    def mark(self, mark: Mark) -> None:
        values = {
            "taken_by": "",
            "taken_until": 0,
            "postponed_until": micros(mark.postponed_until),
            "how": clean(mark.how),
            "by": clean(mark.by),
            "at": micros(mark.at),
            "reason": clean(mark.reason),
        }
        new = self._insert(_TASK).values(id=mark.task, is_filed=0, **values)
        self._connection.execute(new.on_conflict_do_update(index_elements=["id"], set_=values))
