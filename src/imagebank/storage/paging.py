"""Where pages of a search ended, so that the next one begins there instead of being counted off.

To leave rows out (OFFSET) a database goes through all of them: the last pages of a million studies take seconds each,
and so does their number, which goes with each page. Whoever pages through in order asks the same question, under the
same scope, at the offset where a page has just ended: that page begins behind the study that was the last one. It is
the page that counting gives; where studies came or went meanwhile, none is left out or told twice, as it would be by
counting. This is kept for some minutes in memory, by each process for itself. What is not kept is counted.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Final

from imagebank.model.access import LONG_AGO, Scope
from imagebank.model.attribute import Level
from imagebank.model.query import Query
from imagebank.model.timeline import Place

DEEP: Final = 1_000
"""Pages that end before so many studies are counted off: it costs next to nothing there."""
_KEPT: Final = 200
"""Questions whose pages are kept."""
_ENDS: Final = 8
"""Pages of one question."""
_FRESH_S: Final = 300.0
_TOTAL_FRESH_S: Final = 60.0
"""For so long the number of all matches is told again."""


@dataclass(slots=True)
class _Walk:
    """What is known of one question: where pages ended, by their offset, and how many matches there were; and when."""

    ends: "OrderedDict[int, tuple[float, Place]]" = field(default_factory=OrderedDict)
    total: tuple[float, int] | None = None


class Pages:
    """Pages of searches for studies that lie deep."""

    def __init__(self) -> None:
        self._walks: OrderedDict[tuple[Query, Scope], _Walk] = OrderedDict()
        self._lock = threading.Lock()

    def before(self, query: Query, scope: Scope) -> Place | None:
        """The study behind which a page begins; None for the first one, and where it has to be counted off."""
        if not query.offset:
            return None
        with self._lock:
            found = self._walk(query, scope).ends.get(query.offset)
        return None if found is None or found[0] + _FRESH_S < time.monotonic() else found[1]

    def ended(self, query: Query, scope: Scope, last: Place) -> None:
        """Keep which study was the last one of a full page."""
        with self._lock:
            ends = self._walk(query, scope).ends
            ends[query.offset + (query.limit or 0)] = time.monotonic(), last
            while len(ends) > _ENDS:
                ends.popitem(last=False)

    def total(self, query: Query, scope: Scope) -> int | None:
        """How many matches there were a moment ago."""
        with self._lock:
            found = self._walk(query, scope).total
        return None if found is None or found[0] + _TOTAL_FRESH_S < time.monotonic() else found[1]

    def counted(self, query: Query, scope: Scope, total: int) -> None:
        with self._lock:
            self._walk(query, scope).total = time.monotonic(), total

    def _walk(self, query: Query, scope: Scope) -> _Walk:
        asker = scope.asker and replace(scope.asker, at=LONG_AGO)
        key = replace(query, limit=None, offset=0), replace(scope, asker=asker)
        walk = self._walks.setdefault(key, _Walk())
        self._walks.move_to_end(key)
        while len(self._walks) > _KEPT:
            self._walks.popitem(last=False)
        return walk


def is_deep(query: Query) -> bool:
    """Whether a page is one that is kept."""
    most = query.limit
    return query.level is Level.STUDY and most is not None and most > 0 and query.offset + most >= DEEP


def parameters_of(place: Place) -> dict[str, str]:
    """The values for a question that goes on behind a study."""
    return {"behind_date": place.date, "behind_time": place.time, "behind_study": place.study}
