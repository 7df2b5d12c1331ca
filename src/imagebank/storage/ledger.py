"""The ledger in the database: lines in lanes, checkpoints, and the ends that no checkpoint knows yet."""

import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.sql.dml import Insert

from imagebank.model.access import Purpose
from imagebank.model.event import Act, Event
from imagebank.model.ledger import BEGINNING, FIELDS, Checkpoint, Head, Line, link_of, values_of
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.database import Prepared
from imagebank.storage.rows import clean, micros, moment

Pseudonym = Callable[[PatientId], str]
"""By what name the ledger knows a person: one from which nobody without the bank's keys can tell who it is."""

_EVENT, _LANE, _CHECKPOINT = tables.event, tables.lane, tables.checkpoint
_QUIET: Final = timedelta(days=1)
"""After this long without a line, an end that a checkpoint knows is forgotten; the line itself stays."""

LINE: Final = tuple(_EVENT.c[name] for name in FIELDS)
"""The columns of a `Line`."""
_WRITE: Final = Prepared(lambda _: insert(_EVENT).values({name: bindparam(name) for name in FIELDS}))


def _moving(dialect: str) -> Insert:
    make = sqlite_insert if dialect == "sqlite" else postgresql_insert
    statement = make(_LANE).values({name: bindparam(name) for name in _PLACE})
    return statement.on_conflict_do_update(
        index_elements=["lane"], set_={name: statement.excluded[name] for name in ("position", "link", "at")}
    )


_MOVE: Final = Prepared(_moving)
_PLACE: Final = ("lane", "position", "link", "at")


@dataclass(frozen=True, slots=True)
class _End:
    lane: str
    position: int
    link: str

    @classmethod
    def new(cls) -> "_End":
        return cls(secrets.token_hex(8), 0, BEGINNING)


class Lane:
    """This process's lane. Whoever appends to it holds it until the transaction has ended, so that links follow commits."""

    def __init__(self, pseudonym: Pseudonym) -> None:
        self.pseudonym = pseudonym
        self._lock = threading.Lock()
        self._end = _End.new()
        self._pid = os.getpid()

    @contextmanager
    def turn(self) -> Iterator["Turn"]:
        """Room for one transaction: it takes the lane when it appends, and gives it back when the block ends.

        When the block fails after that, nobody knows whether its lines were written: a new lane is begun.
        """
        turn = Turn(self)
        try:
            yield turn
        except BaseException:
            turn.give_back(_End.new())
            raise
        turn.give_back()

    def take(self) -> _End:
        self._lock.acquire()
        if self._pid != os.getpid():
            self._end, self._pid = _End.new(), os.getpid()
        return self._end

    def give(self, end: _End) -> None:
        self._end = end
        self._lock.release()


class Turn:
    """One transaction's turn on a lane."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._end: _End | None = None

    def append(self, connection: Connection, events: Iterable[Event]) -> None:
        """Write lines. To be done last in a transaction: everybody else who has something to write waits."""
        events = list(events)
        if not events:
            return
        if self._end is None:
            self._end = self._lane.take()
        rows = []
        for event in events:
            line = self._line_of(event, self._end)
            line = replace(line, link=link_of(self._end.link, line))
            self._end = _End(line.lane, line.position, line.link)
            rows.append(dict(zip(FIELDS, values_of(line), strict=True)))
        _WRITE.run_many(connection, rows)
        _MOVE.run(connection, {name: rows[-1][name] for name in _PLACE})

    def give_back(self, end: _End | None = None) -> None:
        """Let the next one have the lane, if it was taken: where it ends now, or at the end that is given."""
        if self._end is not None:
            self._lane.give(end or self._end)
            self._end = None

    def _line_of(self, event: Event, end: _End) -> Line:
        return Line(
            end.lane,
            end.position + 1,
            micros(event.at),
            event.act.value,
            clean(event.principal),
            clean(event.organization),
            clean(event.address),
            event.study or "",
            event.count,
            clean(event.detail),
            self._lane.pseudonym(event.patient) if event.patient else "",
            event.purpose.value if event.purpose else "",
            secrets.token_hex(8),
        )


def event_of(row: Any) -> Event:
    """The event that stands in a row of the table."""
    return Event(
        moment(row.at),
        Act(row.act),
        row.principal,
        row.organization,
        row.address,
        Uid(row.study) if row.study else None,
        row._mapping["count"],  # noqa: SLF001 - a row has a method of that name; this is how SQLAlchemy gives the value
        row.detail,
        purpose=Purpose(row.purpose) if row.purpose else None,
    )


def lines() -> Select[Any]:
    """All lines by lane and position; each row is a `Line`."""
    return select(*LINE).order_by(_EVENT.c.lane, _EVENT.c.position)


def chain(lane: str, first: int, last: int) -> Select[Any]:
    """The lines of a lane from one position up to another, inclusive."""
    place = _EVENT.c.position
    return select(*LINE).where(_EVENT.c.lane == lane, place >= first, place <= last).order_by(place)


def sealing(at: int, limit: int) -> Select[Any]:
    """The first checkpoints that were made at a moment or later."""
    return (
        select(_CHECKPOINT).where(_CHECKPOINT.c.at >= at).order_by(_CHECKPOINT.c.at, _CHECKPOINT.c.number).limit(limit)
    )


def checkpoints(connection: Connection, since: int) -> list[Checkpoint]:
    """Checkpoints from a number on, by number."""
    chosen = select(_CHECKPOINT).where(_CHECKPOINT.c.number >= since).order_by(_CHECKPOINT.c.number)
    return [checkpoint_of(row) for row in connection.execute(chosen)]


def last_checkpoint(connection: Connection) -> Checkpoint | None:
    row = connection.execute(select(_CHECKPOINT).order_by(_CHECKPOINT.c.number.desc()).limit(1)).one_or_none()
    return None if row is None else checkpoint_of(row)


def checkpoint_of(row: Any) -> Checkpoint:
    heads = tuple(Head(*each) for each in orjson.loads(row.heads))
    return Checkpoint(row.number, row.at, heads, row.before, row.key, row.signature)


def grown(connection: Connection) -> Sequence[Head]:
    """The ends of lanes that have grown since the last checkpoint."""
    statement = select(_LANE.c.lane, _LANE.c.position, _LANE.c.link).where(_LANE.c.position > _LANE.c.known)
    return [Head(*row) for row in connection.execute(statement.order_by(_LANE.c.lane))]


def keep(connection: Connection, checkpoint: Checkpoint, *forgettable: ColumnElement[bool]) -> None:
    """Write a checkpoint and note what it knows. A number that is there already is refused by the database.

    Ends that are quiet for long are forgotten, where they are `forgettable`.
    """
    heads = orjson.dumps([[head.lane, head.position, head.link] for head in checkpoint.heads]).decode()
    connection.execute(insert(_CHECKPOINT).values({**asdict(checkpoint), "heads": heads}))
    for head in checkpoint.heads:
        known = update(_LANE).where(_LANE.c.lane == head.lane).values(known=head.position)
        connection.execute(known)
    at = moment(checkpoint.at) - _QUIET
    is_quiet = (_LANE.c.position == _LANE.c.known, _LANE.c.at < micros(at))
    connection.execute(delete(_LANE).where(*is_quiet, *forgettable))
