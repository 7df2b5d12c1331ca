"""What lies in quarantine can be listed, looked at, sent in again, and let go."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bank import keep, open_test_bank
from imagebank.actions import quarantine, remove
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Outcome, Selection
from imagebank.model.uid import Uid
from make import a_file, read

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
DOCTOR = Principal("Dr Varga", Role.CLINICIAN, "local", RIGHTS[Role.CLINICIAN], ALL)
FIRST = a_file()
SECOND = a_file(SOPInstanceUID=read(FIRST).SOPInstanceUID)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """A bank in which the second of two objects of one name lies in quarantine."""
    with open_test_bank(tmp_path) as opened:
        keep(opened, FIRST, SECOND)
        yield opened


def test_only_who_administers_its_organization_sees_what_lies_in_quarantine(bank: Bank) -> None:
    (aside,) = quarantine.listed(bank, KEEPER)
    with pytest.raises(NotAllowed):
        quarantine.listed(bank, DOCTOR)
    with pytest.raises(NotAllowed):
        quarantine.one(bank, aside.id, DOCTOR)

    assert quarantine.one(bank, aside.id, KEEPER) == aside
    assert quarantine.listed(bank, replace(KEEPER, scope=Scope.of("south"))) == []
    assert b"".join(quarantine.content(bank, aside.id, KEEPER)) == SECOND


@pytest.mark.parametrize("number", [999, 2**63 - 1, 2**70])
def test_a_number_that_nothing_has_is_not_found(bank: Bank, number: int) -> None:
    with pytest.raises(NotFound, match=str(number)):
        quarantine.one(bank, number, KEEPER)


def test_what_is_sent_in_again_leaves_quarantine_once_nothing_contradicts_it(bank: Bank) -> None:
    (aside,) = quarantine.listed(bank, KEEPER)
    refused = quarantine.submit_again(bank, aside.id, KEEPER)
    remove.remove(bank, Selection(instance=Uid(read(FIRST).SOPInstanceUID)), KEEPER)
    kept = quarantine.submit_again(bank, aside.id, KEEPER)
    (instance,) = bank.index.instances(Selection(), ALL)

    assert (refused.outcome, kept.outcome) == (Outcome.QUARANTINED, Outcome.STORED)
    assert quarantine.listed(bank, KEEPER) == []
    assert bank.blobs.read(instance.location) == SECOND
    with pytest.raises(NotFound):
        bank.blobs.read(aside.location)


def test_only_the_original_keeps_what_hides_in_its_preamble(bank: Bank) -> None:
    hiding = b"#!/bin/sh".ljust(128) + a_file(SOPInstanceUID=read(FIRST).SOPInstanceUID)[128:]
    keep(bank, hiding)
    aside = quarantine.listed(bank, KEEPER)[-1]

    assert b"".join(quarantine.content(bank, aside.id, KEEPER)) == bytes(128) + hiding[128:]
    assert b"".join(quarantine.content(bank, aside.id, KEEPER, is_original=True)) == hiding


def test_a_look_at_the_list_is_in_the_ledger_where_there_is_something_to_see(bank: Bank) -> None:
    quarantine.listed(bank, replace(KEEPER, scope=Scope.of("south")), "192.0.2.8")
    quarantine.listed(bank, KEEPER, "192.0.2.7")
    looks = [event for event in bank.index.events(Scope(None)) if event.act is Act.VIEWED]

    assert [(one.principal, one.detail, one.address) for one in looks] == [
        (KEEPER.name, "quarantine: list", "192.0.2.7")
    ]
