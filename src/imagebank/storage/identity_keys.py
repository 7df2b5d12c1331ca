"""By what records of patients are found: keys that like ones share, and names, counted and begun."""

import re
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from imagebank.model.identity_comparison import in_latin
from imagebank.model.identity_weights import Census
from imagebank.storage import tables
from imagebank.storage.database import Prepared
from imagebank.storage.rows import clean
from imagebank.storage.sets import among, members, one_of

_IDENTITY, _KEY = tables.identity, tables.identity_key
_COUNTED: Final = Prepared(
    lambda dialect: select(_KEY.c.key, func.count()).where(among(dialect, _KEY.c.key, "keys")).group_by(_KEY.c.key)
)
_LAST: Final = Prepared(lambda _: select(func.max(_IDENTITY.c.id)))
_WORD: Final = re.compile(r"[^\W_]+")


def bearing(connection: Connection, keys: Iterable[str], limit: int) -> Select[Any]:
    """The numbers of records that have one of these keys, but for keys that more records have."""
    return select(_KEY.c.identity).where(one_of(connection.dialect.name, _KEY.c.key, telling(connection, keys, limit)))


def telling(connection: Connection, keys: Iterable[str], limit: int) -> list[str]:
    """Those of the keys that no more than `limit` records have."""
    given = members(connection.dialect.name, sorted({clean(each) for each in keys}))
    return [key for key, number in _COUNTED.run(connection, {"keys": given}).fetchall() if number <= limit]


def census(connection: Connection, names: Iterable[str]) -> Census:
    keys = members(connection.dialect.name, [f"is {clean(each)}" for each in sorted(names)])
    found = {key.removeprefix("is "): number for key, number in _COUNTED.run(connection, {"keys": keys}).fetchall()}
    # No row is ever deleted, so that the last number is how many there are; to count them takes a second a million.
    return Census(_LAST.run(connection, {}).fetchone()[0] or 0, found)


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
