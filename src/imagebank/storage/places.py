"""Where everything lies that rows lead to, for whoever holds rows against records."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, Table, false, select, true

from imagebank.model.access import Scope
from imagebank.storage import tables
from imagebank.storage.select import brought_by, studies_in

_HELD, _FORMER, _SEGMENT = tables.instance, tables.instance_history, tables.segment


def places(scope: Scope, dialect: str) -> Iterator[tuple[str, Select[Any]]]:
    """For each kind of row how its name begins, and a statement: the rest of the name, segment, offset, length, size.

    Instances and former versions are named by their UID alone.
    """
    visible = studies_in(scope, dialect)
    yield (
        "",
        _placed(_HELD, _HELD.c.sop_instance_uid)
        .join(tables.series, tables.series.c.id == _HELD.c.series_row)
        .join(tables.study, tables.study.c.id == tables.series.c.study_row)
        .where(*visible),
    )
    yield (
        "",
        _placed(_FORMER, _FORMER.c.sop_instance_uid)
        .outerjoin(_HELD, _HELD.c.sop_instance_uid == _FORMER.c.sop_instance_uid)
        .outerjoin(tables.series, tables.series.c.id == _HELD.c.series_row)
        .outerjoin(tables.study, tables.study.c.id == tables.series.c.study_row)
        .where(*visible),
    )
    # New versions that a correction has written and not put in their places yet; nobody is shown these.
    steps = tables.correction_step
    yield "", _placed(steps, steps.c.sop_instance_uid).where(true() if scope.organizations is None else false())
    for table, name in ((tables.quarantine, "quarantine "), (tables.letter, "message "), (tables.report, "report ")):
        yield name, _placed(table, table.c.id).where(*brought_by(scope, table, dialect))


def _placed(table: Table, name: Any) -> Select[Any]:
    rows = table.c
    return select(name, _SEGMENT.c.name, rows.segment_offset, rows.length, rows.size).join_from(
        table, _SEGMENT, _SEGMENT.c.id == rows.segment_id
    )
