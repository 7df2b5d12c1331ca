"""Rows of single instances, for retrieval and removal."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Connection, select

from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Location, Selection
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Prepared
from imagebank.storage.rows import moment, unpack_digest, unpack_pixels
from imagebank.storage.select import chosen
from imagebank.storage.tables import LAST
from imagebank.storage.visible import Shape, parameters_of, shape_of


def instance_rows(connection: Connection, selection: Selection, scope: Scope) -> Iterable[tuple[Any, ...]]:
    """The rows of a selection in scope, by series and instance number. The first column is the row's number."""
    dialect = connection.dialect.name
    given = {"study": selection.study, "series": selection.series, "instance": selection.instance}
    selected: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    statement = _prepared(frozenset(selected), shape_of(scope))
    rows: Iterable[tuple[Any, ...]] = statement.run(connection, selected | parameters_of(scope, dialect))
    return rows


@cache
def _prepared(given: frozenset[str], shape: Shape) -> Prepared:
    """The statement for one shape of selection and scope, kept because frames are read by it."""
    study, series, instance, patient, segment = (
        tables.study,
        tables.series,
        tables.instance,
        tables.patient,
        tables.segment,
    )
    return Prepared(
        lambda dialect: (
            select(
                instance.c.id,
                instance.c.sop_instance_uid,
                series.c.series_instance_uid,
                study.c.study_instance_uid,
                patient.c.issuer,
                patient.c.identifier,
                instance.c.sop_class_uid,
                instance.c.transfer_syntax,
                instance.c.instance_number,
                segment.c.name,
                instance.c.segment_offset,
                instance.c.length,
                instance.c.size,
                instance.c.digest,
                instance.c.content_digest,
                instance.c.dataset_offset,
                instance.c.pixels,
                instance.c.received_at,
            )
            .join_from(instance, series, series.c.id == instance.c.series_row)
            .join(study, study.c.id == series.c.study_row)
            .join(patient, patient.c.id == study.c.patient_row)
            .join(segment, segment.c.id == instance.c.segment_id)
            .where(*chosen(given, shape, dialect))
            .order_by(
                series.c.series_number,
                series.c.series_instance_uid,
                instance.c.instance_number,
                instance.c.sop_instance_uid,
            )
        )
    )


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
