"""Transfers and destinations on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from contracts.indexes import opened
from imagebank.model.access import Purpose, Role
from imagebank.model.transfer import Destination, Sent, State, Transfer
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

AT = datetime(2026, 1, 1, tzinfo=UTC)
STUDY = Uid("1.2")
ONE = Transfer("t1", "ada", Role.CLINICIAN, "north", Purpose.TREATMENT, "::1", "South", (STUDY,), AT, 2)
OBJECTS = [Sent(STUDY, Uid(f"1.2.{number}"), "blake3:00") for number in (1, 2)]


@pytest.fixture
def index(address: str) -> Iterator[SQLIndex]:
    with opened(address) as made:
        with made.begin() as tx:
            tx.transfers.put(ONE, OBJECTS)
        yield made


def test_what_was_taken_is_counted_until_it_ends(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.transfers.sent("t1", [Uid("1.2.2")], AT)
    found = index.transfers.transfer("t1")
    assert found is not None
    assert (found.total, found.sent, found.state, found.studies) == (2, 1, State.WAITING, (STUDY,))
    assert [one.sent_at for one in index.transfers.objects("t1")] == [None, AT]

    with index.begin() as tx:
        assert tx.transfers.settle("t1", State.WAITING, "the place is away", None)
        assert tx.transfers.settle("t1", State.DONE, "", AT)
        assert not tx.transfers.settle("t1", State.STOPPED, "", AT)
    assert [one.state for one in index.transfers.transfers("ada", 5)] == [State.DONE]
    assert index.transfers.transfers("bob", 5) == []
    assert index.transfers.transfer("t2") is None


def test_places_are_kept_changed_and_taken_away(index: SQLIndex) -> None:
    south = Destination("South", url="https://south.example/dicom-web", secret=b"s", organization="south")
    with index.begin() as tx:
        tx.transfers.put_destination(south)
        tx.transfers.put_destination(Destination("East", device="EAST"))
        tx.transfers.put_destination(Destination("East", device="EAST2", for_recipients=True))
    assert index.transfers.destinations() == [Destination("East", device="EAST2", for_recipients=True), south]

    with index.begin() as tx:
        assert tx.transfers.remove_destination("South")
        assert not tx.transfers.remove_destination("South")
    assert index.transfers.destination("South") is None
