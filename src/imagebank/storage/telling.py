"""Lines of the ledger as others ask for them: what an audit record repository has not been told yet, and searches."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, or_, select, tuple_, update

from imagebank.model.ledger import Sought
from imagebank.storage import tables
from imagebank.storage.database import put
from imagebank.storage.ledger import LINE, Pseudonym
from imagebank.storage.rows import micros
from imagebank.storage.sets import one_of

_EVENT, _LANE, _TOLD, _ERRAND = tables.event, tables.lane, tables.told, tables.errand
_TOLD_TO = func.coalesce(_TOLD.c.position, 0)


def untold(limit: int) -> Select[Any]:
    """Lines beyond the cursors, by lane and position."""
    return (
        select(*LINE)
        .join_from(_LANE, _TOLD, _TOLD.c.lane == _LANE.c.lane, isouter=True)
        .join(_EVENT, and_(_EVENT.c.lane == _LANE.c.lane, _EVENT.c.position > _TOLD_TO))
        .where(_LANE.c.position > _TOLD_TO)
        .order_by(_LANE.c.lane, _EVENT.c.position)
        .limit(limit)
    )


def mark(connection: Connection, ends: Mapping[str, int]) -> None:
    """Move the cursors of lanes, forward only."""
    for lane, position in ends.items():
        moved = update(_TOLD).where(_TOLD.c.lane == lane).values(position=func.max(_TOLD.c.position, position))
        if connection.dialect.name == "postgresql":
            moved = moved.values(position=func.greatest(_TOLD.c.position, position))
        if not connection.execute(moved).rowcount:
            connection.execute(insert(_TOLD).values(lane=lane, position=position))


def begin(connection: Connection) -> None:
    """Set the cursors to where the lanes end."""
    for lane, position in connection.execute(select(_LANE.c.lane, _LANE.c.position)).all():
        put(connection, _TOLD, ["lane"], {"lane": lane, "position": position})


def take(connection: Connection, name: str, holder: str, now: datetime, until: datetime) -> bool:
    """Take an errand, or keep one that is held; whether it is held now."""
    is_free = or_(_ERRAND.c.holder == holder, _ERRAND.c.until <= micros(now))
    taken = update(_ERRAND).where(_ERRAND.c.name == name, is_free).values(holder=holder, until=micros(until))
    return connection.execute(taken).rowcount == 1


def is_new(connection: Connection, name: str) -> bool:
    """Whether nobody has ever held this errand; it can be taken from now on."""
    if connection.scalar(select(_ERRAND.c.name).where(_ERRAND.c.name == name).with_for_update()) is not None:
        return False
    connection.execute(insert(_ERRAND).values(name=name, holder="", until=0))
    return True


def is_told() -> ColumnElement[bool]:
    """For a row of `lane`: whether its lines have been told to their end."""
    return select(_TOLD.c.lane).where(_TOLD.c.lane == _LANE.c.lane, _TOLD.c.position >= _LANE.c.position).exists()


def forget(connection: Connection) -> None:
    """Drop the cursors of lanes that are forgotten."""
    connection.execute(delete(_TOLD).where(~select(_LANE.c.lane).where(_LANE.c.lane == _TOLD.c.lane).exists()))


def sought(wanted: Sought, pseudonym: Pseudonym, dialect: str) -> Select[Any]:
    """Lines that are asked for, newest first; those of one moment by lane and position."""
    event = _EVENT.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        conditions.append(event.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(event.at < wanted.until)
    if wanted.acts is not None:
        conditions.append(event.act.in_(sorted(wanted.acts)))
    if wanted.patient is not None:
        conditions += [event.person == pseudonym(wanted.patient), event.person != ""]
    if wanted.about is not None:
        people = one_of(dialect, event.person, sorted(pseudonym(one) for one in wanted.about))
        conditions.append(or_(and_(people, event.person != ""), one_of(dialect, event.study, sorted(wanted.studies))))
    for column, text in ((event.study, wanted.study), (event.principal, wanted.principal)):
        conditions += [column == text] if text else []
    if wanted.address:
        conditions.append(event.address == wanted.address)
    if wanted.after is not None:
        at, lane, position = wanted.after
        later = and_(event.at == at, tuple_(event.lane, event.position) > (lane, position))
        conditions += [event.at <= at, or_(event.at < at, later)]
    chosen = select(*LINE).where(*conditions).order_by(event.at.desc(), event.lane, event.position)
    return chosen if wanted.limit is None else chosen.limit(wanted.limit)
