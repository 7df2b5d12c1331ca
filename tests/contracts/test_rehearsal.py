"""A deposit is rehearsed, on both databases."""

from datetime import UTC, datetime

from imagebank.actions import rehearsal
from imagebank.model.access import Scope
from imagebank.model.attribute import Level
from imagebank.model.query import Query
from imagebank.storage.index import SQLIndex

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVERYTHING = Scope(organizations=None)


def test_nothing_of_a_rehearsal_stays(index: SQLIndex) -> None:
    rehearsal.deposit(index, lambda: NOW)
    rehearsal.deposit(index, lambda: NOW)

    assert index.count(Query(Level.STUDY), EVERYTHING) == 0
    assert list(index.ledger(EVERYTHING)) == []
