"""Rows of series, for their versions and their ready-made metadata."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, select

from imagebank.model.access import Scope
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Prepared
from imagebank.storage.direct import Driver
from imagebank.storage.select import chosen
from imagebank.storage.shape import Shape, parameters_of, shape_of

_STUDY, _SERIES, _BODY = tables.study, tables.series, tables.series_metadata


def series_rows(connection: Connection | Driver, selection: Selection, scope: Scope) -> Iterable[tuple[str, str, int]]:
    """Study, series and version of each series of a selection in scope."""
    given = {"study": selection.study, "series": selection.series, "instance": selection.instance}
    selected: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    statement = _versions(frozenset(selected), shape_of(scope))
    rows: Iterable[tuple[str, str, int]]
    rows = statement.run(connection, selected | parameters_of(scope, connection.dialect.name))
    return rows


def metadata_row(connection: Connection | Driver, series: Uid, scope: Scope) -> tuple[int, bytes | None] | None:
    """The version of a series in scope, and its metadata where it is of that version; None when there is none."""
    statement = _metadata(shape_of(scope))
    row = statement.run(connection, {"series": series, **parameters_of(scope, connection.dialect.name)}).fetchone()
    return None if row is None else (row[0], row[1])


# Statements are kept for each shape of selection and scope: to write one takes a hundred times as long as to run it.


@cache
def _versions(given: frozenset[str], shape: Shape) -> Prepared:
    def written(dialect: str) -> Select[Any]:
        joined = _STUDY.join(_SERIES, _SERIES.c.study_row == _STUDY.c.id)
        if "instance" in given:
            joined = joined.join(tables.instance, tables.instance.c.series_row == _SERIES.c.id)
        return (
            select(_STUDY.c.study_instance_uid, _SERIES.c.series_instance_uid, _SERIES.c.version)
            .select_from(joined)
            .where(*chosen(given, shape, dialect))
            .order_by(_STUDY.c.study_instance_uid, _SERIES.c.series_number, _SERIES.c.series_instance_uid)
        )

    return Prepared(written)


@cache
def _metadata(shape: Shape) -> Prepared:
    is_of_version = (_BODY.c.series_row == _SERIES.c.id) & (_BODY.c.version == _SERIES.c.version)
    joined = _SERIES.join(_STUDY, _STUDY.c.id == _SERIES.c.study_row).outerjoin(_BODY, is_of_version)
    return Prepared(
        lambda dialect: (
            select(_SERIES.c.version, _BODY.c.body)
            .select_from(joined)
            .where(*chosen(frozenset({"series"}), shape, dialect))
        )
    )
