"""How studies are looked for by a patient's name, so that a page of the newest costs no more the more have that name."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

from sqlalchemy import Connection, text

from imagebank.model.attribute import Level
from imagebank.model.query import Condition, Like, Query, Words
from imagebank.storage.database import Database, Prepared
from imagebank.storage.direct import Driver
from imagebank.storage.matching import bare
from imagebank.storage.rows import clean

FEW: Final = 2500
"""Where more studies may be meant, whoever walks from the newest on meets these soon enough."""
MANY: Final = 50_000
"""The same for whoever asks for all of them, and would have to walk to the end."""
BEGIN_SO: Final = 10_000
"""The same of those whose names begin so: these stand in a row."""

_LONG: Final = 3
"""Characters of which the index has what stands in a row."""
_SOUGHT: Final = 3
"""Parts that are looked up, the rarest of a name's that do not overlap."""
_COMMON: Final = 0.05
"""What more studies have than this share of all is not looked up beside a rarer part: it costs more than it leaves out."""
_SAMPLE: Final = 100
"""Studies by which it is told how rare a part is."""
_ROWS: Final = Prepared(lambda _: text("SELECT rowid FROM name_part WHERE name_part MATCH :parts LIMIT :most"))

_SHARED: Final = Prepared(
    lambda _: text(
        "SELECT count(*) FROM (SELECT 1 FROM study WHERE patient_name >= :low AND patient_name < :high LIMIT :most)"
    )
)

_PAGE: Final = 200
"""Where a page ends behind so many matches, all that there are of the name are sorted."""
_MORE: Final = 8
"""So many times as many are looked at where the newest of that name did not fill a page."""
_TIED: Final = 10
"""Studies that may have one date and time, so that none of them comes before the others yet."""
_LEADING: Final = frozenset(["StudyDate", "StudyTime", "PatientID", "AccessionNumber", "StudyInstanceUID"])
"""Whoever asks for these as well means few of that name, which may be old."""

Way = Literal["named", "walked"]
Placed = tuple[int, str, str]
"""The row of a study, its date and its time."""
Ask = Callable[[Way, Query, int, Sequence[int] | None], Sequence[Placed]]
"""The newest of that number for which a query holds, among the rows of some where these are given."""


def newest(database: Database, query: Query, ask: Ask) -> Iterator[tuple[Sequence[int], bool]]:
    """Rows of the newest studies that may have the name that is asked for, and whether those are all; then some more.

    Nothing where no name leads, and where a page lies deep. `ask` answers from the indexes alone (`select.newest_named`),
    so that the rows of all others need not be read to sort them.
    """
    name = _name_of(query)
    if name is None:
        return
    page = query.offset + (query.limit or 0)
    asked = Query(Level.STUDY, (name,))
    few = may_match(database, replace(asked, limit=page))
    way: Way = "walked" if few is None and _have_many(database, name) else "named"
    for most in (page, _MORE * page):
        wanted = most + _TIED
        found = ask(way, asked, wanted, few)
        if len(found) < wanted:
            yield [row for row, *_ in found], True
            return
        ends = next((at for at in range(most, wanted) if found[at][1:] != found[at - 1][1:]), 0)
        if ends:
            yield [row for row, *_ in found[:ends]], False


def _name_of(query: Query) -> Condition | None:
    """The condition by which the studies of a page are to be found, if it is one on the patient's name."""
    keywords = {one.attribute.keyword: one for one in query.conditions}
    name = keywords.get("PatientName")
    is_page = query.level is Level.STUDY and query.limit and query.offset + query.limit <= _PAGE
    if name is None or not is_page or not _LEADING.isdisjoint(keywords):
        return None
    match name.match:
        case Words():
            return name
        case Like(pattern) if "=" not in pattern:
            return name
        case _:
            return None


def _have_many(database: Database, name: Condition) -> bool:
    """Whether more than a few have a name that SQLite knows no parts of, or that begins so."""
    if not database.is_sqlite:
        return False
    begin = re.split(r"[*?]", clean(name.match.pattern))[0] if isinstance(name.match, Like) else ""
    if not begin:
        return True
    shared = {"low": begin, "high": begin + "\U0010ffff", "most": BEGIN_SO + 1}
    with database.directly() as driver:
        return bool(_SHARED.run(driver, shared).fetchone()[0] > BEGIN_SO)


def may_match(database: Database, query: Query) -> list[int] | None:
    """Rows of studies outside of which nothing matches; None where they are many, or nothing is known of them."""
    is_page = query.limit is not None and query.offset + query.limit <= _PAGE
    rows, are_all = some_that_may_match(database, query, FEW if is_page else MANY)
    return rows if are_all else None


def some_that_may_match(database: Database, query: Query, most: int) -> tuple[list[int], bool]:
    """Rows of studies that may match, so many at most, and whether nothing matches outside of them."""
    parts = name_parts(query) if database.is_sqlite else {}
    rows: list[int] = []
    if not parts:
        return rows, False
    with database.directly() as driver:
        rarest = _rarest(driver, parts)
        # Where many have the rarest, few may have all the same.
        for sought in (rarest, [*parts])[: 2 if len(parts) > len(rarest) else 1]:
            rows = _having(driver, sought, most + 1)
            if len(rows) <= most:
                return rows, True
    return rows[:most], False


def _rarest(driver: Connection | Driver, parts: Mapping[str, int]) -> list[str]:
    chosen: list[str] = []
    for density, part in sorted((_density(driver, part), part) for part in parts):
        is_apart = all(abs(parts[part] - parts[one]) >= _LONG for one in chosen)
        if is_apart and (not chosen or density < _COMMON):
            chosen.append(part)
    return chosen[:_SOUGHT]


def _having(driver: Connection | Driver, parts: Sequence[str], most: int) -> list[int]:
    rows = _ROWS.run(driver, {"parts": " ".join(map(_quoted, parts)), "most": most}).fetchall()
    return [row for (row,) in rows]


def _density(driver: Connection | Driver, part: str) -> float:
    """How many studies have a part, of those that came first."""
    found = _having(driver, [part], _SAMPLE)
    return len(found) / found[-1] if found else 0.0


def name_parts(query: Query) -> dict[str, int]:
    """Texts of three characters that the name of every match has in it, where no index of whole names serves.

    With each goes where it stands, so that those that overlap are told.
    """
    runs: list[str] = []
    for condition in query.conditions:
        match condition.match:
            case _ if condition.attribute.keyword != "PatientName":
                continue
            case Words(words):
                runs += [f" {clean(word)}" for word in words]
            case Like(pattern) if pattern[0] in "*?=":
                runs += re.split(r"[*?=]", clean(bare(pattern) or pattern))
            case _:
                continue
    text = "*".join(runs)
    parts = ((text[at : at + _LONG], at) for at in range(len(text) - _LONG + 1))
    return {part: at for part, at in parts if "*" not in part}


def _quoted(part: str) -> str:
    return '"' + part.replace('"', '""') + '"'
