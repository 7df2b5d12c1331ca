"""Requests of owners on both databases."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts.indexes import opened
from imagebank.model.person import PatientId
from imagebank.model.request import OPEN, Kind, Request, State
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

AT = datetime(2026, 1, 1, tzinfo=UTC)
ADA = PatientId("north", "ADA")
ONE = Request("r1", Kind.STUDY, "123", ADA, "north", "the CT", "ward 3", "in May", AT, AT)
LATER = replace(ONE, id="r2", kind=Kind.ERASE, facility="south", made_at=AT + timedelta(days=1))


@pytest.fixture
def index(address: str) -> Iterator[SQLIndex]:
    with opened(address) as made:
        with made.begin() as tx:
            assert tx.requests.put(ONE)
            assert tx.requests.put(LATER)
            assert not tx.requests.put(replace(ONE, what="another"))
        yield made


def test_requests_are_found_by_whose_they_are_and_by_whom_they_ask(index: SQLIndex) -> None:
    found = index.requests

    assert found.request("r1") == ONE
    assert found.request("r3") is None
    assert found.of_patients([ADA], 5) == [LATER, ONE]
    assert found.of_patients([], 5) == found.of_patients([PatientId("north", "BEN")], 5) == []
    assert found.of_facility("north", OPEN, 5) == [ONE]
    assert found.of_facility("", OPEN, 5) == [ONE, LATER]
    assert found.of_facility("", [State.REFUSED], 5) == []


def test_a_request_is_settled_once(index: SQLIndex) -> None:
    answered = replace(ONE, state=State.ANSWERED, by="desk", study=Uid("1.2"), reason="here", changed_at=LATER.made_at)
    with index.begin() as tx:
        assert tx.requests.settle(answered, OPEN)
        assert not tx.requests.settle(replace(ONE, state=State.REFUSED), OPEN)
    assert index.requests.request("r1") == answered


def test_what_was_asked_about_a_record_is_forgotten_with_it(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.requests.forget([ADA])
    assert index.requests.of_facility("", frozenset(State), 5) == []
