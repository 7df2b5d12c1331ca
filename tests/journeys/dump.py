"""Every row of the index about images, by value: surrogate keys are replaced by what they refer to."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Table, select

from imagebank.model.attribute import Level
from imagebank.storage import tables
from imagebank.storage.database import open_database

Row = tuple[tuple[str, Any], ...]

# `version` counts changes and is never used twice for one series; a rebuilt index has been changed less often.
_NOT_COMPARED = {"id", "version"}


def dump(url: str) -> dict[str, list[Row]]:
    """The rows of every table that `reindex` rebuilds, sorted."""
    database = open_database(url)
    try:
        with database.reading() as connection:
            return {name: sorted(rows, key=repr) for name, rows in _dumped(connection)}
    finally:
        database.close()


def differences(before: dict[str, list[Row]], after: dict[str, list[Row]]) -> dict[str, tuple[list[Row], list[Row]]]:
    """For each table, the rows that are only in the one and only in the other."""
    found = {}
    for name, rows in before.items():
        gone, new = [row for row in rows if row not in after[name]], [row for row in after[name] if row not in rows]
        if gone or new or len(rows) != len(after[name]):
            found[name] = gone, new
    return found


def _dumped(connection: Connection) -> Iterator[tuple[str, list[Row]]]:
    patients = _names(connection, tables.patient, "issuer", "identifier", "anchor")
    studies = _names(connection, tables.study, "study_instance_uid")
    series = _names(connection, tables.series, "series_instance_uid")
    instances = _names(connection, tables.instance, "sop_instance_uid")
    referred = {
        "patient_row": patients,
        "study_row": studies,
        "series_row": series,
        "segment_id": _names(connection, tables.segment, "name"),
    }
    owners = {Level.STUDY: studies, Level.SERIES: series, Level.INSTANCE: instances}
    for table in (
        tables.patient, tables.study, tables.series, tables.instance, tables.instance_history, tables.quarantine
    ):  # fmt: skip
        yield table.name, [_row(row._mapping, referred) for row in connection.execute(select(table))]
    values = connection.execute(select(tables.attribute))
    yield "attribute", [_row(row._mapping, {"owner": owners[Level(row.level)]}) for row in values]


def _names(connection: Connection, table: Table, *columns: str) -> dict[int, Any]:
    return {row[0]: tuple(row[1:]) for row in connection.execute(select(table.c.id, *(table.c[c] for c in columns)))}


def _row(values: Any, referred: dict[str, dict[int, Any]]) -> Row:
    return tuple(
        (name, referred[name][value] if name in referred else value)
        for name, value in values.items()
        if name not in _NOT_COMPARED
    )
