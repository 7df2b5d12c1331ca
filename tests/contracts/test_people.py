"""People, their means, links, challenges, tries and sessions on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from contracts.indexes import opened
from imagebank.model.access import Role, Session
from imagebank.model.account import Account, Invitation, Passkey
from imagebank.model.client import Client
from imagebank.storage.index import SQLIndex

START = datetime(2026, 1, 1, tzinfo=UTC)
ADA = Account("a1", "ada", "Ada Varga", "north", Role.CLINICIAN, START, password="hash", totp=b"app")
BOB = Account("b1", "bob", "Bob", "south", Role.ADMIN, START)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.fixture
def index(address: str) -> Iterator[SQLIndex]:
    with filled(address) as made:
        yield made


@contextmanager
def filled(address: str) -> Iterator[SQLIndex]:
    with opened(address) as index:
        with index.begin() as tx:
            assert [tx.people.put_account(one) for one in (BOB, ADA)] == [True, True]
        yield index


def test_systems_have_names_of_their_own_until_they_are_removed(index: SQLIndex) -> None:
    ris = Client("ris", Role.SYSTEM, "north", '{"kty": "EC"}', START, "f1" * 32)
    with index.begin() as tx:
        added = [tx.people.put_client(one) for one in (ris, Client("ris", Role.ADMIN, "south", "{}", START))]
    kept = (index.people.client("ris"), index.people.clients())
    with index.begin() as tx:
        removed = [tx.people.remove_client("ris"), tx.people.remove_client("ris")]

    assert (added, kept, removed) == ([True, False], (ris, [ris]), [True, False])
    assert [index.people.client(name) for name in ("ris", "no\0one")] == [None, None]


def test_accounts_have_names_of_their_own_and_only_what_is_given_changes(index: SQLIndex) -> None:
    with index.begin() as tx:
        assert not tx.people.put_account(Account("a2", "ada", "Another", "north", Role.ADMIN, START))
        tx.people.change_account("b1", is_locked=True, totp_waiting=b"new")

    changed = index.people.account("bob")
    assert index.people.accounts() == [ADA, changed]
    assert changed == Account("b1", "bob", "Bob", "south", Role.ADMIN, START, is_locked=True, totp_waiting=b"new")
    assert (index.people.account("eve"), index.people.account_of("e1")) == (None, None)
    assert index.people.account_of("a1") == ADA


def test_a_step_is_spent_once_and_no_earlier_one_after_it(index: SQLIndex) -> None:
    with index.begin() as tx:
        assert [tx.people.spend_step("a1", step) for step in (7, 7, 6, 8)] == [True, False, False, True]


def test_a_passkey_is_counted_by_who_saw_its_last_count(index: SQLIndex) -> None:
    keys = [Passkey(b"k%d" % n, "a1", b"public", 0, f"key {n}", at(n)) for n in (1, 2)]
    with index.begin() as tx:
        assert [tx.people.put_passkey(one) for one in (*keys, keys[0])] == [True, True, False]
        assert [tx.people.count_passkey(b"k1", before, 5) for before in (0, 0)] == [True, False]
        assert [tx.people.remove_passkey(whose, b"k2") for whose in ("b1", "a1", "a1")] == [False, True, False]

    (kept,) = index.people.passkeys("a1")
    assert (kept.id, kept.count, index.people.passkey(b"k1"), index.people.passkey(b"k2")) == (b"k1", 5, kept, None)
    with index.begin() as tx:
        tx.people.remove_passkeys("a1")
    assert index.people.passkeys("a1") == []


def test_a_newer_link_ends_the_older_and_each_is_good_once(index: SQLIndex) -> None:
    invitation = Invitation("a1", Role.CLINICIAN, "north", at(10))
    with index.begin() as tx:
        for digest in (b"one", b"two"):
            tx.people.put_invitation(digest, invitation)

    assert [index.people.invitation(digest, at(5)) for digest in (b"one", b"two")] == [None, invitation]
    assert index.people.invitation(b"two", at(10)) is None
    with index.begin() as tx:
        found = [tx.people.use_invitation(b"two", at(minutes)) for minutes in (10, 5, 5)]
    assert found == [None, invitation, None]


def test_a_challenge_is_good_once_for_whom_it_was_given(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.people.put_challenge(b"c", "a1", at(5))
        tried = [("b1", 1), ("a1", 5), ("a1", 1), ("a1", 1)]
        found = [tx.people.use_challenge(b"c", whose, at(minutes)) for whose, minutes in tried]

    assert found == [False, False, True, False]


def test_tries_are_counted_to_the_limit_until_the_window_ends(index: SQLIndex) -> None:
    with index.begin() as tx:
        counts = [tx.people.count_attempt("k", at(minutes), at(minutes + 15), 2) for minutes in (0, 1, 14, 15, 16)]
        tx.people.give_back_attempt("k")
        again = tx.people.count_attempt("k", at(17), at(32), 2)
        tx.people.forget_attempts("k")
        anew = tx.people.count_attempt("k", at(17), at(32), 2)

    assert (counts, again, anew) == ([1, 2, 0, 1, 2], 2, 1)


def test_of_many_tries_at_once_no_more_than_the_limit_are_heard(index: SQLIndex) -> None:
    def attempt(_: int) -> bool:
        with index.begin() as tx:
            return tx.people.count_attempt("k", START, at(15), 5) > 0

    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(attempt, range(40)))
    assert sum(heard) == 5


def test_sessions_of_an_account_are_as_the_account_is_now(index: SQLIndex) -> None:
    def a_session(digest: bytes, created: float, account: str = "a1") -> Session:
        return Session(
            digest, "old", Role.ADMIN, "old", at(created), at(600), None, account, "192.0.2.7", at(created), at(created)
        )

    with index.begin() as tx:
        for one in (a_session(b"1", 0), a_session(b"2", 5), a_session(b"3", 6, "b1"), a_session(b"4", 7, "")):
            tx.put_session(one)
        tx.people.see_session(b"1", at(9))
        tx.people.prove_session(b"1", at(8))
    mine = index.people.sessions("a1", at(10), at(1))

    assert [(one.digest, one.name, one.role, one.organization) for one in mine] == [
        (b"2", "ada", Role.CLINICIAN, "north"),
        (b"1", "ada", Role.CLINICIAN, "north"),
    ]
    assert (mine[1].seen_at, mine[1].proven_at, mine[1].address) == (at(9), at(8), "192.0.2.7")
    assert index.session(b"1", at(10), at(9)) is None, "idle since then"
    with index.begin() as tx:
        tx.people.change_account("a1", is_locked=True)
    assert index.session(b"1", at(10), at(1)) is None
    assert index.session(b"4", at(10), at(1)) is not None
    with index.begin() as tx:
        assert tx.people.end_sessions("b1", b"1") == 0
        assert tx.people.end_sessions("a1", but=b"2") == 1
        assert tx.people.end_sessions("a1", b"2") == 1


def test_what_has_ended_is_swept(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.people.put_invitation(b"i", Invitation("a1", Role.ADMIN, "north", at(1)))
        tx.people.put_challenge(b"c", "", at(1))
        tx.people.count_attempt("k", START, at(1), 1)
        tx.people.sweep(at(1))
        left = tx.people.use_challenge(b"c", "", START), tx.people.count_attempt("k", START, at(1), 1)

    assert left == (False, 1)
    assert index.people.invitation(b"i", START) is None
