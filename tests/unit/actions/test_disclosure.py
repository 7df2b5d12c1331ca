"""The accounting of disclosures: what of a patient's images went to whom, and what need not be accounted for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions.disclosure import Accounting, accounting
from imagebank.actions.rights import principal
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed
from imagebank.model.access import Purpose, Role, Scope
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from make import a_file

ALL = Scope(organizations=None)
ADA, BOB = PatientId("north", "ADA"), PatientId("north", "BOB")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        keep(opened, a_file(PatientID="ADA"), source=replace(SOURCE, organization="north"))
        yield opened


def study_of(bank: Bank) -> Uid:
    (instance,) = bank.index.instances(Selection(), ALL)
    return instance.study


def seen(
    bank: Bank,
    at: datetime = NOON,
    who: str = "Dr Varga",
    purpose: Purpose | None = Purpose.RESEARCH,
    patient: PatientId = ADA,
    **given: object,
) -> None:
    fields = {"count": 1, "detail": "WADO-RS", "act": Act.VIEWED, "study": study_of(bank), **given}
    act = fields.pop("act")
    with bank.index.begin() as tx:
        tx.record([Event(at, act, who, "south", "10.0.0.5", patient=patient, purpose=purpose, **fields)])  # type: ignore[arg-type]


def accounted(bank: Bank, patient: PatientId = ADA, **given: datetime) -> Accounting:
    return accounting(bank, patient, principal(bank, "officer", Role.PRIVACY_OFFICER, "north"), "", **given)


def test_a_disclosure_says_when_to_whom_what_how_much_and_why(bank: Bank) -> None:
    seen(bank, count=3)
    made = accounted(bank)
    (one,) = made.disclosures

    assert (one.at, one.recipient, one.organization, one.address) == (NOON, "Dr Varga", "south", "10.0.0.5")
    assert (one.study, one.description) == (study_of(bank), "2 Jan 2026, CT, CT head")
    assert (one.number, one.way, one.purpose, one.is_exempt) == (3, "WADO-RS", Purpose.RESEARCH, False)
    assert made.until - made.since == timedelta(days=2192)


def test_what_went_to_one_recipient_on_one_day_is_counted_together(bank: Bank) -> None:
    seen(bank, count=1)
    seen(bank, NOON + timedelta(hours=1), count=40, detail="WADO-RS: more")
    seen(bank, NOON + timedelta(days=1), count=2)
    seen(bank, who="Dr Other")

    assert [(one.recipient, one.at, one.number) for one in accounted(bank).disclosures] == [
        ("Dr Varga", NOON, 41),
        ("Dr Other", NOON, 1),
        ("Dr Varga", NOON + timedelta(days=1), 2),
    ]


@pytest.mark.parametrize(
    ("purpose", "is_exempt"),
    [
        (Purpose.TREATMENT, True),
        (Purpose.EMERGENCY, True),
        (Purpose.PAYMENT, True),
        (Purpose.OPERATIONS, True),
        (Purpose.PATIENT_REQUEST, True),
        (Purpose.RESEARCH, False),
        (Purpose.PUBLIC_HEALTH, False),
        (None, False),
    ],
)
def test_treatment_payment_operations_and_the_patient_are_exempt(
    bank: Bank, purpose: Purpose | None, is_exempt: bool
) -> None:
    seen(bank, purpose=purpose)

    assert [one.is_exempt for one in accounted(bank).disclosures] == [is_exempt]


def test_only_what_left_counts_and_only_this_patient_s_in_this_period(bank: Bank) -> None:
    seen(bank)
    seen(bank, patient=BOB)
    seen(bank, act=Act.EMERGENCY, study=None)
    seen(bank, study=None)
    seen(bank, act=Act.SENT, detail="C-STORE", at=NOON - timedelta(days=40))
    end = NOON + timedelta(seconds=1)

    assert [one.way for one in accounted(bank).disclosures] == ["C-STORE", "WADO-RS"]
    assert [one.way for one in accounted(bank, since=NOON, until=end).disclosures] == ["WADO-RS"]
    assert accounted(bank, PatientId("south", "ADA")).disclosures == ()


def test_what_was_sent_to_a_device_went_to_the_device(bank: Bank) -> None:
    to = "C-MOVE to WS1 at 10.0.0.9 of east"
    seen(bank, act=Act.SENT, who="MOVER", count=3, detail=to)
    seen(bank, NOON + timedelta(hours=1), act=Act.SENT, who="MOVER", count=4, detail=to)
    seen(bank, NOON + timedelta(hours=2), act=Act.SENT, who="WS1", detail=to)

    assert [
        (one.recipient, one.organization, one.address, one.number, one.way) for one in accounted(bank).disclosures
    ] == [
        ("WS1", "east", "10.0.0.9", 7, "C-MOVE, asked for by MOVER"),
        ("WS1", "east", "10.0.0.9", 1, "C-MOVE"),
    ]


def test_a_study_that_is_gone_is_still_accounted_for(bank: Bank) -> None:
    seen(bank, study=Uid("1.2.3"))

    assert [(one.study, one.description) for one in accounted(bank).disclosures] == [("1.2.3", "")]


def test_who_asks_needs_the_right_and_stands_in_the_ledger(bank: Bank) -> None:
    accounted(bank)
    newest = bank.index.events(ALL, limit=1, patient=ADA)[0]

    assert (newest.principal, newest.detail) == ("officer", "read the ledger: disclosures")
    with pytest.raises(NotAllowed):
        accounting(bank, ADA, principal(bank, "Dr Varga", Role.CLINICIAN, "north"))


def test_what_nobody_could_mean_is_refused(bank: Bank) -> None:
    with pytest.raises(Invalid, match="identifier"):
        accounted(bank, PatientId("north", ""))
    with pytest.raises(Invalid, match="before it begins"):
        accounted(bank, since=NOON, until=NOON)
