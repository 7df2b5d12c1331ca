"""Performed procedure steps: begun once, ended once, by the organization that does them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import orders, performing
from imagebank.bank import Bank
from imagebank.errors import Conflict, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.order import Order, Patient, Performed, Reference, State
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.ports.orders import Wanted

NOW = datetime(2026, 3, 1, tzinfo=UTC)
P1 = PatientId("local", "P1")
CT = Principal("CT1", Role.DEVICE, "local", RIGHTS[Role.DEVICE], Scope.of("local"))
UID = Uid("1.2.3.4")
STEP = Performed(UID, "", P1, State.STARTED, (Reference("1.2.3"),), "", NOW)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        orders.hear(opened, [Order("local", Patient(P1), NOW, State.SCHEDULED, filler="F1", study=Uid("1.2.3"))], "RIS")
        yield opened


def state(bank: Bank) -> State | None:
    (only,) = bank.index.orders.orders(Wanted(is_open=False), Scope(None))
    return only.state


def test_a_step_begins_and_ends_once(bank: Bank) -> None:
    performing.begin(bank, STEP, CT)
    begun = state(bank)
    with pytest.raises(Conflict):
        performing.begin(bank, STEP, CT)
    performing.end(bank, UID, State.DONE, CT)
    with pytest.raises(Conflict):
        performing.end(bank, UID, State.STOPPED, CT)

    assert (begun, state(bank)) == (State.STARTED, State.DONE)


def test_nobody_else_ends_it(bank: Bank) -> None:
    performing.begin(bank, STEP, CT)
    with pytest.raises(NotFound):
        performing.end(bank, UID, State.DONE, replace(CT, organization="south"))
    nobody = replace(CT, rights=frozenset())
    with pytest.raises(NotAllowed):
        performing.begin(bank, STEP, nobody)
    with pytest.raises(NotAllowed):
        performing.end(bank, UID, State.DONE, nobody)

    assert state(bank) is State.STARTED
