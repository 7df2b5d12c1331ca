"""Corrections, new versions on their way, and former versions, in the database."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, delete, or_, select, update

from imagebank.model.access import Scope
from imagebank.model.correction import Correction, State, Step, Version
from imagebank.model.imaging import Digest, Location
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Database, lock_studies, put
from imagebank.storage.rows import clean, dumps, micros, moment, unpack_digest
from imagebank.storage.segments import Segments
from imagebank.storage.select import studies_in
from imagebank.storage.sets import one_of
from imagebank.storage.standing import add_former, held_rows

_T, _STEP, _HISTORY = tables.correction, tables.correction_step, tables.instance_history
_PLACE = ("segment_offset", "length", "size")
_WORDS = ("study", "series", "instance", "principal", "organization", "address", "reason", "undoes", "fault")


def _of_row(row: Row[Any]) -> Correction:
    told = orjson.loads(row.told)
    return Correction(
        id=row.id,
        at=moment(row.at),
        study=Uid(row.study),
        principal=row.principal,
        organization=row.organization,
        reason=row.reason,
        changes=told["changes"],
        undoes=row.undoes,
        series=row.series,
        instance=row.instance,
        address=row.address,
        state=State(row.state),
        count=row.instances,
        total=row.total,
        before=told["before"],
        after=told["after"],
        patient=PatientId(row.issuer, row.identifier),
        fault=row.fault,
    )


def _values(one: Correction) -> dict[str, Any]:
    return {
        **{name: clean(str(getattr(one, name))) for name in _WORDS},
        "id": one.id,
        "at": micros(one.at),
        "state": one.state,
        "instances": one.count,
        "total": one.total,
        "issuer": clean(one.patient.issuer),
        "identifier": clean(one.patient.identifier),
        "told": clean(dumps({"changes": one.changes, "before": one.before, "after": one.after})),
    }


class SQLCorrections:
    """What is read of corrections."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name

    def of_study(self, study: Uid, scope: Scope) -> list[Correction]:
        is_seen = select(tables.study.c.id).where(
            tables.study.c.study_instance_uid == study, *studies_in(scope, self._dialect)
        )
        chosen = select(_T).where(_T.c.study == study).order_by(_T.c.at.desc(), _T.c.id)
        with self._database.reading() as connection:
            if connection.scalar(is_seen) is None:
                return []
            return [_of_row(row) for row in connection.execute(chosen)]

    def versions(self, uid: Uid, scope: Scope) -> list[Version]:
        held, series, study = tables.instance, tables.series, tables.study
        chosen = (
            _former(uid)
            .join(held, held.c.sop_instance_uid == _HISTORY.c.sop_instance_uid)
            .join(series, series.c.id == held.c.series_row)
            .join(study, study.c.id == series.c.study_row)
            .where(*studies_in(scope, self._dialect))
            .order_by(_HISTORY.c.received_at, _HISTORY.c.id)
        )
        with self._database.reading() as connection:
            return [_version(row) for row in connection.execute(chosen)]

    def superseded(self, uid: Uid) -> list[tuple[Digest, Location]]:
        chosen = _former(uid).where(_HISTORY.c.superseded_by != "").order_by(_HISTORY.c.id)
        with self._database.reading() as connection:
            found = [_version(row) for row in connection.execute(chosen)]
        return [(one.content_digest, one.location) for one in found]

    def under_way(self, identifier: str) -> Correction | None:
        chosen = select(_T).where(_T.c.id == identifier, _T.c.state == State.UNDER_WAY)
        with self._database.reading() as connection:
            row = connection.execute(chosen).one_or_none()
        return None if row is None else _of_row(row)

    def steps(self, identifier: str) -> list[Step]:
        there, before = tables.segment.alias("there"), tables.segment.alias("before")
        chosen = (
            select(_STEP, there.c.name.label("segment"), before.c.name.label("former_segment"))
            .join(there, there.c.id == _STEP.c.segment_id)
            .join(before, before.c.id == _STEP.c.former_segment_id)
            .where(_STEP.c.correction == identifier)
            .order_by(_STEP.c.sop_instance_uid)
        )
        with self._database.reading() as connection:
            return [_step(row) for row in connection.execute(chosen)]


def _former(uid: Uid) -> Select[Any]:
    """Former versions of an instance, each with the name of its segment; not the files that it was made of."""
    segment = tables.segment
    return (
        select(_HISTORY, segment.c.name.label("segment"))
        .join_from(_HISTORY, segment, segment.c.id == _HISTORY.c.segment_id)
        .where(_HISTORY.c.sop_instance_uid == uid, _HISTORY.c.media_type == "")
    )


def _version(row: Row[Any]) -> Version:
    return Version(
        Uid(row.sop_instance_uid),
        _place(row),
        unpack_digest(row.digest),
        unpack_digest(row.content_digest),
        moment(row.received_at),
        row.superseded_by,
    )


def _step(row: Row[Any]) -> Step:
    former = Location(row.former_segment, row.former_offset, row.former_length, row.former_size)
    told = orjson.loads(row.told)
    return Step(Uid(row.sop_instance_uid), former, _place(row), told["before"], told["after"], row.sealed_by)


def _place(row: Row[Any]) -> Location:
    return Location(row.segment, row.segment_offset, row.length, row.size)


def is_superseded(connection: Connection, uid: Uid, content_digest: bytes) -> bool:
    """Whether a correction took the place of this very content."""
    known = select(_HISTORY.c.id).where(
        _HISTORY.c.sop_instance_uid == uid,
        _HISTORY.c.content_digest == content_digest,
        _HISTORY.c.superseded_by != "",
    )
    return connection.scalar(known.limit(1)) is not None


def forget_of(connection: Connection, studies: Select[Any]) -> None:
    """Forget the corrections of studies that go, which a statement gives by UID.

    One that is under way stays: its job finds nothing to correct, and destroys what is written for it.
    """
    connection.execute(delete(_T).where(_T.c.study.in_(studies), _T.c.state != State.UNDER_WAY))


class CorrectionsChanges:
    """What is written of corrections in one transaction."""

    def __init__(self, connection: Connection, segments: Segments) -> None:
        self._connection = connection
        self._segments = segments
        self._dialect = connection.dialect.name

    def put(self, correction: Correction) -> None:
        put(self._connection, _T, ["id"], _values(correction))

    def finish(self, correction: Correction) -> bool:
        is_mine = (_T.c.id == correction.id) & (_T.c.state == State.UNDER_WAY)
        changed = self._connection.execute(update(_T).where(is_mine).values(**_values(correction)))
        self._connection.execute(delete(_STEP).where(_STEP.c.correction == correction.id))
        study = tables.study.c
        is_there = select(study.id).where(study.study_instance_uid == _T.c.study).exists()
        self._connection.execute(delete(_T).where(_T.c.id == correction.id, ~is_there))
        return bool(changed.rowcount)

    def put_steps(self, identifier: str, steps: Sequence[Step]) -> None:
        for one in steps:
            former = self._segments.columns(one.former)
            values = {
                "correction": identifier,
                "sop_instance_uid": one.uid,
                "former_segment_id": former["segment_id"],
                "former_offset": former["segment_offset"],
                "former_length": former["length"],
                "former_size": former["size"],
                "sealed_by": one.sealed_by,
                "told": clean(dumps({"before": one.before, "after": one.after})),
            }
            put(
                self._connection,
                _STEP,
                ["correction", "sop_instance_uid"],
                values | self._segments.columns(one.location),
            )

    def supersede(self, identifier: str, study: Uid, instances: Sequence[Uid]) -> None:
        lock_studies(self._connection, [study])
        for row in held_rows(self._connection, instances).values():
            values = {name: value for name, value in row._asdict().items() if name != "id"}
            add_former(self._connection, values | {"superseded_by": identifier})

    def forget_sealed(self, names: Sequence[bytes]) -> list[Location]:
        held = tables.instance
        theirs = select(held.c.sop_instance_uid).where(held.c.sealed_by.in_(list(names)))
        found = []
        for table in (_HISTORY, _STEP):
            is_theirs = table.c.sop_instance_uid.in_(theirs)
            is_sealed = table.c.sealed_by.in_(list(names))
            others = (
                select(tables.segment.c.name.label("segment"), *(table.c[name] for name in _PLACE))
                .join(tables.segment, tables.segment.c.id == table.c.segment_id)
                .where(is_theirs, or_(table.c.sealed_by.is_(None), ~is_sealed))
            )
            found += [_place(row) for row in self._connection.execute(others)]
            self._connection.execute(delete(table).where(or_(is_theirs, is_sealed)))
        return found

    def restore(self, corrections: Sequence[Correction]) -> list[Uid]:
        study = tables.study.c.study_instance_uid
        wanted = sorted({str(one.study) for one in corrections})
        there = set(self._connection.scalars(select(study).where(one_of(self._dialect, study, wanted))))
        for one in corrections:
            if one.study in there:
                self.put(replace(one, state=State.DONE))
        return sorted(map(Uid, there))
