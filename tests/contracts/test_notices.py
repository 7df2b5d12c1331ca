"""Notices, mail, addresses, choices, codes and places on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete

from contracts.indexes import opened
from imagebank.model.access import Role
from imagebank.model.account import Account
from imagebank.model.notice import Kind, Mailbox, Notice, SentCode, State, Way
from imagebank.model.person import PatientId
from imagebank.model.provision import FOR_EVER, Provision
from imagebank.model.provision import Kind as Decided
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.index import SQLIndex
from schema import migrated_database, migrated_file

START = datetime(2026, 1, 1, tzinfo=UTC)
CODE = SentCode("ada@example.org", b"kept", 0, START + timedelta(minutes=10))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLIndex]:
    if request.param == "sqlite":
        with opened(migrated_file(tmp_path_factory.mktemp("notices") / "index.db")) as made:
            yield made
    else:
        with migrated_database(request.getfixturevalue("postgres")) as address, opened(address) as made:
            yield made


@pytest.fixture
def index(shared: SQLIndex) -> SQLIndex:
    """One for all of these, in which nobody was told anything yet."""
    with shared._database.writing() as connection:
        for table in (tables.notice, tables.mailbox, tables.notice_choice, tables.mailed_code, tables.place):
            connection.execute(delete(table))
    return shared


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def a_notice(name: str, minutes: float = 0, account: str = "a1", **given: object) -> Notice:
    return replace(Notice(name, account, Kind.DEPOSIT, at(minutes)), **given)  # type: ignore[arg-type]


def put(index: SQLIndex, *some: Notice) -> None:
    with index.begin() as tx:
        for one in some:
            tx.notices.put(one)


def test_an_account_has_its_own_notices_the_newest_first_until_it_has_seen_them(index: SQLIndex) -> None:
    one, two, three = (a_notice(f"n{number}", number) for number in (1, 2, 3))
    put(index, two, one, three, a_notice("n4", 4, "b1"))
    with index.begin() as tx:
        seen = [tx.notices.see(whose, at(9), "n2") for whose in ("b1", "a1", "a1")]

    assert index.notices.of_account("a1", 2) == [three, replace(two, seen_at=at(9))]
    assert index.notices.of_account("a1", 9, before=at(2)) == [one]
    assert (seen, index.notices.unseen("a1"), index.notices.unseen("c1")) == ([0, 1, 0], 2, 0)
    with index.begin() as tx:
        assert tx.notices.see("a1", at(9)) == 2
    assert (index.notices.unseen("a1"), index.notices.unseen("b1")) == (0, 1)
    assert [index.notices.notice(name) for name in ("n1", "n0", "n\0")] == [replace(one, seen_at=at(9)), None, None]


def test_who_holds_records_now_is_found_by_account(index: SQLIndex) -> None:
    ada, bob, long = PatientId("north", "ADA"), PatientId("north", "BOB"), START - timedelta(days=1)
    held = [
        Provision(f"p{number}", Decided.HOLDING, True, patient, long, ends, principal=name, revoked_at=revoked)
        for number, (name, patient, ends, revoked) in enumerate(
            [
                *(("mia", ada, FOR_EVER, None), ("mia", ada, FOR_EVER, None), ("leo", ada, FOR_EVER, None)),
                *(("old", ada, START, None), ("out", ada, FOR_EVER, START), ("eve", bob, FOR_EVER, None)),
                *(("gone", ada, FOR_EVER, None), ("login.example/u7", ada, FOR_EVER, None)),
            ]
        )
    ]
    with index.begin() as tx:
        for name in ("mia", "leo", "old", "out", "eve"):
            tx.people.put_account(Account(f"id-{name}", name, name, "north", Role.PATIENT, START))
        for one in (*held, replace(held[2], id="care", kind=Decided.CARE, principal="eve")):
            tx.put_provision(one)
        found = [tx.notices.holders(patient, START) for patient in (ada, bob, PatientId("south", "ADA"))]

    assert found == [["id-leo", "id-mia", "login.example/u7"], ["id-eve"], []]


def test_the_same_again_is_counted_with_what_nobody_has_seen(index: SQLIndex) -> None:
    put(index, a_notice("n1", 1, link="/a"), a_notice("n2", 2, link="/a"), a_notice("n3", 3, seen_at=at(4)))

    def again(link: str, since: float, kind: Kind = Kind.DEPOSIT) -> bool:
        with index.begin() as tx:
            return tx.notices.again("a1", kind, link, at(since))

    found = [again("/a", 0), again("/a", 2), again("/b", 0), again("", 0), again("/a", 0, Kind.SHARED)]
    assert found == [True, False, False, False, False]
    assert [one.number for one in index.notices.of_account("a1", 9)] == [1, 2, 1]


def test_a_mail_gathers_what_is_held_and_is_settled_once(index: SQLIndex) -> None:
    held = [a_notice(f"n{number}", number, state=State.HELD) for number in (1, 2)]
    put(index, *held, a_notice("n3", 3, "b1", state=State.HELD), a_notice("n4", 4, state=State.LISTED))
    with index.begin() as tx:
        gathered = [tx.notices.gather("a1", "m1"), tx.notices.gather("a1", "m2")]
        tx.notices.settle("m1", State.WAITING, "away")
    waiting = [replace(one, state=State.WAITING, mail="m1", reason="away") for one in held]

    assert (gathered, index.notices.of_mail("m1"), index.notices.unsent(9)) == ([2, 0], waiting, waiting)
    with index.begin() as tx:
        tx.notices.settle("m1", State.ASIDE, "gone")
        tx.notices.settle("m1", State.SENT)
    assert [one.state for one in index.notices.unsent(1)] == [State.ASIDE]
    with index.begin() as tx:
        assert [tx.notices.send_again(), tx.notices.send_again()] == [["m1"], []]
        tx.notices.settle("m1", State.SENT)
    assert index.notices.unsent(9) == []


def test_the_secret_that_ends_mails_is_spent_once(index: SQLIndex) -> None:
    put(index, a_notice("n1", 1, mail="m1"), a_notice("n2", 2, mail="m2"))
    with index.begin() as tx:
        tx.notices.put_leave("m1", b"one")
        tx.notices.put_leave("m1", b"two")
    with index.begin() as tx:
        found = [tx.notices.use_leave(digest) for digest in (b"one", b"two", b"two")]

    assert [[one.id for one in some] for some in found] == [[], ["n1"], []]


def test_an_account_has_one_address_and_a_way_for_each_kind(index: SQLIndex) -> None:
    first, second = (Mailbox("a1", f"{name}@example.org", at(1), "de") for name in ("ada", "adele"))
    with index.begin() as tx:
        for one in (first, second):
            tx.notices.put_mailbox(one)
        tx.notices.choose("a1", Kind.DEPOSIT, Way.OFF)
        tx.notices.choose("a1", Kind.DEPOSIT, Way.ONCE)
        kept = (tx.notices.mailbox("a1"), tx.notices.mailbox("b1"), tx.notices.ways("a1"))

    assert kept == (second, None, {Kind.DEPOSIT: Way.ONCE})
    assert (index.notices.mailbox("a1"), index.notices.ways("a1"), index.notices.ways("b1")) == (second, kept[2], {})
    with index.begin() as tx:
        assert [tx.notices.remove_mailbox("a1"), tx.notices.remove_mailbox("a1")] == [True, False]


def test_a_code_is_tried_so_often_and_spent_once(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.notices.put_code("k", replace(CODE, kept=b"earlier", tries=3))
        tx.notices.put_code("k", CODE)
        tries = [tx.notices.try_code(key, at(minutes), 2) for key, minutes in (("j", 0), ("k", 10), ("k", 1), ("k", 2))]
        over = tx.notices.try_code("k", at(3), 2)
        spent = [tx.notices.spend_code("k", kept) for kept in (b"earlier", b"kept", b"kept")]

    assert tries == [None, None, replace(CODE, tries=1), replace(CODE, tries=2)]
    assert (over, spent, index.notices.code("k")) == (None, [False, True, False], None)


def test_of_many_tries_at_once_no_more_are_counted_than_there_are(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.notices.put_code("k", CODE)

    def attempt(_: int) -> bool:
        with index.begin() as tx:
            return tx.notices.try_code("k", at(1), 5) is not None

    with ThreadPoolExecutor(20) as threads:
        counted = sum(threads.map(attempt, range(40)))

    assert (counted, index.notices.code("k")) == (5, replace(CODE, tries=5))


def test_a_place_is_new_when_there_were_others(index: SQLIndex) -> None:
    visits = [("a1", "here"), ("a1", "here"), ("b1", "there"), ("a1", "there"), ("a1", "here")]
    with index.begin() as tx:
        assert [tx.notices.note_place(*visit, at(1)) for visit in visits] == [False, False, False, True, False]


def test_a_label_that_is_there_is_not_put_again(index: SQLIndex) -> None:
    with index.begin() as tx:
        assert [tx.put_label(Uid("1.2"), label) for label in ("teaching", "teaching", "rare")] == [True, False, True]


def test_what_is_old_is_forgotten_and_so_is_an_account(index: SQLIndex) -> None:
    put(index, a_notice("n1", 1), a_notice("n2", 20), a_notice("n3", 20, "b1"))
    with index.begin() as tx:
        tx.notices.put_code("k", CODE)
        tx.notices.put_mailbox(Mailbox("a1", "ada@example.org", at(1)))
        tx.notices.choose("a1", Kind.DEPOSIT, Way.OFF)
        for minutes, place in ((1, "here"), (20, "there")):
            tx.notices.note_place("a1", place, at(minutes))
        tx.notices.sweep(at(10), at(10))
        again = tx.notices.note_place("a1", "here", at(21))

    assert ([one.id for one in index.notices.of_account("a1", 9)], index.notices.code("k"), again) == (
        ["n2"],
        None,
        True,
    )
    with index.begin() as tx:
        tx.notices.forget("a1")
        assert not tx.notices.note_place("a1", "here", at(22))
    gone = (index.notices.of_account("a1", 9), index.notices.mailbox("a1"), index.notices.ways("a1"))
    assert (gone, index.notices.unseen("b1")) == (([], None, {}), 1)
