"""Which emergencies a caller has open."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import consent, emergency
from imagebank.bank import Bank
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
    others = [replace(DOCTOR, name="Dr Weiss"), replace(DOCTOR, organization="north")]
    later = replace(bank, now=lambda: bank.now() + timedelta(hours=2))

    assert emergency.open_to(bank, DOCTOR) == [first, second]
    assert [emergency.open_to(bank, one) for one in others] == [[], []]
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
