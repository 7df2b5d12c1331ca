"""Rows of instances whose records are compressed (`storage.compressed`)."""

from typing import Final

from sqlalchemy import Connection, func, select, update

from imagebank.model.access import Scope
from imagebank.model.compression import Saved
from imagebank.model.imaging import Instance, Location
from imagebank.storage import tables
from imagebank.storage.database import Database
from imagebank.storage.instances import instances_after
from imagebank.storage.record import CONTENTS_AT, Contents
from imagebank.storage.segments import Segments

_INSTANCE, _SEGMENT = tables.instance, tables.segment
_IS_COMPRESSED: Final = func.substr(_SEGMENT.c.name, CONTENTS_AT + 1, 1) == f"{Contents.COMPRESSED:x}"


class Compression:
    """A `CompressionReader`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, number: int, limit: int, scope: Scope) -> list[tuple[int, Instance]]:
        with self._database.reading() as connection:
            return instances_after(connection, number, 0, limit, scope)

    def saved(self) -> Saved:
        sums = (func.sum(_INSTANCE.c.size), func.sum(_INSTANCE.c.length))
        statement = (
            select(func.count(), *(func.coalesce(one, 0) for one in sums))
            .join_from(_INSTANCE, _SEGMENT, _SEGMENT.c.id == _INSTANCE.c.segment_id)
            .where(_IS_COMPRESSED)
        )
        with self._database.reading() as connection:
            return Saved(*(int(one) for one in connection.execute(statement).one()))


class CompressionChanges:
    """A `CompressionWriter` on an open connection."""

    def __init__(self, connection: Connection, segments: Segments) -> None:
        self._connection, self._segments = connection, segments

    def move(self, instance: Instance, location: Location, sealed_by: bytes | None) -> bool:
        former = self._segments.columns(instance.location)
        found = self._connection.execute(
            update(_INSTANCE)
            .where(
                _INSTANCE.c.sop_instance_uid == instance.uid,
                _INSTANCE.c.segment_id == former["segment_id"],
                _INSTANCE.c.segment_offset == former["segment_offset"],
            )
            .values(**self._segments.columns(location), sealed_by=sealed_by)
        )
        return found.rowcount > 0
