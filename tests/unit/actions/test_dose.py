"""What the exams of a person took, as far as somebody sees them, and what one that is not made would have."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions import dose, finding, persons, reindex, remove
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.dose import Method
from imagebank.model.event import Act
from imagebank.model.exam import Exam, Group
from imagebank.model.identity import Identity, Origin
from imagebank.model.imaging import Selection, Source
from imagebank.model.person import PatientId, PersonName
from imagebank.model.uid import Uid
from imagebank.settings import SettingsError
from make import a_dataset, as_file
from make_dose import a_ct_report

ADMIN = Principal("root", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(None))
NORTH = replace(ADMIN, scope=Scope.of("north"))
N1, S1 = PatientId("north", "N1"), PatientId("south", "S1")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, organization="north") as opened:
        yield opened


def deposit(bank: Bank, patient: PatientId, study: str, made: Dataset | None = None, **about: Any) -> None:
    given = {"StudyDescription": "CT CHEST", "StudyDate": "20260101", "BodyPartExamined": "CHEST", **about}
    image = made or a_dataset()
    for keyword, value in {**given, "PatientID": patient.identifier, "StudyInstanceUID": study}.items():
        setattr(image, keyword, value)
    keep(bank, as_file(image), source=Source("import", "tester", patient.issuer, "127.0.0.1"))


def linked(bank: Bank) -> str:
    for patient in (N1, S1):
        identity = Identity(patient, PersonName.parse("Varga^Ada"), "19610723", "F", "12 Mill Lane", "0123 456", "Bo")
        persons.hear(bank, replace(identity, origin=Origin.HL7))
    known = bank.index.persons.identity(N1, Scope(None))
    assert known is not None
    return known.person


def written(bank: Bank, *studies: str) -> None:
    for study in studies:
        assert finding.write(bank, Uid(study))


def test_a_study_with_a_report_is_told_by_what_was_measured(bank: Bank) -> None:
    deposit(bank, N1, "1.1", a_dataset(CTDIvol=9.0))
    deposit(bank, N1, "1.1", a_ct_report(400, "1.9.1"), Modality="SR")
    before = dose.of_study(bank, ADMIN, Uid("1.1"), "test")
    written(bank, "1.1")
    found = dose.of_study(bank, ADMIN, Uid("1.1"), "test")

    assert (before.dose.method, before.dose.msv, before.readings) == (Method.TYPICAL, 7, ())
    assert (found.dose.method, round(found.dose.msv or 0, 3), found.dose.is_measured) == (Method.DLP, 5.6, True)
    assert {one.quantity.value for one in found.readings} == {"dose_length_product", "ctdi_vol"}
    assert (found.organization, found.dose.sources) == ("north", ("AAPM Report 96 (2008), table 3",))
    line = bank.index.events(Scope(None))[0]
    assert (line.act, line.detail) == (Act.SEARCHED, "test: dose of a study")


def test_a_person_is_told_of_with_all_linked_records_that_the_caller_sees(bank: Bank) -> None:
    deposit(bank, N1, "1.1", a_ct_report(400, "1.9.1"), Modality="SR")
    deposit(bank, N1, "1.1", a_dataset())
    deposit(bank, N1, "1.2", a_dataset(), StudyDescription="MR BRAIN", Modality="MR", BodyPartExamined="BRAIN")
    deposit(bank, S1, "1.3", a_dataset(), StudyDescription="CT HEAD", BodyPartExamined="HEAD", StudyDate="20250101")
    written(bank, "1.1", "1.2", "1.3")
    person = linked(bank)
    every = dose.of_person(bank, ADMIN, person, "test")
    north = dose.of_person(bank, NORTH, person, "test")

    assert [(one.study, one.dose.method) for one in every.exposures] == [
        ("1.1", Method.DLP),
        ("1.2", Method.NONE),
        ("1.3", Method.TYPICAL),
    ]
    assert (every.total.exams, round(every.total.measured, 3), every.total.estimated) == (2, 5.6, 2)
    assert [(one.name, round(one.msv, 3)) for one in every.by_organization] == [("north", 5.6), ("south", 2)]
    assert [one.name for one in every.by_year] == ["2025", "2026"]
    assert (north.total.exams, round(north.total.msv, 3)) == (1, 5.6)
    assert dose.of_person_of(bank, NORTH, Uid("1.1")) == dose.of_records(bank, NORTH, [N1, S1], "test") == north
    with pytest.raises(NotFound, match="person"):
        dose.of_person(bank, replace(ADMIN, scope=Scope.of("west")), person, "test")


def test_a_report_that_came_with_two_studies_counts_with_one(bank: Bank) -> None:
    for study in ("1.1", "1.2"):
        deposit(bank, N1, study, a_ct_report(400, "1.9.1"), Modality="SR")
        deposit(bank, N1, study, a_dataset())
    written(bank, "1.1", "1.2")
    found = dose.of_records(bank, ADMIN, [N1], "test")

    assert {one.dose.method for one in found.exposures} == {Method.DLP, Method.ELSEWHERE}
    assert (found.total.exams, round(found.total.msv, 3)) == (1, 5.6)


def test_of_a_child_it_is_said_that_the_figures_are_of_adults(bank: Bank) -> None:
    deposit(bank, N1, "1.1", PatientBirthDate="20150302")
    written(bank, "1.1")
    found = dose.of_records(bank, ADMIN, [N1], "test")

    assert (found.children, found.exposures[0].dose.is_for_child) == (1, True)


def test_a_study_of_nobody_is_told_alone(bank: Bank) -> None:
    deposit(bank, PatientId("north", ""), "1.1")
    written(bank, "1.1")

    assert [one.study for one in dose.of_person_of(bank, ADMIN, Uid("1.1")).exposures] == ["1.1"]


def test_who_may_not_find_or_does_not_see_the_study_is_told_nothing(bank: Bank) -> None:
    deposit(bank, S1, "1.1")
    with pytest.raises(NotFound):
        dose.of_study(bank, NORTH, Uid("1.1"), "test")
    barred = replace(ADMIN, rights=frozenset())
    for ask in (
        lambda: dose.of_study(bank, barred, Uid("1.1"), "test"),
        lambda: dose.of_person(bank, barred, "x", "test"),
        lambda: dose.of_records(bank, barred, [N1], "test"),
    ):
        with pytest.raises(NotAllowed):
            ask()


def test_an_exam_that_is_not_made_is_estimated_by_the_sites_table(bank: Bank) -> None:
    found = dose.estimate(bank, Exam(Group.CT, ("CHEST",)))

    assert (found.msv, found.method, found.is_measured) == (7, Method.TYPICAL, False)
    assert found.sources == ("Mettler et al., Radiology 2008; 248:254-263",)
    assert dose.estimate(bank, Exam(Group.OTHER)).msv is None


def test_a_sites_table_is_looked_at_when_the_bank_opens(tmp_path: Path) -> None:
    file = tmp_path / "doses.toml"
    text = (files("imagebank.exams") / "doses.toml").read_text("utf-8")
    file.write_text(text.replace("msv = 7\nsource", "msv = 5\nsource"), "utf-8")
    with open_test_bank(tmp_path, doses_file=file) as own:
        assert dose.estimate(own, Exam(Group.CT, ("CHEST",))).msv == 5
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace("msv = 7", "msv = -7"), "utf-8")
    with pytest.raises(SettingsError, match=r"wrong\.toml"), open_test_bank(tmp_path, doses_file=wrong):
        pass


def test_a_rebuild_and_a_removal_bring_readings_back_by_jobs(bank: Bank) -> None:
    report = a_ct_report(400, "1.9.1")
    deposit(bank, N1, "1.1", report, Modality="SR")
    deposit(bank, N1, "1.1", a_dataset())
    work_off(bank)
    reindex.reindex(bank)
    gone = bank.index.doses.unread(9, Scope(None))
    work_off(bank)
    rebuilt = dose.of_study(bank, ADMIN, Uid("1.1"), "test")
    remove.remove(bank, Selection(instance=Uid(report.SOPInstanceUID)), ADMIN)
    work_off(bank)

    assert gone == ["1.1"]
    assert rebuilt.dose.method is Method.DLP
    assert dose.of_study(bank, ADMIN, Uid("1.1"), "test").dose.method is Method.TYPICAL


def work_off(bank: Bank) -> None:
    finding.catch_up(bank)
    for job in iter(lambda: bank.jobs.claim((finding.JOB,), bank.now() + timedelta(hours=1), 60), None):
        worker.WORK[job.kind](bank, job.payload)
        bank.jobs.finish(job)
