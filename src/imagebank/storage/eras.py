"""How PostgreSQL is asked for the newest of many: era by era, as its index of words knows no order.

A word that few studies have is gathered whole and sorted. Of one that many have, the newest eras are gathered until there
are enough; each study has its era among its marks, so that the index meets no study of another.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from math import ceil, prod
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from imagebank.model.search import Mark, Marks
from imagebank.storage import tables
from imagebank.storage.marks import LEXEMES, UNDATED, asked_as, beginning_of, era_of, eras_within, lexeme_query

_PLACE: Final = tables.finding.c.place
_FEW: Final = 3_000
"""So many places are gathered whole; of more the eras are asked."""
_VERY_FEW: Final = 600
"""Of so many at most it is told at once which of several questions they answer."""
_A_YEAR: Final = 8
"""So many eras tell how many studies there may be in all."""
_KNOWN_FOR_S: Final = 600.0
_SAMPLED: Final = text(
    "SELECT most_common_elems::text::text[], most_common_elem_freqs FROM pg_stats"
    " WHERE schemaname = ANY (current_schemas(false)) AND tablename = 'mark' AND attname = 'marks'"
)
_STUDIES: Final = text("SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'mark'::regclass")


class Frequent(NamedTuple):
    """How many studies there are, about, and which share of them has each frequent lexeme, as PostgreSQL samples them;
    and the newest and the oldest era.
    """

    studies: float
    shares: Mapping[str, float]
    newest: int = 0
    oldest: int = 1

    def expected(self, marks: Marks) -> tuple[float, int]:
        """How many studies have these marks, and of how many of the groups that is not known: of a rare mark it is taken
        that as many have it as have the rarest of the sampled.
        """
        rarest = min(self.shares.values(), default=1.0)
        shares = [min(1.0, sum(map(self._share, group))) for group in marks]
        return self.studies * prod(share or rarest for share in shares), shares.count(0.0)

    def _share(self, mark: Mark) -> float:
        lexeme, begins = asked_as(mark)
        if not begins:
            return self.shares.get(lexeme, 0.0)
        return sum(number for other, number in self.shares.items() if other.startswith(lexeme))


class Eras:
    """Gives the places of studies that have marks, the newest first, on PostgreSQL."""

    def __init__(self) -> None:
        self._frequent = Frequent(0.0, {})
        self._known_at = -_KNOWN_FOR_S

    def places(self, connection: Connection, marks: Marks, most: int) -> Iterator[list[int]]:
        """Places in their order, some at a time, so that whoever has enough of them asks for no more."""
        number = self._number(connection, marks)
        if number <= _FEW:
            gathered = _gathered(connection, marks, 2 * _FEW)
            if len(gathered) <= 2 * _FEW:
                yield from _pieces(gathered, most)
                return
        for found in _by_era(connection, marks, most, number):
            yield from _pieces(found, most)

    def few(self, connection: Connection, passes: Sequence[Marks]) -> dict[int, int] | None:
        """Where few studies have the marks of the last question: all their places, each with the number of the first
        question that finds it. None where there are more.
        """
        *first, last = passes
        if self._number(connection, last) > _VERY_FEW:
            return None
        places = _gathered(connection, last, _VERY_FEW)
        if len(places) > _VERY_FEW:
            return None
        grades = dict.fromkeys(places, len(first))
        if places and first:
            each = [
                select(LEXEMES.c.place, literal_column(str(number))).where(_has(marks))
                for number, marks in enumerate(first)
            ]
            for place, number in connection.execute(union_all(*each)).all():
                # One that is written meanwhile is for the next time.
                if place in grades:
                    grades[place] = min(grades[place], number)
        return grades

    def _number(self, connection: Connection, marks: Marks) -> float:
        """How many studies have these marks, about: by the samples where they can tell, else by those of the newest year.

        The index gathers all that there are, however few of them are wanted. Two rare marks seldom come together.
        """
        known = self.frequent(connection)
        expected, unknown = known.expected(marks)
        if unknown != 1 or expected <= _VERY_FEW:
            return 0.0 if unknown else expected
        first = beginning_of(known.newest, _A_YEAR)
        year = select(LEXEMES.c.place).where(_has((*marks, eras_within(first, known.newest, is_first=True))))
        seen = connection.scalar(select(func.count()).select_from(year.subquery())) or 0
        return float(seen * (known.newest - known.oldest + 1) / (known.newest - first + 1))

    def frequent(self, connection: Connection) -> Frequent:
        """As it was sampled some minutes ago."""
        now = time.monotonic()
        if now - self._known_at >= _KNOWN_FOR_S:
            row = connection.execute(_SAMPLED).first()
            shares = dict(zip(row[0], row[1], strict=False)) if row and row[0] else {}
            self._frequent = Frequent(connection.scalar(_STUDIES) or 0.0, shares, *_span(connection))
            self._known_at = now
        return self._frequent


def _pieces(places: list[int], most: int) -> Iterator[list[int]]:
    # Some of them are not for the caller.
    for at in range(0, len(places), 2 * most):
        yield places[at : at + 2 * most]


def _gathered(connection: Connection, marks: Marks, most: int) -> list[int]:
    """Places of studies that have these marks, in their order; any of them where there are more than so many."""
    # Materialized, so that a limit does not make PostgreSQL go through the table instead of the index.
    found = select(LEXEMES.c.place).where(_has(marks)).cte("found").prefix_with("MATERIALIZED")
    return sorted(connection.scalars(select(found.c.place).limit(most + 1)).all(), reverse=True)


def _by_era(connection: Connection, marks: Marks, most: int, number: float) -> Iterator[list[int]]:
    newest, oldest = _span(connection)
    # Some of them are not for the caller.
    wanted = 2 * most
    is_first, width = True, ceil(1.25 * wanted * (newest - oldest + 1) / max(number, _FEW, 1.0))
    while newest >= oldest:
        first = beginning_of(newest, width)
        found = _within(connection, marks, eras_within(first, newest, is_first=is_first))
        yield found
        asked = newest - first + 1
        wanted = max(wanted - len(found), most // 2)
        # One era may have many more than the next.
        width = min(ceil(1.25 * wanted * asked / max(len(found), 1)), 8 * asked)
        newest, is_first = first - 1, False
    yield _within(connection, marks, (UNDATED,))


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
    """One condition a group: of those the index goes from one that meets to the next, and of one query for all of them
    it tries every study that has the rarest.
    """
    return and_(*(LEXEMES.c.marks.op("@@", is_comparison=True)(_asking((group,))) for group in marks))


def _asking(marks: Marks) -> ColumnElement[Any]:
    # In the text and no parameter: a plan for any question would be a bad one for each.
    asked: BindParameter[str] = bindparam("asked", lexeme_query(marks), type_=Text, literal_execute=True, unique=True)
    return cast(asked, TSQUERY)
