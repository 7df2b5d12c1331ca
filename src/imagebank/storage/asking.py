"""Asking the index: a query under a scope → its rows, or their number."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal

from sqlalchemy import Connection, Select, bindparam, select

from imagebank.model.access import Scope
from imagebank.model.query import Query
from imagebank.model.timeline import Place
from imagebank.model.uid import Uid
from imagebank.storage import paging
from imagebank.storage.database import STREAMED, Database, Prepared
from imagebank.storage.direct import Driver
from imagebank.storage.forms import Form, Statement, form_of, page_of, statement_of
from imagebank.storage.names import may_match, of_newest
from imagebank.storage.paging import Pages, is_deep
from imagebank.storage.select import matches, number_of_matches
from imagebank.storage.shape import Shape, parameters_of, shape_of
from imagebank.storage.tables import study

_KEPT: Final = 500
"""Statements that are kept. Clients ask in few forms; whoever asks in many makes the bank write them again."""

_Way = Literal["find", "walk", "go on", "count"]
_Key = tuple[Form, Shape, _Way]
_WRITE: Final[Mapping[_Way, Callable[..., Select[Any]]]] = {
    "find": matches,
    "walk": partial(matches, walks=True),
    "go on": partial(matches, goes_on=True),
    "count": number_of_matches,
}
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_PLACE: Final = Prepared(
    lambda _: select(*(study.c[name] for name in ("study_date", "study_time", "study_instance_uid"))).where(
        study.c.id == bindparam("row")
    )
)


class Asking:
    """Questions to one database. Statements are kept by the form of a question and the shape of its scope."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name
        self._kept: dict[_Key, Statement] = {}
        self._pages = Pages()

    def rows(self, query: Query, scope: Scope) -> Iterator[Any]:
        """The rows of `select.matches`. A page is fetched whole, so that a slow reader holds no connection."""
        newest = of_newest(self._database, query)
        if newest is not None:
            page = [*self._rows(newest, scope, "walk")]
            if len(page) == query.limit:
                return iter(page)
        return self._deep(query, scope) if is_deep(query) else self._rows(query, scope, "find")

    def _deep(self, query: Query, scope: Scope) -> Iterator[Any]:
        """A page that goes on where one before it ended, where that is known."""
        last = self._pages.before(query, scope)
        if last is None:
            rows = self._rows(query, scope, "find")
        else:
            rows = self._rows(replace(query, offset=0), scope, "go on", paging.parameters_of(last))
        number, row = 0, None
        for row in rows:
            number += 1
            yield row
        if row is not None and number == query.limit:
            with self._database.directly() as driver:
                place = _PLACE.run(driver, {"row": row[0]}).fetchone()
            if place is not None:
                self._pages.ended(query, scope, Place(place[0], place[1], Uid(place[2])))

    def _rows(self, query: Query, scope: Scope, way: _Way, further: Mapping[str, Any] = _NONE) -> Iterator[Any]:
        """`further` are parameters of the way."""
        among = may_match(self._database, query)
        is_small = query.limit is not None and query.limit <= STREAMED
        if not is_small and not self._database.is_sqlite:
            yield from self._first_few(query, scope, way, further)
            return
        formed = form_of(query) if among is None else None
        if formed is None:
            statement = _WRITE[way](query, scope, self._dialect, among).params(**further)
            yield from rows_of(self._database, statement, is_small=is_small)
            return
        with self._database.directly() as driver:
            cursor = self._run(driver, formed, query, scope, way, further)
            if not is_small:
                yield from cursor
                return
            page = cursor.fetchall()
        yield from page

    def _first_few(self, query: Query, scope: Scope, way: _Way, further: Mapping[str, Any]) -> Iterator[Any]:
        """All rows from PostgreSQL, of which there are mostly few.

        Its driver fetches all at once, and a cursor of the server's costs five round trips and a plan of its own each
        time: that is for the questions alone that turn out to have so many answers.
        """
        few = [*self._rows(replace(query, limit=STREAMED), scope, way, further)]
        if len(few) < STREAMED:
            yield from few
        else:
            yield from rows_of(self._database, _WRITE[way](query, scope, self._dialect).params(**further))

    def count(self, query: Query, scope: Scope) -> int:
        """How many matches there are, whatever limit and offset the query has; at a deep page, or were a moment ago."""
        if not is_deep(query):
            return self._count(query, scope)
        known = self._pages.total(query, scope)
        if known is None:
            known = self._count(query, scope)
            self._pages.counted(query, scope, known)
        return known

    def _count(self, query: Query, scope: Scope) -> int:
        among = may_match(self._database, query)
        formed = form_of(query) if among is None else None
        if formed is None:
            with self._database.reading() as connection:
                found = connection.execute(number_of_matches(query, scope, self._dialect, among))
                return int(found.scalar_one())
        with self._database.directly() as driver:
            form = Form(formed[0].query)
            return int(self._run(driver, (form, formed[1]), query, scope, "count").fetchone()[0])

    def _run(
        self,
        connection: Connection | Driver,
        formed: tuple[Form, Any],
        query: Query,
        scope: Scope,
        way: _Way,
        further: Mapping[str, Any] = _NONE,
    ) -> Any:
        form, values = formed
        key = (form, shape_of(scope), way)
        named = {**parameters_of(scope, self._dialect), **further}
        statement = self._kept.get(key)
        if statement is None:
            statement = statement_of(_WRITE[way](form.query, scope, self._dialect), form, named, connection)
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[key] = statement
        return statement.run(connection, values, {**named, **page_of(query, self._dialect)})


def rows_of(database: Database, statement: Select[Any], *, is_small: bool = False) -> Iterator[Any]:
    """Rows of a statement: fetched whole where they are few, streamed where they may be many."""
    if is_small:
        with database.reading() as connection:
            page = connection.execute(statement).all()
        yield from page
    else:
        with database.streaming() as connection:
            yield from connection.execute(statement)
