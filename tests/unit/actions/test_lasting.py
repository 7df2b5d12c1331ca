"""What was permitted when a transfer began is asked for again while it lasts."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import consent, remove, rights
from imagebank.actions.lasting import Lasting
from imagebank.bank import Bank
from imagebank.dimse import status
from imagebank.dimse.handlers import Caller
from imagebank.dimse.retrieve import give, lasting
from imagebank.errors import NotFound
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.imaging import Instance, Selection
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from make import a_series

ALL = Scope(organizations=None)
SECOND = timedelta(seconds=1)


@dataclass
class Clock:
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bank(tmp_path: Path, clock: Clock) -> Iterator[Bank]:
    """A series of Ada's in north, which south may see by a consent for an hour."""
    with open_test_bank(tmp_path, organization="north") as opened:
        at_work = replace(opened, now=clock)
        keep(at_work, *a_series(5, PatientID="ADA"), source=replace(SOURCE, organization="north"))
        draft = Provision("", Kind.CONSENT, True, PatientId("north", "ADA"), clock.at, clock.at + 3600 * SECOND)
        consent.decide(at_work, replace(draft, organization="south"), officer(at_work))
        yield at_work


def officer(bank: Bank) -> Principal:
    return rights.principal(bank, "officer", Role.ADMIN, "north")


def doctor(bank: Bank) -> Principal:
    return rights.principal(bank, "Dr South", Role.CLINICIAN, "south")


def revoke(bank: Bank) -> None:
    (given,) = bank.index.provisions(ALL)
    consent.revoke(bank, given.id, officer(bank))


def test_a_transfer_is_stopped_within_a_second_of_the_revocation(bank: Bank, clock: Clock) -> None:
    instances = bank.index.instances(Selection(), doctor(bank).scope)
    still = Lasting(bank, doctor(bank))
    clock.at += 2 * SECOND
    still.require(instances[0])
    revoke(bank)
    still.require(instances[1])
    clock.at += SECOND
    with pytest.raises(NotFound, match="has ended"):
        still.require(instances[2])


def test_a_transfer_is_stopped_when_what_was_permitted_ends_by_itself_or_the_object_is_deleted(
    bank: Bank, clock: Clock
) -> None:
    first, *_ = bank.index.instances(Selection(), doctor(bank).scope)
    still, keepers = Lasting(bank, doctor(bank)), Lasting(bank, officer(bank))
    clock.at += 3601 * SECOND
    with pytest.raises(NotFound):
        still.require(first)
    keepers.require(first)
    remove.remove(bank, Selection(instance=first.uid), officer(bank))
    clock.at += SECOND
    with pytest.raises(NotFound):
        keepers.require(first)


def test_it_is_asked_once_a_second_however_many_objects_go(
    bank: Bank, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    instances = bank.index.instances(Selection(), doctor(bank).scope)
    still, ask, asked = Lasting(bank, doctor(bank)), bank.index.instances, []

    def counted(selection: Selection, scope: Scope) -> list[Instance]:
        asked.append(selection)
        return ask(selection, scope)

    monkeypatch.setattr(bank.index, "instances", counted)
    for _ in range(3):
        for instance in instances:
            still.require(instance)
        clock.at += SECOND

    assert len(asked) == 2, "a transfer that is over within a second asks nothing again"


def test_sub_operations_fail_from_then_on(bank: Bank, clock: Clock) -> None:
    instances = bank.index.instances(Selection(), doctor(bank).scope)
    sent: list[Instance] = []

    def send(instance: Instance) -> int:
        sent.append(instance)
        if len(sent) == 2:
            revoke(bank)
        clock.at += SECOND
        return status.SUCCESS

    caller = Caller(doctor(bank), "SOUTH", "127.0.0.1")
    *_, final = give(instances, lasting(bank, caller, send), lambda: False)

    assert len(sent) == 2
    assert final.status == status.SOME_FAILED
    assert final.tally is not None
    assert (final.tally.completed, final.tally.failed) == (2, 3)
