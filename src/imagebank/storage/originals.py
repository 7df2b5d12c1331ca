"""Files that objects were made of: rows of the history with a media type, so that they go where their object goes."""

from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select

from imagebank.model.access import Scope
from imagebank.model.imaging import Digest, Location
from imagebank.model.original import Original
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.rows import clean, micros, moment, pack_digest, unpack_digest
from imagebank.storage.segments import Segments
from imagebank.storage.select import studies_in

_HISTORY = tables.instance_history


def keep(connection: Connection, segments: Segments, original: Original) -> bool:
    """Enter a file once; the same file of the same object again is nothing new."""
    known = select(_HISTORY.c.id).where(
        _HISTORY.c.sop_instance_uid == original.uid,
        _HISTORY.c.media_type != "",
        _HISTORY.c.digest == pack_digest(original.digest),
    )
    if connection.scalar(known) is not None:
        return False
    values = segments.columns(original.location) | {
        "sop_instance_uid": original.uid,
        "digest": pack_digest(original.digest),
        "content_digest": pack_digest(original.digest),
        "received_at": micros(original.received_at),
        "media_type": original.media_type,
        "name": clean(original.name),
        "sealed_by": original.sealed_by,
    }
    connection.execute(insert(_HISTORY).values(**values))
    return True


def find(connection: Connection, uid: Uid, scope: Scope) -> Original | None:
    """The newest one of an instance that is in scope."""
    chosen = _in_scope(connection, scope).where(_HISTORY.c.sop_instance_uid == uid)
    row = connection.execute(chosen.order_by(_HISTORY.c.id.desc()).limit(1)).one_or_none()
    return _of_row(row) if row is not None else None


def made_of(connection: Connection, digest: Digest, patient: PatientId, scope: Scope, named: Uid | None) -> Uid | None:
    """The first instance of this patient that was made of the same bytes, or the one that is named, if it was."""
    chosen = _in_scope(connection, scope).where(_HISTORY.c.digest == pack_digest(digest))
    if named is not None:
        chosen = chosen.where(_HISTORY.c.sop_instance_uid == named)
    theirs = (tables.patient.c.issuer == patient.issuer, tables.patient.c.identifier == patient.identifier)
    chosen = chosen.join(tables.patient, tables.patient.c.id == tables.study.c.patient_row).where(*theirs)
    row = connection.execute(chosen.order_by(_HISTORY.c.id).limit(1)).one_or_none()
    return Uid(row.sop_instance_uid) if row is not None else None


def _in_scope(connection: Connection, scope: Scope) -> Select[Any]:
    held, series, study, segment = tables.instance, tables.series, tables.study, tables.segment
    return (
        select(_HISTORY, segment.c.name.label("segment"))
        .join_from(_HISTORY, segment, segment.c.id == _HISTORY.c.segment_id)
        .join(held, held.c.sop_instance_uid == _HISTORY.c.sop_instance_uid)
        .join(series, series.c.id == held.c.series_row)
        .join(study, study.c.id == series.c.study_row)
        .where(_HISTORY.c.media_type != "", *studies_in(scope, connection.dialect.name))
    )


def _of_row(row: Row[Any]) -> Original:
    return Original(
        Uid(row.sop_instance_uid),
        Location(row.segment, row.segment_offset, row.length, row.size),
        unpack_digest(row.digest),
        row.media_type,
        row.name,
        moment(row.received_at),
        row.sealed_by,
    )
