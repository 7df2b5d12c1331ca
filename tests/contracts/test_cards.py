"""Cards on both databases: kept as they are, and no more of their tries and uses taken than they have."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bank import open_test_bank
from cards_here import KEEPER, a_card, a_claim, fill, quick_hashes, wrong
from contracts.indexes import opened
from imagebank.actions import cards, pins, redeem
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Scope
from imagebank.model.card import NO_END, TRIES, Card, State, Withdrawal
from imagebank.model.person import PatientId
from imagebank.storage.index import SQLIndex
from schema import migrated_database, migrated_file

START = datetime(2026, 1, 1, tzinfo=UTC)
ALL = Scope(organizations=None)
ADA, BOB = PatientId("north", "ADA"), PatientId("north", "BOB")
CARD = Card(
    "a1",
    b"number",
    "pin",
    ADA,
    "north",
    "desk",
    START,
    START + timedelta(days=30),
    holder="ada",
    label="knee",
    recipient="Dr \u0141ukasz",
    email="l@example.org",
    purpose="second opinion",
    uses_left=2,
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One database of each kind for all of these."""
    if request.param == "sqlite":
        yield migrated_file(tmp_path_factory.mktemp("cards") / "index.db")
    else:
        with migrated_database(request.getfixturevalue("postgres")) as made:
            yield made


@pytest.fixture(scope="module")
def shared(place: str) -> Iterator[SQLIndex]:
    with opened(place) as made:
        yield made


@pytest.fixture
def index(shared: SQLIndex) -> SQLIndex:
    """An index without cards."""
    with shared.begin() as tx:
        tx.cards.forget([ADA, BOB])
    return shared


def put(index: SQLIndex, *made: Card) -> None:
    with index.begin() as tx:
        for one in made:
            tx.cards.put(one)


def test_a_card_is_kept_as_it_is_and_nobody_sees_it_under_a_scope_with_bounds(index: SQLIndex) -> None:
    other = replace(CARD, id="b2", number=b"other", patient=BOB, made_at=START + timedelta(days=1), frozen_at=START)
    put(index, CARD, other)

    assert index.cards.card("a1", ALL) == CARD
    assert index.cards.cards(ALL) == [other, CARD]
    assert index.cards.cards(ALL, [ADA]) == [CARD]
    assert index.cards.cards(ALL, []) == []
    assert index.cards.card("c3", ALL) is None
    assert (index.cards.card("a1", Scope.of("north")), index.cards.cards(Scope.of("north"))) == (None, [])


def test_what_is_named_changes_and_nothing_else(index: SQLIndex) -> None:
    put(index, CARD)
    changes: dict[str, Any] = {"label": "no\0thing", "uses_left": 7, "ends_at": START, "revoked_at": START}
    with index.begin() as tx:
        tx.cards.change("a1", frozen_at=START)
        tx.cards.change("a1", frozen_at=None, **changes)
        tx.cards.change("a1")
        held = (tx.cards.hold("a1"), tx.cards.hold("b2"))

    assert held == (replace(CARD, **changes | {"label": "nothing"}), None)
    assert index.cards.card("a1", ALL) == held[0]


def test_no_try_and_no_use_is_taken_of_a_card_that_does_not_work(index: SQLIndex) -> None:
    spoilt = [
        replace(CARD, id="frozen", number=b"frozen", frozen_at=START),
        replace(CARD, id="revoked", number=b"revoked", revoked_at=START),
        replace(CARD, id="ended", number=b"ended", ends_at=START),
        replace(CARD, id="used up", number=b"used up", uses_left=0),
    ]
    put(index, *spoilt, replace(CARD, tries_left=0))
    with index.begin() as tx:
        assert [tx.cards.count_try(name, START) for name in (b"number", b"unknown")] == [None, None]
        assert [tx.cards.count_try(one.number, START) for one in spoilt] == [None] * 4
        assert [tx.cards.spend(one.id, START) for one in spoilt] == [0] * 4
        assert [tx.cards.find(name) for name in (b"ended", b"unknown")] == [spoilt[2], None]


def test_uses_are_counted_to_their_end_and_without_one_where_there_is_none(index: SQLIndex) -> None:
    put(index, CARD, replace(CARD, id="b2", number=b"other", uses_left=NO_END))
    with index.begin() as tx:
        assert [tx.cards.spend("a1", START) for _ in range(3)] == [1, 2, 0]
        assert [tx.cards.spend("b2", START) for _ in range(3)] == [1, 2, 3]

    assert [(one.uses, one.uses_left) for one in index.cards.cards(ALL)] == [(2, 0), (3, NO_END)]


def test_withdrawals_are_told_newest_first_and_go_with_their_card(index: SQLIndex) -> None:
    put(index, CARD, replace(CARD, id="b2", number=b"other", patient=BOB))
    made = [
        Withdrawal(card, n, START, START + timedelta(hours=1), "Dr Okafor", "Quay Street", "treatment", "192.0.2.7")
        for card, n in (("a1", 1), ("a1", 2), ("b2", 1))
    ]
    with index.begin() as tx:
        for one in made:
            tx.cards.put_withdrawal(one)
    assert index.cards.withdrawals("a1", ALL) == [made[1], made[0]]
    assert index.cards.withdrawals("a1", Scope.nothing()) == []

    with index.begin() as tx:
        tx.cards.forget([ADA])
    assert [index.cards.withdrawals(card, ALL) for card in ("a1", "b2")] == [[], [made[2]]]
    assert [one.id for one in index.cards.cards(ALL)] == ["b2"]


def test_of_many_tries_at_once_no_more_are_taken_than_there_are(index: SQLIndex) -> None:
    put(index, CARD)

    def attempt(_: int) -> bool:
        with index.begin() as tx:
            return tx.cards.count_try(b"number", START) is not None

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(attempt, range(60))) == TRIES
    with index.begin() as tx:
        tx.cards.give_back_try("a1")
        assert [tx.cards.count_try(b"number", START) is not None for _ in range(2)] == [True, False]


def test_of_uses_at_once_no_more_are_spent_than_there_are(index: SQLIndex) -> None:
    put(index, CARD)

    def spend(_: int) -> int:
        with index.begin() as tx:
            return tx.cards.spend("a1", START)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(spend, range(16)))[-3:] == [0, 1, 2]


@pytest.fixture
def bank(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    quick_hashes(monkeypatch)
    database = "" if address.startswith("sqlite") else address
    with open_test_bank(tmp_path, organization="north", database=database) as made:
        fill(made)
        yield made


def test_of_two_hundred_wrong_pins_at_once_no_more_are_compared_than_a_card_has_tries(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = a_card(bank)
    compared = watch(monkeypatch)

    assert sum(claims(bank, issued, [wrong(issued.pin)] * 200)) == 0
    assert len(compared) == TRIES
    (told,) = cards.listed(bank, KEEPER)
    assert told.state is State.SWALLOWED
    with pytest.raises(NotFound):
        redeem.for_browser(bank, a_claim(issued), "198.51.100.1")

    # A right PIN among two hundred wrong ones does not beat the counter either.
    compared.clear()
    with bank.index.begin() as tx:
        tx.cards.forget([ADA])
    issued = a_card(bank, uses=1)
    pins_tried = [wrong(issued.pin)] * 200
    pins_tried[3] = issued.pin

    opened = sum(claims(bank, issued, pins_tried))
    (told,) = cards.listed(bank, KEEPER)
    assert opened == told.card.uses <= 1
    assert compared.count(issued.pin) == opened
    assert len(compared) - opened == TRIES - told.card.tries_left


def watch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The PINs that are compared with that of a card."""
    compared: list[str] = []
    really = pins.matches

    def matches(bank: Bank, expected: str, pin: str) -> bool:
        if expected:
            compared.append(pin)
        return really(bank, expected, pin)

    monkeypatch.setattr(pins, "matches", matches)
    return compared


def claims(bank: Bank, issued: cards.Issued, tried: list[str]) -> list[bool]:
    """Claim a card with these PINs at once, each from an address of its own; which of them opened it."""

    def claim(number: int) -> bool:
        with suppress(NotFound):
            redeem.for_browser(bank, a_claim(issued, pin=tried[number]), f"192.0.2.{number}")
            return True
        return False

    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(claim, range(len(tried))))
