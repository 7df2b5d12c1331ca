"""Looking for words that a slip may be of, by the triples of letters that they share (`model.search_likeness`)."""

import time
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, func, select

from imagebank.model.search_likeness import fewest, is_near, is_spelled, likeness, triples
from imagebank.storage import tables
from imagebank.storage.rows import clean
from imagebank.storage.sets import one_of

_SPELLING: Final = tables.spelling
_MOST: Final = 25
"""So many words are asked for in the place of one at most, the likest."""
_KNOWN_FOR_S: Final = 600.0


class Alike:
    """Gives the words that are written somewhere and nearly another.

    A word that shares so many of the triples has one at least of the rarest that are not more than it may lack. Those
    alone are looked through, since a frequent triple stands in half of all words.
    """

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._numbers: dict[str, int] = {}
        self._known_at = time.monotonic()

    def words(self, connection: Connection, word: str) -> list[str]:
        """The likest ones, in their order."""
        if not is_spelled(word):
            return []  # no such word is kept
        theirs, least = sorted(triples(clean(word))), fewest(word)
        rarest = self._rarest(connection, theirs)[: max(len(theirs) - least + 1, 1)]
        statement = select(_SPELLING.c.word).where(one_of(self._dialect, _SPELLING.c.triple, rarest)).distinct()
        near = [
            other
            for other in connection.scalars(statement).all()
            if sum(map(f"  {other} ".__contains__, theirs)) >= least and is_near(word, other)
        ]
        return sorted(sorted(near, key=lambda other: (-likeness(word, other), other))[:_MOST])

    def _rarest(self, connection: Connection, wanted: Iterable[str]) -> list[str]:
        """The same triples, those of fewest words first, as they were counted some minutes ago."""
        if time.monotonic() - self._known_at >= _KNOWN_FOR_S:
            self._numbers, self._known_at = {}, time.monotonic()
        known = self._numbers
        if unknown := [triple for triple in wanted if triple not in known]:
            counted = select(_SPELLING.c.triple, func.count()).where(one_of(self._dialect, _SPELLING.c.triple, unknown))
            known.update(dict.fromkeys(unknown, 0))
            known.update(
                (triple, number) for triple, number in connection.execute(counted.group_by(_SPELLING.c.triple))
            )
        return sorted(wanted, key=lambda triple: (known.get(triple, 0), triple))
