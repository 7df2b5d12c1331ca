"""Objects that are kept but not in the archive."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, or_, select, update

from imagebank.model.imaging import Digest, Kept, Location, Quarantined, Source
from imagebank.storage import tables
from imagebank.storage.rows import clean, micros, moment, pack_digest, unpack_digest
from imagebank.storage.segments import Segments

_T = tables.quarantine


def lay_aside(
    connection: Connection,
    segments: Segments,
    reason: str,
    name: str,
    source: Source,
    at: datetime,
    location: Location,
    digest: Digest,
    uid: str,
    sealed_by: bytes | None,
) -> int:
    """Note one object; its number. The same record again gets the same number, so that a replay adds nothing."""
    place = segments.columns(location)
    known: int | None = connection.scalar(
        select(_T.c.id)
        .where(_T.c.segment_id == place["segment_id"], _T.c.segment_offset == place["segment_offset"])
        .limit(1)
    )
    if known is not None:
        return known
    values = {
        "reason": clean(reason),
        "name": clean(name),
        "way": source.way,
        "principal": clean(source.principal),
        "organization": source.organization,
        "address": source.address,
        "received_at": micros(at),
        "digest": pack_digest(digest),
        "uid": clean(uid),
        "sealed_by": sealed_by,
    }
    number: int = connection.scalars(insert(_T).values(**values, **place).returning(_T.c.id)).one()
    return number


def equal_copy(connection: Connection, segments: Segments, item: Kept) -> int | None:
    """The number under which the same bytes from the same organization lie here already, in another record."""
    place = segments.columns(item.location)
    found: int | None = connection.scalar(
        select(_T.c.id)
        .where(
            _T.c.uid == item.description.uid,
            _T.c.digest == pack_digest(item.digest),
            _T.c.organization == item.source.organization,
            or_(_T.c.segment_id != place["segment_id"], _T.c.segment_offset != place["segment_offset"]),
        )
        .order_by(_T.c.id)
        .limit(1)
    )
    return found


def renumber(connection: Connection, segments: Segments, before: Iterable[Quarantined]) -> None:
    """Give records that lie here the numbers that they had before. No number is ever given twice, so none is taken."""
    for one in before:
        connection.execute(
            update(_T)
            .where(_T.c.segment_id == segments.number(one.location.segment))
            .where(_T.c.segment_offset == one.location.offset)
            .values(id=one.id)
        )


def release(connection: Connection, number: int) -> None:
    connection.execute(delete(_T).where(_T.c.id == number))


def all_rows() -> Select[Any]:
    """Every row with the name of its segment, oldest first."""
    return (
        select(_T, tables.segment.c.name.label("segment"))
        .join(tables.segment, tables.segment.c.id == _T.c.segment_id)
        .order_by(_T.c.id)
    )


def of_row(row: Row[Any]) -> Quarantined:
    return Quarantined(
        row.id,
        row.reason,
        row.name,
        Source(row.way, row.principal, row.organization, row.address),
        moment(row.received_at),
        Location(row.segment, row.segment_offset, row.length, row.size),
        unpack_digest(row.digest),
        row.uid,
    )
