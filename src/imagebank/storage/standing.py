"""What stands in the rows that a new instance touches: the statements that run with every instance."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from imagebank.model.imaging import Kept
from imagebank.storage import tables
from imagebank.storage.database import Prepared
from imagebank.storage.rows import micros, pack_digest
from imagebank.storage.sets import among, members


class StudyRow(NamedTuple):
    id: int
    patient_row: int
    issuer: str
    identifier: str
    organization: str
    series_count: int
    instance_count: int
    modalities: str
    sop_classes: str
    json: str
    origins: str


class SeriesRow(NamedTuple):
    id: int
    study_row: int
    instance_count: int
    version: int
    modality: str
    json: str
    origins: str


class HeldRow(NamedTuple):
    id: int
    sop_instance_uid: str
    segment_id: int
    segment_offset: int
    length: int
    size: int
    digest: bytes
    content_digest: bytes
    received_at: int
    sealed_by: bytes | None


def _columns(table: Table, kind: type[Any]) -> list[Any]:
    return [table.c[name] for name in kind._fields]


def _setting(table: Table, *names: str) -> Any:
    """UPDATE of one row with values by name."""
    return update(table).where(table.c.id == bindparam("row")).values({name: bindparam(name) for name in names})


_STUDY = Prepared(
    lambda _: (
        select(*(tables.patient.c[n] if n in {"issuer", "identifier"} else tables.study.c[n] for n in StudyRow._fields))
        .join_from(tables.study, tables.patient)
        .where(tables.study.c.study_instance_uid == bindparam("uid"))
    )
)
_SERIES = Prepared(
    lambda _: select(*_columns(tables.series, SeriesRow)).where(tables.series.c.series_instance_uid == bindparam("uid"))
)
_HELD = Prepared(
    lambda dialect: select(*_columns(tables.instance, HeldRow)).where(
        among(dialect, tables.instance.c.sop_instance_uid, "uids")
    )
)
INSERT = Prepared(lambda _: insert(tables.instance).values({c.name: bindparam(c.name) for c in tables.instance.c[1:]}))
COUNT_STUDY = Prepared(lambda _: _setting(tables.study, "series_count", "instance_count", "modalities", "sop_classes"))
COUNT_SERIES = Prepared(lambda _: _setting(tables.series, "instance_count", "version"))


def study_row_of(connection: Connection, uid: str) -> StudyRow | None:
    row = _STUDY.run(connection, {"uid": uid}).fetchone()
    return StudyRow(*row) if row else None


def series_row_of(connection: Connection, uid: str) -> SeriesRow | None:
    row = _SERIES.run(connection, {"uid": uid}).fetchone()
    return SeriesRow(*row) if row else None


def held_rows(connection: Connection, uids: Sequence[str]) -> dict[str, HeldRow]:
    """Those of these SOP instances that are there, by UID."""
    rows = _HELD.run(connection, {"uids": members(connection.dialect.name, uids)})
    return {row.sop_instance_uid: row for row in map(HeldRow._make, rows)}


def lies_at(row: HeldRow, place: Mapping[str, int]) -> bool:
    """Whether an instance that is held is this very record."""
    return (row.segment_id, row.segment_offset) == (place["segment_id"], place["segment_offset"])


def evidence(item: Kept) -> dict[str, Any]:
    """What a row says of how its instance came."""
    return {
        "sop_instance_uid": item.description.uid,
        "digest": pack_digest(item.digest),
        "content_digest": pack_digest(item.content_digest),
        "received_at": micros(item.received_at),
        "sealed_by": item.sealed_by,
    }


def add_former(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a version of an instance among the former ones, by `superseded_by` where a correction took its place; once,
    however often it is said.
    """
    history = tables.instance_history
    known = select(history.c.id).where(
        history.c.sop_instance_uid == values["sop_instance_uid"],
        history.c.segment_id == values["segment_id"],
        history.c.segment_offset == values["segment_offset"],
    )
    if connection.scalar(known) is None:
        connection.execute(insert(history).values(**values))
