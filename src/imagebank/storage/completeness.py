"""Whether studies have come, in the database: one row a study, written by a job and read by lists."""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from imagebank.model.access import Scope
from imagebank.model.completeness import Completeness, Progress, Standing
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.ports.completeness import Asked
from imagebank.ports.steady import LOOKUP_S, hold
from imagebank.storage import tables
from imagebank.storage.database import Database, Prepared, put
from imagebank.storage.expectations import as_uid, packed
from imagebank.storage.rows import clean, micros, pack_set, unpack_set
from imagebank.storage.select import studies_in
from imagebank.storage.sets import one_of
from imagebank.storage.visible import announced_in

_FOUND, _STUDY, _SERIES, _INSTANCE = tables.completeness, tables.study, tables.series, tables.instance
_BRIEF: Final = ("progress", "expected", "missing", "is_certain")


def _joined() -> FromClause:
    is_its = and_(_STUDY.c.study_instance_uid == _FOUND.c.study, _STUDY.c.organization == _FOUND.c.organization)
    return _FOUND.outerjoin(_STUDY, is_its)


def _shown(scope: Scope, dialect: str) -> ColumnElement[bool]:
    """A row of a study that is here is shown with the study, one of a study that never came as an order is."""
    here = and_(_STUDY.c.id.is_not(None), *studies_in(scope, dialect))
    return or_(here, and_(_STUDY.c.id.is_(None), *announced_in(scope, dialect)))


def _standing(row: Row[Any]) -> Standing:
    return Standing(Progress(row.progress), row.expected, row.missing, bool(row.is_certain))


def _found(row: Row[Any]) -> Completeness:
    if row.details:
        kept: Completeness = msgspec.json.decode(row.details, type=Completeness, dec_hook=as_uid)
        # What came since is noted in the row alone.
        came = kept.received if row.instance_count is None else row.instance_count
        return replace(kept, standing=_standing(row), received=came)
    return Completeness(
        Uid(row.study),
        row.organization,
        PatientId(row.issuer, row.identifier),
        _standing(row),
        row.instance_count or 0,
        row.instance_count is not None,
        modalities=tuple(unpack_set(row.modalities)),
        date=row.study_date,
    )


class SQLCompleteness:
    """A `CompletenessReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name

    def standings(self, studies: Collection[Uid], scope: Scope) -> dict[Uid, Standing]:
        chosen = (
            select(_FOUND.c.study, *(_FOUND.c[name] for name in _BRIEF))
            .select_from(_joined())
            .where(one_of(self._dialect, _FOUND.c.study, sorted(studies)), _STUDY.c.id.is_not(None))
            .where(*studies_in(scope, self._dialect))
        )
        with self._database.reading() as connection:
            return {Uid(row.study): _standing(row) for row in connection.execute(chosen)}

    def of_study(self, study: Uid, scope: Scope) -> Completeness | None:
        began = time.perf_counter()
        chosen = _rows().where(_FOUND.c.study == study, _shown(scope, self._dialect))
        with self._database.reading() as connection:
            row = connection.execute(chosen.order_by(_STUDY.c.id.is_(None), _FOUND.c.organization)).first()
        if row is None:
            hold(began, LOOKUP_S[self._dialect])
        return None if row is None else _found(row)

    def listed(self, asked: Asked, scope: Scope) -> list[Completeness]:
        order = (_FOUND.c.study_date.desc(), _FOUND.c.study, _FOUND.c.organization)
        chosen = _rows().where(*self._conditions(asked, scope)).order_by(*order)
        with self._database.reading() as connection:
            return [_found(row) for row in connection.execute(chosen.limit(asked.limit).offset(asked.offset))]

    def count(self, asked: Asked, scope: Scope) -> int:
        counted = select(func.count()).select_from(_joined()).where(*self._conditions(asked, scope))
        with self._database.reading() as connection:
            return connection.scalars(counted).one()

    def _conditions(self, asked: Asked, scope: Scope) -> list[ColumnElement[bool]]:
        conditions = [_shown(scope, self._dialect)]
        conditions.append(one_of(self._dialect, _FOUND.c.progress, [one.value for one in asked.progress]))
        for column, value in ((_FOUND.c.modalities, asked.modality), (_FOUND.c.origins, asked.origin)):
            if value:
                find = func.instr if self._dialect == "sqlite" else func.strpos
                conditions.append(find(column, pack_set([clean(str(value))])) > 0)
        if asked.since:
            conditions.append(_FOUND.c.study_date >= asked.since)
        if asked.until:
            conditions.append(_FOUND.c.study_date <= asked.until)
        return conditions

    def unjudged(self, limit: int, scope: Scope, after: str = "") -> list[Uid]:
        has_row: Select[Any] = select(literal_column("1")).where(
            _FOUND.c.study == _STUDY.c.study_instance_uid, _FOUND.c.organization == _STUDY.c.organization
        )
        chosen = (
            select(_STUDY.c.study_instance_uid)
            .where(_STUDY.c.study_instance_uid > after, ~has_row.correlate(_STUDY).exists())
            .where(*studies_in(scope, self._dialect))
            .order_by(_STUDY.c.study_instance_uid)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [Uid(study) for study in connection.scalars(chosen)]


def _rows() -> Select[Any]:
    return select(_FOUND, _STUDY.c.instance_count).select_from(_joined())


def _arriving(dialect: str) -> Any:
    make = sqlite_insert if dialect == "sqlite" else postgresql_insert
    # Constants stand in the text: the driver is given no other values than those by name.
    arriving: ColumnElement[str] = literal_column(f"'{Progress.ARRIVING.value}'")
    fresh = select(
        _STUDY.c.study_instance_uid,
        _STUDY.c.organization,
        arriving,
        literal_column("1"),
        _STUDY.c.modalities,
        _STUDY.c.study_date,
        bindparam("at", type_=_FOUND.c.judged_at.type),
    ).where(_STUDY.c.study_instance_uid == bindparam("study"))
    names = ["study", "organization", "progress", "is_certain", "modalities", "study_date", "judged_at"]
    statement = make(_FOUND).from_select(names, fresh, include_defaults=False)
    return statement.on_conflict_do_update(
        index_elements=["study", "organization"],
        set_={"progress": arriving},
        where=_FOUND.c.progress != arriving,
    )


_ARRIVE: Final = Prepared(_arriving)
_VERSIONS: Final = Prepared(
    lambda _: (
        select(_SERIES.c.series_instance_uid, _SERIES.c.version)
        .join(_STUDY)
        .where(_STUDY.c.study_instance_uid == bindparam("study"), _STUDY.c.organization == bindparam("organization"))
    )
)
_DROP: Final = Prepared(
    lambda _: delete(_FOUND).where(_FOUND.c.study == bindparam("study"), _FOUND.c.organization != bindparam("but"))
)


class CompletenessChanges:
    """A `CompletenessWriter` on an open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def arrive(self, studies: Iterable[Uid], at: datetime) -> None:
        for study in sorted(set(studies)):
            _ARRIVE.run(self._connection, {"study": study, "at": micros(at)})

    def put(self, found: Completeness, versions: Mapping[Uid, int], at: datetime) -> bool:
        connection = self._connection
        its = {"study": found.study, "organization": found.organization}
        if {Uid(uid): version for uid, version in _VERSIONS.run(connection, its).fetchall()} != versions:
            return False
        standing = found.standing
        values = {
            "study": str(found.study),
            "organization": clean(found.organization),
            "progress": standing.progress.value,
            "expected": standing.expected,
            "missing": standing.missing,
            "is_certain": int(standing.is_certain),
            "modalities": clean(pack_set(found.modalities)),
            "study_date": clean(found.date),
            "origins": pack_set(one.value for one in found.origins),
            "issuer": clean(found.patient.issuer),
            "identifier": clean(found.patient.identifier),
            "details": packed(found),
            "judged_at": micros(at),
        }
        put(connection, _FOUND, ["study", "organization"], values)
        return True

    def drop(self, study: Uid, but: Collection[str] = ()) -> None:
        if len(but) == 1:
            (only,) = but
            _DROP.run(self._connection, {"study": study, "but": clean(only)})
            return
        kept = one_of(self._connection.dialect.name, _FOUND.c.organization, [clean(one) for one in but])
        self._connection.execute(delete(_FOUND).where(_FOUND.c.study == study, not_(kept)))
