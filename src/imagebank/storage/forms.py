"""Questions that differ in their values alone: one statement for all of them.

The values of a query are replaced by stand-ins, `select` writes its statement for these, and the statement is kept
with the places where they stand. A value may take the place of one only where `select` would have written the same
text for it; all other questions are written anew each time.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Integer, Select, bindparam

from imagebank.model.query import Between, Condition, Like, Match, OneOf, Query, Words
from imagebank.storage.database import run_text
from imagebank.storage.direct import Driver
from imagebank.storage.rows import TEXT_LIMIT, cut
from imagebank.storage.tables import NUMBERS

_FIRST: Final = 0xE000
"""Stand-ins are single characters for private use from here, which no comparison form is cut or folded by."""
_MOST: Final = 100
"""Values of one question."""
_RUN: Final = re.compile(r"[^*?^=]+")
_PLAIN: Final = re.compile(r"[^\W_]+(?:[ .,'/@+-]+[^\W_]+)*")
"""Text that is the same within a pattern of either database, and has nothing at its ends to be left out."""


@dataclass(frozen=True, slots=True)
class Form:
    """A query with stand-ins for its values, and without limit and offset."""

    query: Query
    has_limit: bool = False
    has_offset: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """The text that one form has, and what its parameters are made of."""

    text: str
    constants: Mapping[str, Any]
    patterns: tuple[tuple[str, str], ...]

    def run(self, connection: Connection | Driver, values: Mapping[int, str], named: Mapping[str, Any]) -> Any:
        """A cursor of the driver, after execution. `named` are parameters that have names of their own."""
        filled = {name: pattern.translate(values) for name, pattern in self.patterns}
        return run_text(connection, self.text, {**self.constants, **filled, **named})


def form_of(query: Query) -> tuple[Form, Mapping[int, str]] | None:
    """A query's form, and the values by their stand-ins; None where its text depends on its values in another way."""
    values: dict[int, str] = {}
    conditions: list[Condition] = []
    for condition in query.conditions:
        match = _stands_in(condition, values)
        if match is None:
            return None
        conditions.append(replace(condition, match=match))
    if query.combined or len(values) > _MOST:
        return None
    form = replace(query, conditions=tuple(conditions), limit=None, offset=0)
    return Form(form, query.limit is not None, query.offset > 0), values


def _stands_in(condition: Condition, values: dict[int, str]) -> Match | None:
    """The match with stand-ins, which are put into `values` with what they stand for."""
    attribute, match = condition.attribute, condition.match
    if attribute.vr in NUMBERS:
        return None
    read = _in_runs if attribute.vr == "PN" or attribute.computed else _as_is
    match match:
        case OneOf((one,)):
            return None if (put := read(one, values)) is None else OneOf((put,))
        case Like(pattern):
            return None if (put := _in_runs(pattern, values)) is None else Like(put)
        case Words(words):
            put_words = [_in_runs(word, values) for word in words]
            return None if None in put_words else Words(tuple(word or "" for word in put_words))
        case Between(low, high):
            return Between(low and _next(low, values), high and _next(high, values))
        case _:
            return None


def _as_is(value: str, values: dict[int, str]) -> str | None:
    return _next(value, values) if value and cut(value) == value else None


def _in_runs(text: str, values: dict[int, str]) -> str | None:
    """The text with a stand-in for each run between the characters that mean something in names and patterns."""
    runs = _RUN.findall(text)
    if len(text) > TEXT_LIMIT or not all(map(_PLAIN.fullmatch, runs)):
        return None
    return _RUN.sub(lambda run: _next(run[0], values), text)


def _next(value: str, values: dict[int, str]) -> str:
    place = _FIRST + len(values)
    values[place] = value
    return chr(place)


def statement_of(
    written: Select[Any], form: Form, named: Mapping[str, Any], connection: Connection | Driver
) -> Statement:
    """What `select` wrote for a form, to be kept. `named` are the parameters of the scope."""
    if form.has_limit or form.has_offset:
        written = written.limit(bindparam("most", type_=Integer()))
    if form.has_offset:
        written = written.offset(bindparam("skipped", type_=Integer()))
    compiled = written.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    given = {name: value for name, value in compiled.params.items() if name not in named}
    patterns = dict(_with_stand_ins(given))
    constants = {name: value for name, value in given.items() if name not in patterns and value is not None}
    return Statement(str(compiled), constants, tuple(patterns.items()))


def _with_stand_ins(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if isinstance(value, str) and any(_FIRST <= ord(each) < _FIRST + _MOST for each in value):
            yield name, value


def page_of(query: Query, dialect: str) -> Mapping[str, Any]:
    """The parameters for limit and offset."""
    without = -1 if dialect == "sqlite" else None
    return {"most": without if query.limit is None else query.limit, "skipped": query.offset}
