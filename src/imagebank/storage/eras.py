"""How PostgreSQL is asked for the newest of many: era by era, as its index of words knows no order.

A word that few studies have is gathered whole and sorted. Of one that many have, the newest eras are gathered until there
are enough; each study has its era among its marks, so that the index meets no study of another.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from imagebank.model.search import Mark, Marks
from imagebank.storage import tables
from imagebank.storage.marks import LEXEMES, era_mark, era_of, lexeme_query, share

_PLACE: Final = tables.finding.c.place
_FEW: Final = 5_000
"""As many places are gathered at most before the eras are asked."""
_VERY_FEW: Final = 600
"""Of so many at most it is told one by one which of several questions they answer."""
_MANY: Final = 50_000
"""Of so many studies with words that only begin as asked for, it is not told one by one."""
_WIDEST: Final = 64
"""So many eras are asked at a time at most: eight years."""
_KNOWN_FOR_S: Final = 600.0
_SAMPLED: Final = text(
    "SELECT most_common_elems::text::text[], most_common_elem_freqs FROM pg_stats"
    " WHERE schemaname = ANY (current_schemas(false)) AND tablename = 'mark' AND attname = 'marks'"
)
_STUDIES: Final = text("SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'mark'::regclass")


class Frequent(NamedTuple):
    """How many studies there are, about, and which share of them has each frequent mark, as PostgreSQL samples them."""

    studies: float
    shares: Mapping[str, float]

    def expected(self, marks: Marks) -> float:
        """How many studies have these marks, as far as they are frequent."""
        return self.studies * share(marks, self.shares)


class Eras:
    """Gives the places of studies that have marks, the newest first, on PostgreSQL."""

    def __init__(self) -> None:
        self._frequent = Frequent(0.0, {})
        self._known_at = -_KNOWN_FOR_S

    def places(self, connection: Connection, marks: Marks, most: int) -> Iterator[list[int]]:
        """Places in their order, some at a time, so that whoever has enough of them asks for no more."""
        expected = self.frequent(connection).expected(marks)
        if expected < _FEW:
            gathered = _gathered(connection, marks)
            if len(gathered) <= _FEW:
                yield from _pieces(gathered, most)
                return
        for found in _by_era(connection, marks, most, max(expected, _FEW, 1.0)):
            yield from _pieces(found, most)

    def few(self, connection: Connection, passes: Sequence[Marks]) -> dict[int, int] | None:
        """Where few studies have the marks of the last question: all their places, each with the number of the first
        question that finds it. None where there are more.
        """
        *first, last = passes
        known = self.frequent(connection)
        expected = known.expected(last)
        begun = tuple(mark for group in last for mark in group if mark.is_beginning)
        # Of words that begin so PostgreSQL gathers all, whatever else is asked.
        if expected >= _FEW or (expected >= _VERY_FEW and known.expected((begun,)) >= _MANY):
            return None
        found = select(LEXEMES.c.place, LEXEMES.c.marks).where(_has(last)).cte("found").prefix_with("MATERIALIZED")
        grades: list[tuple[ColumnElement[bool], ColumnElement[Any]]] = [
            (_asks(found.c.marks, marks), literal_column(str(number))) for number, marks in enumerate(first)
        ]
        grade = case(*grades, else_=literal_column(str(len(first)))) if grades else literal_column("0")
        rows = connection.execute(select(found.c.place, grade).limit(_VERY_FEW + 1)).all()
        return {row[0]: int(row[1]) for row in rows} if len(rows) <= _VERY_FEW else None

    def frequent(self, connection: Connection) -> Frequent:
        """As it was sampled some minutes ago."""
        now = time.monotonic()
        if now - self._known_at >= _KNOWN_FOR_S:
            row = connection.execute(_SAMPLED).first()
            shares = dict(zip(row[0], row[1], strict=False)) if row and row[0] else {}
            self._frequent = Frequent(connection.scalar(_STUDIES) or 0.0, shares)
            self._known_at = now
        return self._frequent


def _pieces(places: list[int], most: int) -> Iterator[list[int]]:
    # Some of them are not for the caller.
    for at in range(0, len(places), 2 * most):
        yield places[at : at + 2 * most]


def _gathered(connection: Connection, marks: Marks) -> list[int]:
    """Places of studies that have these marks, in their order; one more than few of any when there are more."""
    # Materialized, so that a limit does not make PostgreSQL go through the table instead of the index.
    found = select(LEXEMES.c.place).where(_has(marks)).cte("found").prefix_with("MATERIALIZED")
    return sorted(connection.scalars(select(found.c.place).limit(_FEW + 1)).all(), reverse=True)


def _by_era(connection: Connection, marks: Marks, most: int, expected: float) -> Iterator[list[int]]:
    newest, oldest = _span(connection)
    number = newest - oldest + 1
    width = min(max(ceil(2.5 * most * number / expected), 1), _WIDEST)
    while newest >= oldest:
        eras = range(newest, max(newest - width, oldest - 1), -1)
        found = _within(connection, marks, tuple(era_mark(era) for era in eras))
        yield found
        newest -= width
        if len(found) < 2 * most:
            width = min(max(2 * width, ceil(2 * most * width / max(len(found), 1))), _WIDEST)
    # Those without a date.
    yield _within(connection, marks, (era_mark(0),))


def _span(connection: Connection) -> tuple[int, int]:
    """The newest and the oldest era that has a study."""
    dated = _PLACE >= 1 << 50
    oldest = select(func.min(_PLACE)).where(dated).scalar_subquery()
    row = connection.execute(select(func.max(_PLACE), oldest)).one()
    return (era_of(row[0]), era_of(row[1])) if row[1] is not None else (0, 1)


def _within(connection: Connection, marks: Marks, eras: tuple[Mark, ...]) -> list[int]:
    wanted = select(LEXEMES.c.place).where(_has((*marks, eras)))
    return sorted(connection.scalars(wanted).all(), reverse=True)


def _has(marks: Marks) -> ColumnElement[bool]:
    return _asks(LEXEMES.c.marks, marks)


def _asks(column: ColumnElement[Any], marks: Marks) -> ColumnElement[bool]:
    # In the text and no parameter: a plan for any question would be a bad one for each.
    asked: BindParameter[str] = bindparam("asked", lexeme_query(marks), type_=Text, literal_execute=True, unique=True)
    return column.op("@@", is_comparison=True)(cast(asked, TSQUERY))
