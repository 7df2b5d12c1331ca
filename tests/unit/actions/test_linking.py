"""Linking and parting by hand: what is seen before, what comes of it, and for whom there is nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import linking, persons
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Right, Role
from imagebank.model.identity import Deed, Ground
from unit.actions.test_persons import ADMIN, E1, N1, NORTH, S1, W1, ada, record, together, unlike

BLIND = replace(ADMIN, rights=RIGHTS[Role.ADMIN] - {Right.RECONCILE})


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        fill(opened)
        yield opened


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """The same for tests that change nothing."""
    with open_test_bank(tmp_path_factory.mktemp("still")) as opened:
        fill(opened)
        yield opened


def fill(bank: Bank) -> None:
    """Ada, whom north and south know and who is linked; in the east another, and in the west a record like hers."""
    for identity in (ada(N1), ada(S1), unlike(E1)):
        persons.hear(bank, identity)
    persons.hear(bank, ada(W1, "Varga^Adele", birth_date="19610724", address="", phone=""))
    assert together(bank, N1, S1)
    assert not together(bank, N1, W1)


def key(bank: Bank) -> str:
    return record(bank, N1).person


def test_a_persons_records_come_with_the_decisions_that_link_them(still: Bank) -> None:
    found = linking.of_person(still, ADMIN, key(still))
    (decision,) = found.decisions

    assert [one.identity.patient for one in found.records] == [N1, S1]
    assert found.reasons == (decision, decision)
    assert (decision.ground, found.undone) == (Ground.SCORE, frozenset())


def test_another_record_is_compared_with_the_likest(still: Bank) -> None:
    pair = linking.beside(still, ADMIN, key(still), W1)
    findings = {one.field: one.finding for one in pair.likeness.evidence}

    assert (pair.mine.identity.patient in (N1, S1), pair.other.identity.patient) == (True, W1)
    assert findings["family"] == "same"
    assert findings["birth_date"] == "near"
    assert [one.identity.patient for one in pair.others] == [W1]


def test_a_record_is_linked_alone_or_with_all_of_its_person(bank: Bank) -> None:
    persons.link(bank, ADMIN, E1, W1)
    person = key(bank)
    alone = linking.join(bank, ADMIN, person, W1, with_all=False, why="asked  her ")
    apart = not together(bank, N1, E1)
    both = linking.join(bank, ADMIN, person, E1, with_all=True, why="asked her again")

    assert alone == both == person
    assert apart
    assert together(bank, N1, S1, W1, E1)
    told = linking.of_person(bank, ADMIN, person).decisions
    assert [(one.deed, one.by, one.reason) for one in told[:2]] == [
        (Deed.MERGE, "root", "asked her again"),
        (Deed.LINK, "root", "asked her"),
    ]


def test_a_record_is_parted_and_no_reason_of_it_stays_with_the_others(bank: Bank) -> None:
    person = linking.join(bank, ADMIN, key(bank), W1, with_all=False, why="asked")
    parted = linking.part(bank, ADMIN, person, W1, "another birth date")
    found = linking.of_person(bank, ADMIN, parted)

    assert parted == person
    assert [one.identity.patient for one in found.records] == [N1, S1]
    assert [one and one.ground for one in found.reasons] == [Ground.SCORE, Ground.SCORE]
    assert not together(bank, N1, W1)


def test_a_decision_is_taken_back_once(bank: Bank) -> None:
    person = linking.join(bank, ADMIN, key(bank), W1, with_all=False, why="asked")
    (newest, *_) = linking.of_person(bank, ADMIN, person).decisions
    after = linking.undo(bank, ADMIN, person, newest.id, "  a  slip ")
    found = linking.of_person(bank, ADMIN, after)

    assert after == person
    assert newest.id in found.undone
    assert found.decisions[0].reason == "a slip"
    assert not together(bank, N1, W1)
    with pytest.raises(Conflict):
        linking.undo(bank, ADMIN, person, newest.id)


def test_where_a_persons_key_is_no_more_the_page_of_its_record_comes(bank: Bank) -> None:
    person = key(bank)
    assert linking.part(bank, ADMIN, person, N1, "somebody else") == person
    alone = key(bank)
    (parting, *_) = linking.of_person(bank, ADMIN, alone).decisions

    assert alone != person
    assert linking.undo(bank, ADMIN, alone, parting.id) == person == key(bank)


def test_a_reason_is_needed_and_not_endless(still: Bank) -> None:
    for why in ("", "  ", "x" * 501):
        with pytest.raises(Invalid):
            linking.join(still, ADMIN, key(still), W1, with_all=False, why=why)
        with pytest.raises(Invalid):
            linking.part(still, ADMIN, key(still), N1, why)

    assert len(linking.of_person(still, ADMIN, key(still)).decisions) == 1


def test_what_is_not_there_and_what_would_change_nothing_is_refused(still: Bank) -> None:
    person = key(still)
    with pytest.raises(Conflict):
        linking.beside(still, ADMIN, person, S1)
    with pytest.raises(NotFound):
        linking.beside(still, ADMIN, person, replace(W1, identifier="9"))
    with pytest.raises(NotFound):
        linking.part(still, ADMIN, person, W1, "not hers")
    with pytest.raises(NotFound):
        linking.undo(still, ADMIN, person, "0" * 32)
    with pytest.raises(Conflict):
        linking.part(still, ADMIN, record(still, W1).person, W1, "it is alone")


def test_it_is_for_who_may_reconcile_and_sees_the_records(still: Bank) -> None:
    person = key(still)
    for refused in (
        lambda: linking.of_person(still, BLIND, person),
        lambda: linking.beside(still, BLIND, person, W1),
        lambda: linking.join(still, BLIND, person, W1, with_all=False, why="x"),
        lambda: linking.part(still, BLIND, person, N1, "x"),
        lambda: linking.undo(still, BLIND, person, "x"),
    ):
        with pytest.raises(NotAllowed):
            refused()
    # North has no study of anybody.
    for unseen in (
        lambda: linking.of_person(still, NORTH, person),
        lambda: linking.part(still, NORTH, person, N1, "x"),
    ):
        with pytest.raises(NotFound):
            unseen()
