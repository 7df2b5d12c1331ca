"""Which earlier studies of a person are worth comparing: of all linked records, and as far as the caller sees them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bank import keep, open_test_bank
from imagebank.actions import exams, finding, persons, priors
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound
from imagebank.exams.telling import reasons
from imagebank.model.access import RIGHTS, Principal, Right, Role, Scope
from imagebank.model.event import Act
from imagebank.model.exam import Asked, Contrast, Exam, Group, Said
from imagebank.model.identity import Identity, Origin
from imagebank.model.imaging import Source
from imagebank.model.person import PatientId, PersonName
from imagebank.model.uid import Uid
from make import a_file

ADMIN = Principal("root", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(None))
NORTH = replace(ADMIN, scope=Scope.of("north"))
N1, S1 = PatientId("north", "N1"), PatientId("south", "S1")
ALL = Scope(None)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, organization="north") as opened:
        yield opened


def deposit(bank: Bank, patient: PatientId, study: str, date: str, description: str, **given: Any) -> None:
    source = Source("import", "tester", patient.issuer, "127.0.0.1")
    about = {"StudyDate": date, "StudyDescription": description, "PatientName": "Varga^Ada", "BodyPartExamined": ""}
    keep(bank, a_file(PatientID=patient.identifier, StudyInstanceUID=study, **(about | given)), source=source)


def linked(bank: Bank) -> None:
    for patient in (N1, S1):
        identity = Identity(patient, PersonName.parse("Varga^Ada"), "19610723", "F", "12 Mill Lane", "0123 456", "Bo")
        persons.hear(bank, replace(identity, origin=Origin.HL7))


def of(found: priors.Ranked) -> list[str]:
    return [prior.past.id for prior, _ in found.priors]


def test_priors_are_of_all_linked_records_with_reasons(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", "20260115", "CT HEAD WO")
    deposit(bank, S1, "1.2.2", "20260101", "CT Kopf nativ")
    deposit(bank, N1, "1.2.3", "20250101", "CT HEAD")
    deposit(bank, N1, "1.2.4", "20260110", "CT FOOT LT")
    deposit(bank, N1, "1.2.5", "20260201", "CT HEAD")
    linked(bank)
    found = priors.of_study(bank, ADMIN, Uid("1.2.1"), "test")
    best, study = found.priors[0]

    assert of(found) == ["1.2.2", "1.2.3"]
    assert (found.asked.exam.group, found.asked.exam.regions) == (Group.CT, ("HEAD",))
    assert [str(one) for one in reasons(best.factors)] == [
        "same region",
        "same modality",
        "same contrast",
        "14 days older",
        "other organization: south",
    ]
    assert study["00081030"]["Value"] == ["CT Kopf nativ"]
    assert of(priors.of_study(bank, ADMIN, Uid("1.2.1"), "test", most=1)) == ["1.2.2"]


def test_what_the_caller_may_not_see_is_no_prior(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", "20260115", "CT HEAD WO")
    deposit(bank, S1, "1.2.2", "20260101", "CT HEAD")
    linked(bank)

    assert of(priors.of_study(bank, NORTH, Uid("1.2.1"), "test")) == []
    for caller, study in ((NORTH, "1.2.2"), (ADMIN, "1.2.9")):
        with pytest.raises(NotFound):
            priors.of_study(bank, caller, Uid(study), "test")


def test_it_needs_the_right_to_find_and_stands_in_the_ledger(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", "20260115", "CT HEAD WO")
    nobody = replace(ADMIN, rights=frozenset({Right.GET}))
    wish = Asked(Exam(Group.CT, ("HEAD",)), date(2026, 2, 1))
    with pytest.raises(NotAllowed):
        priors.of_study(bank, nobody, Uid("1.2.1"), "test")
    with pytest.raises(NotAllowed):
        priors.of_wish(bank, nobody, wish, [N1], "test")
    priors.of_study(bank, ADMIN, Uid("1.2.1"), "test", "10.0.0.1")
    found = priors.of_wish(bank, ADMIN, wish, [N1], "test", "10.0.0.1")

    told = [one for one in bank.index.events(ALL) if one.act is Act.SEARCHED]
    assert of(found) == ["1.2.1"]
    assert {(one.detail, one.address) for one in told} == {
        ("test: priors of a study", "10.0.0.1"),
        ("test: priors of an order", "10.0.0.1"),
    }


def test_a_study_of_nobody_known_has_none_and_one_without_a_date_is_of_today(bank: Bank) -> None:
    deposit(bank, PatientId("north", ""), "1.2.1", "20260115", "CT HEAD WO")
    deposit(bank, N1, "1.2.2", "", "CT HEAD WO")
    deposit(bank, N1, "1.2.3", "20260115", "CT HEAD WO")

    assert of(priors.of_study(bank, ADMIN, Uid("1.2.1"), "test")) == []
    assert of(priors.of_study(bank, ADMIN, Uid("1.2.2"), "test")) == ["1.2.3"]


def test_headers_are_read_for_what_no_list_has(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", "20260115", "Head", ContrastBolusAgent="Iohexol")
    before = exams.history(bank, [N1], ALL)
    finding.write(bank, Uid("1.2.1"))

    assert [one.exam.contrast for one in before] == [Contrast.UNKNOWN]
    assert [one.exam.contrast for one in exams.history(bank, [N1], ALL)] == [Contrast.YES]


def test_a_site_says_what_its_words_mean(tmp_path: Path) -> None:
    file = tmp_path / "exams.toml"
    file.write_text('[[word]]\nen = ["jenny special"]\nregions = ["KNEE"]\n', "utf-8")
    with open_test_bank(tmp_path, exams_file=file) as bank:
        assert exams.understood(bank, Said(("DX",), ("Jenny Special",))).regions == ("KNEE",)


def test_odd_dates_are_none() -> None:
    assert [exams.day_of(text) for text in ("20260228", "20260230", "", "2026")] == [
        date(2026, 2, 28),
        None,
        None,
        None,
    ]


def test_one_study_is_an_exam_as_far_as_the_caller_sees_it(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", "20260115", "CT HEAD WO")

    assert exams.of_study(bank, Uid("1.2.1"), ALL).exam.regions == ("HEAD",)
    with pytest.raises(NotFound):
        exams.of_study(bank, Uid("1.2.1"), Scope.of("south"))
