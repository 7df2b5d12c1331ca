"""What is brought in from other banks, on both databases."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts.indexes import opened
from imagebank.model.access import Role
from imagebank.model.fetch import Fetch
from imagebank.model.transfer import State
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

AT = datetime(2026, 1, 1, tzinfo=UTC)
ONE = Fetch("f1", "ada", Role.CLINICIAN, "north", "::1", "https://south.example:8443", b"sealed", (Uid("1.2"),), AT, AT)


@pytest.fixture
def index(address: str) -> Iterator[SQLIndex]:
    with opened(address) as made:
        with made.begin() as tx:
            tx.fetches.put(ONE)
            tx.fetches.put(replace(ONE, id="f2", by="bob", made_at=AT + timedelta(hours=1)))
        yield made


def test_a_token_is_forgotten_at_the_end(index: SQLIndex) -> None:
    assert index.fetches.fetch("f1") == ONE
    assert ONE.host == "south.example:8443"
    with index.begin() as tx:
        assert tx.fetches.progress("f1", 5, 2, "it is away")
    assert index.fetches.fetch("f1") == replace(ONE, total=5, kept=2, reason="it is away")

    with index.begin() as tx:
        assert tx.fetches.settle("f1", State.DONE, "", AT)
        assert not tx.fetches.settle("f1", State.STOPPED, "", AT)
        assert not tx.fetches.progress("f1", 5, 5, "")
    ended = replace(ONE, total=5, kept=2, secret=b"", state=State.DONE, ended_at=AT)
    assert index.fetches.fetches("ada", 5) == [ended]
    assert [one.id for one in index.fetches.fetches("", 5)] == ["f2", "f1"]
    assert index.fetches.fetch("f3") is None
