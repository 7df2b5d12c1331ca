"""Finding: one Query for QIDO-RS, C-FIND and the pages."""

from collections.abc import Iterator

from imagebank.bank import Bank
from imagebank.model.access import Scope
from imagebank.model.imaging import Found
from imagebank.model.query import Query


def find(bank: Bank, query: Query, scope: Scope) -> Iterator[Found]:
    """Matches in the query's stable order, read as they are asked for."""
    return bank.index.find(query, scope)


def count(bank: Bank, query: Query, scope: Scope) -> int:
    """How many matches there are in all, whatever limit and offset the query has."""
    return bank.index.count(query, scope)
