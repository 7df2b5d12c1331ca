"""How much owners of accounts add, counted on both databases."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from contracts.described import BEGIN, a_kept, digest_of
from contracts.indexes import opened
from imagebank.model.imaging import Location, Source
from imagebank.model.person import PatientId
from imagebank.ports.contributions import Amount
from imagebank.storage.index import SQLIndex

DAY, MOST = date(2026, 1, 1), Amount(3, 100)
PLACE = Location(f"{0:032x}", 4096, 8192, 700)


@pytest.fixture
def index(address: str) -> Iterator[SQLIndex]:
    with opened(address) as made:
        yield made


def test_no_account_spends_more_than_it_may_on_a_day(index: SQLIndex) -> None:
    with index.begin() as tx:
        assert tx.contributions.spend("ada", DAY, Amount(2, 60), MOST)
        assert not tx.contributions.spend("ada", DAY, Amount(2, 1), MOST)
        assert not tx.contributions.spend("ada", DAY, Amount(1, 41), MOST)
        assert tx.contributions.spend("ada", DAY, Amount(1, 40), MOST)
        assert tx.contributions.spend("ada", DAY + timedelta(days=1), Amount(3, 0), MOST)
        assert tx.contributions.spend("leo", DAY, Amount(3, 100), MOST)
    assert index.contributions.spent("ada", DAY) == MOST
    assert index.contributions.spent("eve", DAY) == Amount(0, 0)

    with index.begin() as tx:
        tx.contributions.sweep(DAY + timedelta(days=1))
    assert index.contributions.spent("ada", DAY) == Amount(0, 0)
    assert index.contributions.spent("ada", DAY + timedelta(days=1)) == Amount(3, 0)


def test_what_is_kept_is_counted_by_the_records_of_the_account(index: SQLIndex) -> None:
    assert index.contributions.kept([]) == Amount(0, 0)
    mine = PatientId("added by patient 1", "1")
    with index.begin() as tx:
        mine_too: dict[str, Any] = {"patient": "1", "issuer": mine.issuer, "organization": mine.issuer}
        tx.enter([a_kept(**mine_too), a_kept(study="1.2", **mine_too), a_kept(study="1.3")])
        tx.quarantine("odd", "a", Source("upload", "ada", mine.issuer), BEGIN, PLACE, digest_of("a"))
    found = index.contributions.kept([mine])
    assert (found.files, found.bytes > PLACE.size) == (3, True)
