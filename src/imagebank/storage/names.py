"""Which few studies a wildcard in a patient's name may mean, on SQLite; PostgreSQL uses its index by itself."""

import re
from typing import Final

from sqlalchemy import text

from imagebank.model.query import Like, Query, Words
from imagebank.storage.database import Database
from imagebank.storage.rows import clean
from imagebank.storage.select import bare

FEW: Final = 5000
"""Where more studies may be meant, whoever asks for the newest meets these soon enough in the order of all."""

_LONG: Final = 3
"""Characters of which the index has what stands in a row."""
_WITH_ALL: Final = text("SELECT rowid FROM name_part WHERE name_part MATCH :parts LIMIT :most")


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
