"""How SQLite is to look for a wildcard in a patient's name; PostgreSQL chooses well by itself."""

import re
from dataclasses import replace
from typing import Final

from sqlalchemy import text

from imagebank.model.attribute import STUDY, Level
from imagebank.model.query import Between, Condition, Like, Query, Words
from imagebank.storage.database import Database
from imagebank.storage.rows import clean
from imagebank.storage.select import bare

FEW: Final = 5000
"""Where more studies may be meant, whoever asks for the newest meets these soon enough in the order of all."""

_LONG: Final = 3
"""Characters of which the index has what stands in a row."""
_WITH_ALL: Final = text("SELECT rowid FROM name_part WHERE name_part MATCH :parts LIMIT :most")

_NEWEST: Final = 20_000
"""Studies that are walked through, newest first, before the index of names is asked after all."""
_PAGE: Final = 200
"""Matches that may be expected among these."""
_DATE: Final = next(each for each in STUDY if each.keyword == "StudyDate")
_SHARED: Final = text(
    "SELECT count(*) FROM (SELECT 1 FROM study WHERE patient_name >= :low AND patient_name < :high LIMIT :most)"
)
_SINCE: Final = text("SELECT study_date FROM study ORDER BY study_date DESC LIMIT 1 OFFSET :newest")


def of_newest(database: Database, query: Query) -> Query | None:
    """The same question about the newest studies alone, where more than a few share the beginning of a name.

    A full page of its answers is that of the whole question: the index of names would gather all and sort them.
    """
    begin = _beginning(query) if database.is_sqlite else ""
    if not begin or query.level is not Level.STUDY or query.offset + (query.limit or _PAGE + 1) > _PAGE:
        return None
    with database.reading() as connection:
        shared = {"low": begin, "high": begin + "\U0010ffff", "most": FEW + 1}
        if connection.scalars(_SHARED, shared).one() <= FEW:
            return None
        since = connection.scalars(_SINCE, {"newest": _NEWEST}).first() or ""
    return replace(query, conditions=(*query.conditions, Condition(_DATE, Between(since, ""))))


def _beginning(query: Query) -> str:
    """What the name of every match begins with; empty where no name is asked for so, or a date is told as well."""
    begin = ""
    for condition in query.conditions:
        if condition.attribute.keyword == _DATE.keyword:
            return ""
        if condition.attribute.keyword == "PatientName" and isinstance(condition.match, Like):
            begin = re.split(r"[*?=]", clean(condition.match.pattern))[0]
    return begin


def may_match(database: Database, query: Query) -> list[int] | None:
    """Rows of studies outside of which nothing matches; None where they are many, or nothing is known of them."""
    parts = name_parts(query) if database.is_sqlite else []
    if not parts:
        return None
    asked = {"parts": " ".join(map(_quoted, parts)), "most": FEW + 1}
    with database.reading() as connection:
        found = connection.scalars(_WITH_ALL, asked).all()
    return list(found) if len(found) <= FEW else None


def name_parts(query: Query) -> list[str]:
    """Texts of three characters that the name of every match has in it, where no index of whole names serves."""
    found: set[str] = set()
    for condition in query.conditions:
        match condition.match:
            case _ if condition.attribute.keyword != "PatientName":
                continue
            case Words(words):
                runs = [f" {clean(word)}" for word in words]
            case Like(pattern) if pattern[0] in "*?=":
                runs = re.split(r"[*?=]", clean(bare(pattern) or pattern))
            case _:
                continue
        found |= {run[at : at + _LONG] for run in runs for at in range(len(run) - _LONG + 1)}
    return sorted(found)


def _quoted(part: str) -> str:
    return '"' + part.replace('"', '""') + '"'
