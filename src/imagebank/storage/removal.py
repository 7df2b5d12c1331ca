"""How instances leave, with series, studies and patients that become empty, and every counter kept true."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Column, ColumnElement, Connection, CursorResult, delete, func, join, select, update

from imagebank.model.attribute import Level
from imagebank.model.uid import Uid
from imagebank.storage import doses, marks, pictures, tables
from imagebank.storage.corrections import forget_of
from imagebank.storage.rows import pack_set
from imagebank.storage.sets import among, members

_STUDY, _SERIES, _INSTANCE = tables.study, tables.series, tables.instance


Touched = list[tuple[int, int]]
"""Rows of series from which instances went, each with the row of its study."""


def take_out(connection: Connection, instances: Sequence[int]) -> None:
    """Delete instance rows by their numbers, and what becomes empty. Former versions are the caller's to delete."""
    forget_proposals(connection, instances)
    drop_empty(connection, take_rows(connection, instances))


def forget_proposals(connection: Connection, instances: Sequence[int]) -> None:
    """Delete what was proposed of instances, by the numbers of their rows, which are there still."""
    uids = select(_INSTANCE.c.sop_instance_uid).where(among(connection.dialect.name, _INSTANCE.c.id, "numbers"))
    chosen = delete(tables.proposal).where(tables.proposal.c.sop_instance_uid.in_(uids))
    connection.execute(chosen, {"numbers": members(connection.dialect.name, instances)})


def take_rows(connection: Connection, instances: Sequence[int]) -> Touched:
    """Delete instance rows by their numbers; what became empty stays until `drop_empty`.

    Nothing is found any more of what a study says that lost something, until that is written anew.
    """
    counted = (
        select(_INSTANCE.c.series_row, _SERIES.c.study_row, func.count().label("gone"))
        .join(_SERIES, _SERIES.c.id == _INSTANCE.c.series_row)
        .group_by(_INSTANCE.c.series_row, _SERIES.c.study_row)
    )
    touched = _run(connection, counted, _INSTANCE.c.id, instances).all()
    _delete(connection, tables.attribute.c.owner, instances, tables.attribute.c.level == Level.INSTANCE)
    if instances:
        pictures.forget(connection, instances)
    _delete(connection, _INSTANCE.c.id, instances)
    for row in touched:
        connection.execute(
            update(_SERIES)
            .where(_SERIES.c.id == row.series_row)
            .values(instance_count=_SERIES.c.instance_count - row.gone, version=_SERIES.c.version + 1)
        )
    studies = sorted({row.study_row for row in touched})
    marks.forget(connection, studies)
    doses.forget(connection, studies)
    for study in studies:
        recount(connection, study)
    return [(row.series_row, row.study_row) for row in touched]


def drop_empty(connection: Connection, touched: Touched) -> None:
    """Delete those of these series, and of their studies, that have no instance left."""
    _drop_empty_series(connection, [series for series, _ in touched])
    studies = sorted({study for _, study in touched})
    for study in studies:
        recount(connection, study)
    _drop_empty_studies(connection, studies)


def described_by(connection: Connection, studies: Iterable[str], removed: Collection[str]) -> list[Uid]:
    """Those of these studies that are there and took attributes, or whose series did, from removed instances."""
    rows = connection.execute(
        select(_STUDY.c.study_instance_uid, _STUDY.c.origins, _SERIES.c.origins)
        .join(_SERIES, _SERIES.c.study_row == _STUDY.c.id)
        .where(_STUDY.c.study_instance_uid.in_(sorted(studies)))
    )
    found = {uid for uid, *texts in rows for text in texts for _, origin, _ in orjson.loads(text) if origin in removed}
    return sorted(map(Uid, found))


def shred(connection: Connection, names: Sequence[bytes]) -> list[Uid]:
    """Delete everything whose data keys were wrapped by keys of these names, and what names it: ready-made metadata,
    labels, jobs that wait. The studies that are left and took attributes from it.
    """
    wanted = list(names)
    sealed = _INSTANCE.c.sealed_by.in_(wanted)
    above = join(_INSTANCE, _SERIES).join(_STUDY)
    columns = (_INSTANCE.c.id, _INSTANCE.c.sop_instance_uid, _SERIES.c.series_instance_uid, _STUDY.c.study_instance_uid)
    rows = connection.execute(select(*columns).select_from(above).where(sealed)).all()
    studies = {row.study_instance_uid for row in rows}
    forget_proposals(connection, [row.id for row in rows])
    touched = take_rows(connection, [row.id for row in rows])
    _delete(connection, tables.series_metadata.c.series_row, sorted({series for series, _ in touched}))
    drop_empty(connection, touched)
    for table in (tables.instance_history, tables.quarantine):
        connection.execute(delete(table).where(table.c.sealed_by.in_(wanted)))
    left = set(connection.scalars(select(_STUDY.c.study_instance_uid).where(_STUDY.c.study_instance_uid.in_(studies))))
    pictures.forget_studies(connection, sorted(studies - left))
    for table in (tables.label, tables.completeness, tables.expectation):
        connection.execute(delete(table).where(table.c.study.in_(studies - left)))
    named = studies - left | {row.series_instance_uid for row in rows}
    named |= {f"{study} now" for study in studies - left}
    connection.execute(delete(tables.job).where(tables.job.c.key.in_(named)))
    return described_by(connection, left, {row.sop_instance_uid for row in rows})


def unfold(connection: Connection, study: str, instances: Sequence[int]) -> None:
    """Take out all instances of a study and forget what they said of it; its rows stay, and their versions go on."""
    take_rows(connection, instances)
    number = connection.scalar(select(_STUDY.c.id).where(_STUDY.c.study_instance_uid == study))
    if number is None:
        return
    series = list(connection.scalars(select(_SERIES.c.id).where(_SERIES.c.study_row == number)))
    _delete(connection, tables.attribute.c.owner, [number], tables.attribute.c.level == Level.STUDY)
    _delete(connection, tables.attribute.c.owner, series, tables.attribute.c.level == Level.SERIES)
    nothing = {"json": "{}", "origins": "[]"}
    connection.execute(update(_STUDY).where(_STUDY.c.id == number).values(**nothing))
    connection.execute(update(_SERIES).where(_SERIES.c.study_row == number).values(**nothing))


def recount(connection: Connection, study: int) -> None:
    """Set the counters and sets of a study from what is there."""
    of_study = _SERIES.c.study_row == study
    series_count, instance_count = connection.execute(
        select(func.count(), func.coalesce(func.sum(_SERIES.c.instance_count), 0)).where(of_study)
    ).one()
    classes = select(_INSTANCE.c.sop_class_uid).distinct().join(_SERIES).where(of_study)
    connection.execute(
        update(_STUDY)
        .where(_STUDY.c.id == study)
        .values(
            series_count=series_count,
            instance_count=int(instance_count),
            modalities=modalities(connection, study),
            sop_classes=pack_set(connection.scalars(classes)),
        )
    )


def modalities(connection: Connection, study: int) -> str:
    """The packed set of the modalities of a study's series."""
    rows = connection.scalars(select(_SERIES.c.modality).distinct().where(_SERIES.c.study_row == study))
    return pack_set(rows)


def _drop_empty_series(connection: Connection, series: Sequence[int]) -> None:
    empty = _run(connection, select(_SERIES.c.id).where(_SERIES.c.instance_count <= 0), _SERIES.c.id, series)
    gone = list(empty.scalars())
    _delete(connection, tables.series_metadata.c.series_row, gone)
    _delete(connection, tables.attribute.c.owner, gone, tables.attribute.c.level == Level.SERIES)
    _delete(connection, _SERIES.c.id, gone)


def _drop_empty_studies(connection: Connection, studies: Sequence[int]) -> None:
    wanted = select(_STUDY.c.id, _STUDY.c.patient_row).where(_STUDY.c.series_count <= 0)
    empty = _run(connection, wanted, _STUDY.c.id, studies).all()
    gone = [row.id for row in empty]
    if gone:
        forget_of(connection, select(_STUDY.c.study_instance_uid).where(_STUDY.c.id.in_(gone)))
    _delete(connection, tables.attribute.c.owner, gone, tables.attribute.c.level == Level.STUDY)
    _delete(connection, _STUDY.c.id, gone)
    drop_empty_patients(connection, {row.patient_row for row in empty})


def drop_empty_patients(connection: Connection, patients: Iterable[int]) -> None:
    """Delete those of these patients that have no study left."""
    wanted = sorted(patients)
    if not wanted:
        return
    # Whoever enters a study of this patient holds a share of its row: wait, and see that study. SQLite has one writer.
    found = select(tables.patient.c.id).order_by(tables.patient.c.id).with_for_update()
    _run(connection, found, tables.patient.c.id, wanted).all()
    has_study = select(_STUDY.c.id).where(_STUDY.c.patient_row == tables.patient.c.id).exists()
    _delete(connection, tables.patient.c.id, wanted, ~has_study)


def _run(connection: Connection, statement: Any, column: "Column[int]", numbers: Sequence[int]) -> CursorResult[Any]:
    dialect = connection.dialect.name
    narrowed = statement.where(among(dialect, column, "numbers"))
    return connection.execute(narrowed, {"numbers": members(dialect, numbers)})


def _delete(connection: Connection, column: "Column[int]", numbers: Sequence[int], *also: ColumnElement[bool]) -> None:
    if numbers:
        _run(connection, delete(column.table).where(*also), column, numbers)
