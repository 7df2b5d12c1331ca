"""Taking in orders and visits, and giving out what is to be done."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import orders
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.encounter import Encounter, Stay
from imagebank.model.order import Order, Patient, State
from imagebank.model.person import PatientId
from imagebank.ports.orders import Wanted

ALL = Scope(None)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
P1, P2 = PatientId("local", "P1"), PatientId("local", "P2")
ORDER = Order("local", Patient(P1, "Doe^Jane"), NOW, State.SCHEDULED, filler="F1")
CT = Principal("CT1", Role.DEVICE, "local", RIGHTS[Role.DEVICE], Scope.of("local"))


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield replace(opened, now=lambda: NOW)


def details(bank: Bank) -> list[str]:
    return [one.detail for one in reversed(bank.index.events(ALL)) if one.principal in ("RIS", "CT1")]


def test_what_changes_is_in_the_ledger_and_what_does_not_is_not(bank: Bank) -> None:
    changes = [orders.hear(bank, [one], "RIS") for one in (ORDER, ORDER, replace(ORDER, state=None, modality="CT"))]

    assert changes == [1, 0, 1]
    assert details(bank) == ["order scheduled", "order changed"]


@pytest.mark.parametrize("odd", [replace(ORDER, filler=""), replace(ORDER, patient=Patient(PatientId("local", "")))])
def test_an_order_of_nobody_or_without_a_number_is_refused_with_all_that_came_with_it(bank: Bank, odd: Order) -> None:
    with pytest.raises(Invalid):
        orders.hear(bank, [ORDER, odd], "RIS")

    assert bank.index.orders.orders(Wanted(), ALL) == []


def test_a_clock_that_is_ahead_counts_for_a_day_at_most(bank: Bank) -> None:
    orders.hear(bank, [replace(ORDER, event_at=NOW + timedelta(days=900))], "RIS")

    assert bank.index.orders.orders(Wanted(), ALL)[0].event_at == NOW + timedelta(days=1)


def test_the_worklist_is_for_those_who_may_find_and_the_search_is_noted(bank: Bank) -> None:
    orders.hear(bank, [ORDER], "RIS")
    found = orders.worklist(bank, Wanted(), CT, "worklist by Modality", "10.0.0.1")
    with pytest.raises(NotAllowed):
        orders.worklist(bank, Wanted(), replace(CT, rights=frozenset()), "worklist")

    assert [one.filler for one in found] == ["F1"]
    assert details(bank) == ["order scheduled", "worklist by Modality"]


def test_a_patient_is_renamed_and_moved_on_open_orders(bank: Bank) -> None:
    orders.hear(bank, [ORDER], "RIS")
    counts = orders.rename(bank, "local", Patient(P1, "Roe^Jane"), NOW), orders.move(bank, "local", P1, P2)

    (kept,) = bank.index.orders.orders(Wanted(), ALL)
    assert counts == (1, 1)
    assert (kept.patient.id, kept.patient.name) == (P2, "Roe^Jane")


def test_a_visit_is_noted_and_an_older_word_about_it_changes_nothing(bank: Bank) -> None:
    began = Encounter("local", "V1", P1, NOW)
    ended = replace(began, stay=Stay.ENDED)
    answers = [
        orders.visit(bank, one, "RIS") for one in (began, ended, replace(began, event_at=NOW - timedelta(hours=1)))
    ]
    for odd in (replace(began, number=""), replace(began, patient=PatientId("local", ""))):
        with pytest.raises(Invalid):
            orders.visit(bank, odd, "RIS")

    assert answers == [True, True, False]
    assert details(bank) == ["visit open", "visit ended"]
    assert bank.index.orders.encounters(P1, ALL) == [ended]


def test_an_older_word_about_a_patient_is_no_news(bank: Bank) -> None:
    hours = (0, -1, 0, 900, 24, 23)
    answers = [orders.is_news(bank, "local", P1, NOW + timedelta(hours=hour)) for hour in hours]

    assert answers == [True, False, True, True, True, False]
    assert orders.is_news(bank, "south", P1, NOW)
