"""By what records of patients are found: keys that like ones share, and names, counted and begun."""

import re
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from imagebank.model.identity_comparison import in_latin
from imagebank.model.identity_weights import Census
from imagebank.storage import tables
from imagebank.storage.rows import clean
from imagebank.storage.sets import one_of

_IDENTITY, _KEY = tables.identity, tables.identity_key
_WORD: Final = re.compile(r"[^\W_]+")


def bearing(connection: Connection, keys: Iterable[str], limit: int) -> Select[Any]:
    """The numbers of records that have one of these keys, but for keys that more records have."""
    given, dialect = sorted({clean(each) for each in keys}), connection.dialect.name
    counted = select(_KEY.c.key).where(one_of(dialect, _KEY.c.key, given)).group_by(_KEY.c.key)
    telling = connection.scalars(counted.having(func.count() <= limit)).all()
    return select(_KEY.c.identity).where(one_of(dialect, _KEY.c.key, telling))


def census(connection: Connection, names: Iterable[str]) -> Census:
    keys = [f"is {clean(each)}" for each in sorted(names)]
    number = func.count().label("number")
    counted = select(_KEY.c.key, number).where(one_of(connection.dialect.name, _KEY.c.key, keys)).group_by(_KEY.c.key)
    found = {row.key.removeprefix("is "): row.number for row in connection.execute(counted)}
    # No row is ever deleted, so that the last number is how many there are; to count them takes a second a million.
    return Census(connection.scalar(select(func.max(_IDENTITY.c.id))) or 0, found)


def words_of(text: str) -> list[str]:
    """The words of a text as names are kept by."""
    return [clean(word) for word in _WORD.findall(in_latin(text))]


def begins(word: str) -> ColumnElement[bool]:
    """Whether a family or given name of a record begins so."""
    begun = [
        and_(_KEY.c.key >= start, _KEY.c.key < f"{start}\U0010ffff")
        for start in (f"is family {word}", f"is given {word}")
    ]
    return _IDENTITY.c.id.in_(select(_KEY.c.identity).where(or_(*begun)))
