"""Links by which a forgotten password is replaced, and accounts by their mail address, on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts.indexes import opened
from imagebank.model.access import Role
from imagebank.model.account import Account
from imagebank.model.notice import Mailbox
from imagebank.model.recovery import Fate, Recovery
from imagebank.storage.index import SQLIndex

AT = datetime(2026, 1, 1, tzinfo=UTC)
ONE = Recovery("a1", "ada@example.org", AT, AT + timedelta(hours=1))


@pytest.fixture
def index(address: str) -> Iterator[SQLIndex]:
    with opened(address) as made:
        yield made


def test_a_link_is_open_until_a_newer_one_a_change_or_its_end(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.recoveries.put(b"1", ONE)
        tx.recoveries.put(b"2", replace(ONE, asked_at=AT + timedelta(minutes=1)))
        tx.recoveries.put(b"3", replace(ONE, account="a2"))
    reader = index.recoveries

    assert reader.recovery(b"1") == replace(ONE, fate=Fate.REPLACED)
    assert reader.waiting("a1", AT) == reader.recovery(b"2") == replace(ONE, asked_at=AT + timedelta(minutes=1))
    assert (reader.waiting("a1", ONE.ends_at), reader.waiting("a3", AT), reader.recovery(b"4")) == (None, None, None)
    with index.begin() as tx:
        assert not tx.recoveries.settle(b"1", Fate.USED)
        assert tx.recoveries.end("a2", Fate.STOPPED) == 1
        assert tx.recoveries.end("a2", Fate.STOPPED) == 0
        tx.people.change_account("a1", is_locked=False, totp_waiting=b"x")
        assert index.recoveries is reader
    assert reader.waiting("a1", AT)
    with index.begin() as tx:
        tx.people.change_account("a1", totp=b"x")
    assert {reader.recovery(one).fate for one in (b"2",)} == {Fate.OVERTAKEN}  # type: ignore[union-attr]
    with index.begin() as tx:
        tx.recoveries.sweep(ONE.ends_at)
    assert reader.recovery(b"3") is None


def test_of_many_at_once_one_uses_a_link(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.recoveries.put(b"1", ONE)

    def use(_: int) -> bool:
        with index.begin() as tx:
            return tx.recoveries.settle(b"1", Fate.USED)

    with ThreadPoolExecutor(6) as many:
        assert sum(many.map(use, range(6))) == 1


def test_accounts_are_found_by_an_address_however_it_is_written(index: SQLIndex) -> None:
    with index.begin() as tx:
        for name in ("ada", "bob", "cy"):
            tx.people.put_account(Account(name * 2, name, name, "north", Role.PATIENT, AT))
        tx.notices.put_mailbox(Mailbox("adaada", "Ada@example.org", AT))
        tx.notices.put_mailbox(Mailbox("bobbob", "two@example.org", AT))
        tx.notices.put_mailbox(Mailbox("cycy", "Two@example.org", AT))
        tx.notices.put_mailbox(Mailbox("https://id.example/7", "ada@example.org", AT))

    assert index.notices.accounts_at("ada@example.org") == ["adaada"]
    assert index.notices.accounts_at("two@example.org") == ["bobbob", "cycy"]
    assert index.notices.accounts_at("nobody@example.org") == index.notices.accounts_at("") == []
