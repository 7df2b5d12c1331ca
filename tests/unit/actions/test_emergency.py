"""Which emergencies a caller has open."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import consent, emergency
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.person import PatientId

DOCTOR = Principal("Dr Varga", Role.CLINICIAN, "south", RIGHTS[Role.CLINICIAN], Scope.nothing())
OFFICER = Principal("officer", Role.PRIVACY_OFFICER, "north", RIGHTS[Role.PRIVACY_OFFICER], Scope.nothing())
REASON = "unconscious after a fall"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def test_what_somebody_has_opened_is_open_to_them_alone_and_for_a_while(bank: Bank) -> None:
    first, second = (emergency.break_glass(bank, PatientId("north", name), REASON, DOCTOR) for name in ("ADA", "BOB"))
    others = [
        replace(DOCTOR, name="Dr Weiss"),
        replace(DOCTOR, organization="north"),
        replace(DOCTOR, role=Role.TECHNOLOGIST),
    ]
    later = replace(bank, now=lambda: bank.now() + timedelta(hours=2))

    assert emergency.open_to(bank, DOCTOR) == [first, second]
    assert [emergency.open_to(bank, one) for one in others] == [[], [], []]
    assert emergency.open_to(later, DOCTOR) == []


def test_what_the_officer_ends_is_open_no_longer(bank: Bank) -> None:
    one = emergency.break_glass(bank, PatientId("north", "ADA"), REASON, DOCTOR)
    consent.revoke(bank, one.id, OFFICER)

    assert emergency.open_to(bank, DOCTOR) == []


def test_to_look_for_ones_own_emergencies_writes_nothing(bank: Bank) -> None:
    before = len(bank.index.events(Scope(None)))
    emergency.open_to(bank, DOCTOR)

    assert len(bank.index.events(Scope(None))) == before
    assert all(event.act is not Act.UNBOUNDED for event in bank.index.events(Scope(None))[:1])


def test_who_has_opened_a_record_closes_it_before_its_time_and_the_ledger_tells_of_it(bank: Bank) -> None:
    first, second = (emergency.break_glass(bank, PatientId("north", name), REASON, DOCTOR) for name in ("ADA", "BOB"))
    emergency.end(bank, first.id, DOCTOR, "10.0.0.5")
    newest = bank.index.events(Scope(None), limit=1, patient=PatientId("north", "ADA"))[0]

    assert emergency.open_to(bank, DOCTOR) == [second]
    assert (newest.act, newest.principal, newest.address) == (Act.EMERGENCY_ENDED, "Dr Varga", "10.0.0.5")
    assert newest.detail == f"emergency {first.id}"
    assert [one.id for one in emergency.unreviewed(bank, OFFICER)] == [first.id, second.id]


def test_nobody_ends_what_is_not_open_to_them(bank: Bank) -> None:
    one = emergency.break_glass(bank, PatientId("north", "ADA"), REASON, DOCTOR)
    later = replace(bank, now=lambda: bank.now() + timedelta(hours=2))
    for asked, who in ((bank, replace(DOCTOR, name="Dr Weiss")), (later, DOCTOR)):
        with pytest.raises(NotFound, match="ended already"):
            emergency.end(asked, one.id, who)
    emergency.end(bank, one.id, DOCTOR)
    with pytest.raises(NotFound):
        emergency.end(bank, one.id, DOCTOR)

    assert [event.act for event in bank.index.events(Scope(None))].count(Act.EMERGENCY_ENDED) == 1


def test_a_look_at_what_waits_for_a_review_stands_in_the_ledger_by_name_and_address(bank: Bank) -> None:
    emergency.unreviewed(bank, OFFICER, "192.0.2.7")
    newest = bank.index.events(Scope(None))[0]

    assert (newest.act, newest.principal, newest.address) == (Act.UNBOUNDED, OFFICER.name, "192.0.2.7")
    assert newest.detail == "emergencies that wait for a review"
