"""Rows of single instances, for retrieval and removal."""

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, select

from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Location, Selection
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Prepared
from imagebank.storage.direct import Driver
from imagebank.storage.rows import moment, unpack_digest, unpack_pixels
from imagebank.storage.select import chosen, studies_in
from imagebank.storage.shape import Shape, parameters_of, shape_of
from imagebank.storage.tables import LAST


def instance_rows(connection: Connection | Driver, selection: Selection, scope: Scope) -> Iterable[tuple[Any, ...]]:
    """The rows of a selection in scope, by series and instance number. The first column is the row's number."""
    dialect = connection.dialect.name
    given = {"study": selection.study, "series": selection.series, "instance": selection.instance}
    selected: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    statement = _prepared(frozenset(selected), shape_of(scope))
    rows: Iterable[tuple[Any, ...]] = statement.run(connection, selected | parameters_of(scope, dialect))
    return rows


_STUDY, _SERIES, _INSTANCE = tables.study, tables.series, tables.instance
_PATIENT, _SEGMENT = tables.patient, tables.segment

INSTANCE: Final = (
    select(
        _INSTANCE.c.id,
        _INSTANCE.c.sop_instance_uid,
        _SERIES.c.series_instance_uid,
        _STUDY.c.study_instance_uid,
        _PATIENT.c.issuer,
        _PATIENT.c.identifier,
        _INSTANCE.c.sop_class_uid,
        _INSTANCE.c.transfer_syntax,
        _INSTANCE.c.instance_number,
        _SEGMENT.c.name,
        _INSTANCE.c.segment_offset,
        _INSTANCE.c.length,
        _INSTANCE.c.size,
        _INSTANCE.c.digest,
        _INSTANCE.c.content_digest,
        _INSTANCE.c.dataset_offset,
        _INSTANCE.c.pixels,
        _INSTANCE.c.received_at,
    )
    .join_from(_INSTANCE, _SERIES, _SERIES.c.id == _INSTANCE.c.series_row)
    .join(_STUDY, _STUDY.c.id == _SERIES.c.study_row)
    .join(_PATIENT, _PATIENT.c.id == _STUDY.c.patient_row)
    .join(_SEGMENT, _SEGMENT.c.id == _INSTANCE.c.segment_id)
)
"""The rows that `instance_of` reads."""


@cache
def _prepared(given: frozenset[str], shape: Shape) -> Prepared:
    """The statement for one shape of selection and scope, kept because frames are read by it."""
    return Prepared(
        lambda dialect: INSTANCE.where(*chosen(given, shape, dialect)).order_by(
            _SERIES.c.series_number,
            _SERIES.c.series_instance_uid,
            _INSTANCE.c.instance_number,
            _INSTANCE.c.sop_instance_uid,
        )
    )


def instances_after(
    connection: Connection, after: int, upto: int, limit: int, scope: Scope
) -> list[tuple[int, Instance]]:
    """Instances in scope by the numbers of their rows: those above one, up to another unless that is 0."""
    number = tables.instance.c.id
    span = [number > after, *([number <= upto] if upto else [])]
    statement = INSTANCE.where(*span, *studies_in(scope, connection.dialect.name)).order_by(number).limit(limit)
    rows = connection.execute(statement).all()
    return [(row[0], instance_of(tuple(row))) for row in rows]


def instance_of(row: tuple[Any, ...]) -> Instance:
    (
        _,
        uid,
        series,
        study,
        issuer,
        identifier,
        sop_class,
        transfer_syntax,
        number,
        segment,
        offset,
        length,
        size,
        digest,
        content_digest,
        dataset_offset,
        pixels,
        received_at,
    ) = row
    return Instance(
        Uid(uid),
        Uid(series),
        Uid(study),
        PatientId(issuer, identifier),
        Uid(sop_class),
        Uid(transfer_syntax),
        None if number == LAST else number,
        Location(segment, offset, length, size),
        unpack_digest(digest),
        unpack_digest(content_digest),
        dataset_offset,
        unpack_pixels(pixels),
        moment(received_at),
    )
