"""One person's timeline: all linked records, as far as the caller sees them, and nothing of anybody else."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bank import keep, open_test_bank
from imagebank.actions import completeness, orders, persons, reports, timeline
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Right, Role, Scope
from imagebank.model.completeness import Progress, Standing
from imagebank.model.event import Act
from imagebank.model.identity import Ground, Identity, Origin
from imagebank.model.imaging import Source
from imagebank.model.order import Code, Order, Ordered, Patient, State
from imagebank.model.person import PatientId, PersonName
from imagebank.model.report import Body, Part, Report
from imagebank.model.timeline import Kind, Lane, Page, Timeline
from imagebank.model.uid import Uid
from make import a_file

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADMIN = Principal("root", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(None))
NORTH = replace(ADMIN, scope=Scope.of("north"))
N1, S1 = PatientId("north", "N1"), PatientId("south", "S1")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, organization="north") as opened:
        yield opened


def deposit(bank: Bank, patient: PatientId, study: str, **given: Any) -> None:
    source = Source("import", "tester", patient.issuer, "127.0.0.1")
    about = {"StudyDate": "20260101", "AccessionNumber": "", "PatientName": "Varga^Ada"} | given
    keep(bank, a_file(PatientID=patient.identifier, StudyInstanceUID=study, **about), source=source)


def one_person(bank: Bank) -> str:
    """Ada, whom north and south know; her key."""
    for patient in (N1, S1):
        identity = Identity(patient, PersonName.parse("Varga^Ada"), "19610723", "F", "12 Mill Lane", "0123 456", "Bo")
        persons.hear(bank, replace(identity, origin=Origin.HL7))
    return persons.shown(bank, N1, Scope(None)).person


def of(found: Timeline) -> list[str]:
    return [str(entry.uid) for entry in found.entries]


def test_it_has_the_studies_of_all_linked_records_newest_first(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", StudyDate="20200101", BodyPartExamined="KNEE", InstitutionalDepartmentName="Radiology")
    deposit(bank, S1, "1.2.2", StudyDate="20250101", BodyPartExamined="", InstitutionName="South Clinic")
    deposit(bank, PatientId("north", "N2"), "1.2.3", PatientName="Other^Olga")
    person = one_person(bank)
    found = timeline.of_person(bank, ADMIN, person, "test")
    newest, oldest = found.entries

    assert of(found) == ["1.2.2", "1.2.1"]
    assert {one.identity.patient for one in found.records} == {N1, S1}
    assert (oldest.lanes, oldest.departments, oldest.kind) == ((Lane.LEG,), ("Radiology",), Kind.IMAGES)
    assert (newest.lanes, newest.departments, newest.institutions) == ((Lane.OTHER,), (), ("South Clinic",))
    assert timeline.of_study(bank, ADMIN, Uid("1.2.1"), "test") == found
    assert [one and one.ground for one in found.reasons] == [Ground.SCORE] * 2


def test_what_the_caller_may_not_see_is_not_in_it(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1")
    deposit(bank, S1, "1.2.2")
    person = one_person(bank)
    found = timeline.of_person(bank, NORTH, person, "test")
    east = replace(ADMIN, scope=Scope.of("east"))

    assert of(found) == of(timeline.of_study(bank, NORTH, Uid("1.2.1"), "test")) == ["1.2.1"]
    assert [one.identity.patient for one in found.records] == [N1]
    assert found.reasons == (None,)
    for caller, key in ((east, person), (ADMIN, "0" * 32)):
        with pytest.raises(NotFound):
            timeline.of_person(bank, caller, key, "test")
    for caller, study in ((NORTH, "1.2.2"), (ADMIN, "1.2.9")):
        with pytest.raises(NotFound):
            timeline.of_study(bank, caller, Uid(study), "test")


def test_it_needs_the_right_to_find_and_stands_in_the_ledger(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1")
    nobody = replace(ADMIN, rights=frozenset({Right.GET}))
    with pytest.raises(NotAllowed):
        timeline.of_person(bank, nobody, "0" * 32, "test")
    with pytest.raises(NotAllowed):
        timeline.of_study(bank, nobody, Uid("1.2.1"), "test")
    timeline.of_study(bank, ADMIN, Uid("1.2.1"), "test", "10.0.0.1")

    told = [one for one in bank.index.events(Scope(None)) if one.act is Act.SEARCHED]
    assert [(one.principal, one.detail, one.address) for one in told] == [
        ("root", "test: timeline of a person", "10.0.0.1")
    ]


def test_a_record_of_which_nothing_was_heard_stands_alone(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1")
    deposit(bank, N1, "1.2.2")
    found = timeline.of_study(bank, ADMIN, Uid("1.2.1"), "test")

    assert (found.person, found.records, sorted(of(found))) == ("", (), ["1.2.1", "1.2.2"])


def test_a_study_of_nobody_known_stands_alone(bank: Bank) -> None:
    deposit(bank, PatientId("north", ""), "1.2.1")
    deposit(bank, PatientId("north", ""), "1.2.2")

    assert of(timeline.of_study(bank, ADMIN, Uid("1.2.1"), "test")) == ["1.2.1"]


def test_reports_are_for_those_who_may_get_and_only_their_newest_versions_count(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", AccessionNumber="A1")
    deposit(bank, N1, "1.2.2")
    by_accession = Report("north", N1, AT, "P", "R1", "A1")
    final = replace(by_accession, status="F", event_at=AT.replace(hour=13))
    other = Report("north", N1, AT, "F", "R2", study=Uid("1.2.2"))
    for one in (by_accession, final, other, replace(other, organization="east", number="R3")):
        assert reports.keep(bank, one, Body("Head", "", (Part("text/plain", one.number.encode()),)), "RIS")
    found = {str(one.uid): one.reports for one in timeline.of_study(bank, ADMIN, Uid("1.2.1"), "test").entries}
    blind = replace(ADMIN, rights=frozenset({Right.FIND}))

    assert [(one.number, one.status) for one in found["1.2.1"]] == [("R1", "F")]
    assert [one.number for one in found["1.2.2"]] == ["R2"]
    assert [one.reports for one in timeline.of_study(bank, blind, Uid("1.2.1"), "test").entries] == [(), ()]


def test_orders_are_there_until_something_of_them_has_come(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", AccessionNumber="A1")
    asked = Order("north", Patient(N1, "Varga^Ada"), AT, State.SCHEDULED, "P1", "F1", scheduled_at="202604011030")
    head = replace(asked, ordered=Ordered(Code("CTH", "CT head", "L")))
    by_accession = replace(asked, placer="P2", filler="F2", accession="A1")
    by_study = replace(asked, placer="P3", filler="F3", study=Uid("1.2.1"))
    of_other = replace(asked, placer="P4", filler="F4", patient=Patient(PatientId("south", "N1")))
    done = replace(asked, placer="P5", filler="F5", state=State.DONE)
    orders.hear(bank, [head, by_accession, by_study, of_other, done], "RIS")
    found = timeline.of_study(bank, ADMIN, Uid("1.2.1"), "test")

    assert [(one.number, one.ordered.procedure.meaning) for one in found.orders] == [("F1", "CT head")]


def test_it_says_whether_a_study_has_come_as_it_was_announced(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", NumberOfStudyRelatedInstances="5")
    deposit(bank, N1, "1.2.2")
    completeness.judge(bank, Uid("1.2.1"))
    standings = {str(one.uid): one.standing for one in timeline.of_study(bank, ADMIN, Uid("1.2.1"), "test").entries}

    assert standings["1.2.1"] is not None
    assert standings["1.2.1"].expected == 5
    assert standings["1.2.2"] == Standing(Progress.ARRIVING)


def test_it_is_told_in_pages_of_studies_with_orders_on_the_first(bank: Bank) -> None:
    for number, date in (("1", "20200101"), ("2", "20210101"), ("3", "20210101"), ("4", "20220101")):
        deposit(bank, N1, f"1.2.{number}", StudyDate=date)
    deposit(bank, S1, "1.2.5")
    person = one_person(bank)
    orders.hear(bank, [Order("north", Patient(N1), AT, State.SCHEDULED, "P1", "F1")], "RIS")
    first = timeline.of_person(bank, NORTH, person, "test", part=Page(2))
    second = timeline.of_study(bank, NORTH, Uid("1.2.1"), "test", part=Page(2, first.entries[-1].uid))

    assert (of(first), first.has_more, len(first.orders)) == (["1.2.4", "1.2.2"], True, 1)
    assert (of(second), second.has_more, second.orders) == (["1.2.3", "1.2.1"], False, ())
    assert timeline.of_person(bank, NORTH, person, "test").has_more is False
    for hidden in ("1.2.5", "1.2.9"):
        with pytest.raises(Invalid, match="begin with the first page"):
            timeline.of_person(bank, NORTH, person, "test", part=Page(2, Uid(hidden)))
