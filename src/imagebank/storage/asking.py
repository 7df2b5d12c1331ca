"""Asking the index: a query under a scope → its rows, or their number."""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from imagebank.storage.names import may_match, newest, some_that_may_match
from imagebank.storage.paging import Pages, is_deep
from imagebank.storage.select import AMONG, COUNTED, NEWEST_OF, matches, newest_named, number_of_matches
from imagebank.storage.sets import members
from imagebank.storage.shape import Shape, parameters_of, shape_of
from imagebank.storage.tables import study

_KEPT: Final = 500
"""Statements that are kept. Clients ask in few forms; whoever asks in many makes the bank write them again."""

_MARGIN: Final = 5
"""So many times as many studies as are to be counted are looked at, of those of which a part of the name is known."""

_Way = Literal["find", "go on", "count", "count some", "named", "walked"]
_Key = tuple[Form, Shape, _Way, bool]
_WRITE: Final[Mapping[_Way, Callable[..., Any]]] = {
    "find": matches,
    "go on": partial(matches, goes_on=True),
    "count": number_of_matches,
    "count some": partial(number_of_matches, ends=True),
    "named": newest_named,
    "walked": partial(newest_named, walks=True),
}
_EVERYBODY: Final = Scope(None)
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
        if is_deep(query):
            return self._deep(query, scope)
        page = self._newest_of_name(query, scope)
        return iter(page) if page is not None else self._rows(query, scope, "find")

    def _newest_of_name(self, query: Query, scope: Scope) -> list[Any] | None:
        """The page of a question about a name, where it is found among the newest studies of that name."""
        if scope.studies is not None or scope.patients is not None:
            return None  # of few, the newest of all are none
        for rows, are_all in newest(self._database, query, partial(self._placed, scope)):
            page = self._page(query, scope, "find", self._among(rows))
            if are_all or len(page) == query.limit:
                return page
        return None

    def _placed(self, scope: Scope, way: _Way, query: Query, number: int, few: Sequence[int] | None) -> list[Any]:
        """The newest studies of a name. Of a scope that says more than organizations nothing is heeded yet."""
        of_organizations = Scope(scope.organizations)
        narrowed = of_organizations if shape_of(scope) == shape_of(of_organizations) else _EVERYBODY
        among = _NONE if few is None else self._among(few)
        return self._page(query, narrowed, way, {NEWEST_OF: number, **among})

    def _among(self, rows: Sequence[int]) -> Mapping[str, Any]:
        return {AMONG: members(self._dialect, rows)}

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
        few = may_match(self._database, query)
        if few is not None:
            further = {**further, **self._among(few)}
        if query.limit is not None and query.limit <= STREAMED:
            yield from self._page(query, scope, way, further)
        elif not self._database.is_sqlite:
            yield from self._first_few(query, scope, way, further)
        elif (formed := form_of(query)) is None:
            yield from rows_of(self._database, self._written(query, scope, way, further).params(**further))
        else:
            with self._database.directly() as driver:
                yield from self._run(driver, formed, query, scope, way, further)

    def _page(self, query: Query, scope: Scope, way: _Way, further: Mapping[str, Any]) -> list[Any]:
        """The same where they are few: fetched whole."""
        formed = form_of(query)
        if formed is None:
            with self._database.reading() as connection:
                statement = self._written(query, scope, way, further).params(**further)
                return [*map(tuple, connection.execute(statement))]
        with self._database.directly() as driver:
            rows: list[Any] = self._run(driver, formed, query, scope, way, further).fetchall()
            return rows

    def _first_few(self, query: Query, scope: Scope, way: _Way, further: Mapping[str, Any]) -> Iterator[Any]:
        """All rows from PostgreSQL, of which there are mostly few.

        Its driver fetches all at once, and a cursor of the server's costs five round trips and a plan of its own each
        time: that is for the questions alone that turn out to have so many answers.
        """
        few = [*self._rows(replace(query, limit=STREAMED), scope, way, further)]
        if len(few) < STREAMED:
            yield from few
        else:
            yield from rows_of(self._database, self._written(query, scope, way, further).params(**further))

    def count(self, query: Query, scope: Scope, most: int | None = None) -> int:
        """How many matches there are, whatever limit and offset the query has; at a deep page, or were a moment ago.

        With `most`, counting ends there.
        """
        if most is not None:
            return self._count_some(query, scope, most)
        if not is_deep(query):
            return self._count(query, scope)
        known = self._pages.total(query, scope)
        if known is None:
            known = self._count(query, scope)
            self._pages.counted(query, scope, known)
        return known

    def _count(self, query: Query, scope: Scope) -> int:
        few = may_match(self._database, query)
        further = _NONE if few is None else self._among(few)
        whole = replace(query, limit=None, offset=0)
        return int(self._page(whole, scope, "count", further)[0][0])

    def _count_some(self, query: Query, scope: Scope, most: int) -> int:
        whole, further = replace(query, limit=None, offset=0), {COUNTED: most}
        some, are_all = some_that_may_match(self._database, query, _MARGIN * most)
        if some or are_all:
            number = int(self._page(whole, scope, "count some", {**further, **self._among(some)})[0][0])
            if are_all or number == most:
                return number
        return int(self._page(whole, scope, "count some", further)[0][0])

    def _written(self, query: Query, scope: Scope, way: _Way, further: Mapping[str, Any]) -> Any:
        told = {"among": True} if AMONG in further else {}
        return _WRITE[way](query, scope, self._dialect, **told)

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
        key = (form, shape_of(scope), way, AMONG in further)
        named = {**parameters_of(scope, self._dialect), **further}
        statement = self._kept.get(key)
        if statement is None:
            statement = statement_of(self._written(form.query, scope, way, further), form, named, connection)
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[key] = statement
        return statement.run(connection, values, {**named, **page_of(query, self._dialect)})


def rows_of(database: Database, statement: Select[Any]) -> Iterator[Any]:
    """Rows of a statement, streamed."""
    with database.streaming() as connection:
        yield from connection.execute(statement)
