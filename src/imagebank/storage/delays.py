"""From when on the delays of reports count, in the database: noted as they come, and ended by a release."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select, update

from imagebank.model.contributed import is_contributed
from imagebank.model.imaging import Kept
from imagebank.model.report import Report
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.rows import clean, micros, pack_set, unpack_set

_REPORT, _SERIES, _INSTANCE = tables.report, tables.series, tables.instance


def first_since(connection: Connection, report: Report, is_its: ColumnElement[bool]) -> int:
    """Since when delays of a new version count: since the first one came, and 0 where that was released.

    `is_its` tells whether a row is of the same person.
    """
    assert report.received_at is not None
    came = micros(report.received_at)
    if not report.number:
        return came
    same = (_REPORT.c.organization == clean(report.organization), _REPORT.c.number == clean(report.number), is_its)
    first: int | None = connection.scalar(select(func.min(_REPORT.c.since)).where(*same))
    return came if first is None else min(first, came)


def types_of(kept: Iterable[Kept]) -> list[str]:
    """Of which types documents among instances are. What a patient added waits for nobody."""
    return [each for one in kept if not is_contributed(one.source.organization) for each in one.description.types]


def name_series(connection: Connection, series: int, types: Iterable[str], came_at: datetime) -> None:
    """Note of which types the documents of a series are; delays count since the first of them came."""
    known = connection.execute(select(_SERIES.c.types, _SERIES.c.since).where(_SERIES.c.id == series)).one()
    values = {"types": clean(pack_set([*unpack_set(known.types), *types]))}
    since = known.since if known.types else _first_came(connection, series, micros(came_at))
    if (values["types"], since) != tuple(known):
        connection.execute(update(_SERIES).where(_SERIES.c.id == series).values(**values, since=since))


def _first_came(connection: Connection, series: int, now: int) -> int:
    """When the first object of a series came: one from before types were kept, or one that comes now."""
    first: int | None = connection.scalar(
        select(func.min(_INSTANCE.c.received_at)).where(_INSTANCE.c.series_row == series)
    )
    return now if first is None else min(first, now)


def release_reports(connection: Connection, is_one: ColumnElement[bool]) -> None:
    """Let these versions be read at once, and those that follow them."""
    connection.execute(update(_REPORT).where(is_one).values(since=0))


def release_series(connection: Connection, series: Uid) -> None:
    """Let the documents of a series be read at once."""
    connection.execute(update(_SERIES).where(_SERIES.c.series_instance_uid == series).values(since=0))
