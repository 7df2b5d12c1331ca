"""Statements with numbered parameters, as PostgreSQL takes them.

Its driver looks for the names of parameters anew at each run of a statement of more than 4,096 characters. What a
caller may see makes most of ours longer, and the search took more time than the whole answer of the database.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import psycopg

_PARAMETER: Final = re.compile(r"%%|%\(([^)]+)\)s")


class Numbered:
    """A text of SQLAlchemy's for psycopg, in which parameters have names, made once into one where they have numbers."""

    def __init__(self, text: str) -> None:
        numbers: dict[str, int] = {}

        def numbered(found: re.Match[str]) -> str:
            name: str | None = found[1]
            return "%" if name is None else f"${numbers.setdefault(name, len(numbers) + 1)}"

        self._text = _PARAMETER.sub(numbered, text).encode()
        self._names = tuple(numbers)

    def run(self, connection: Any, parameters: Mapping[str, Any]) -> Any:
        """A cursor of the driver, after execution on one of its connections."""
        return psycopg.RawCursor(connection).execute(self._text, [parameters[name] for name in self._names])
